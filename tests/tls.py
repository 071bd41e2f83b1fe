"""TLS in front of a PostgreSQL server: that of the tests' package was built without it."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import PostgresServer

# What a client sends first when it wants TLS: the length of the message and a number.
# Source: PostgreSQL's documentation, "Message Formats", SSLRequest.
_WANTS_TLS = (8).to_bytes(4) + (80877103).to_bytes(4)


@dataclass(frozen=True)
class Certificate:
    """A certificate that its own key signed."""

    path: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str, *names: str) -> "Certificate":
        """Make one that holds for `names`, such as `IP:127.0.0.1`. Needs the program openssl."""
        made = cls(folder / f"{name}.crt", folder / f"{name}.key")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-addext", f"subjectAltName={','.join(names)}"),
                *("-keyout", made.key, "-out", made.path),
            ],
            check=True,
            capture_output=True,
        )
        return made


@dataclass
class Front:
    """A server as clients see it that listens on another port, and whether they wanted TLS."""

    port: int = 0
    encrypted: list[bool] = field(default_factory=list)


@asynccontextmanager
async def with_tls(server: PostgresServer, certificate: Certificate) -> AsyncGenerator[Front]:
    """Take TLS, as the server would, and pass on what is in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    front = Front()
    clients: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        # Who trusts no such certificate hangs up amid the handshake.
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(len(_WANTS_TLS))
            front.encrypted.append(first == _WANTS_TLS)
            if first == _WANTS_TLS:
                writer.write(b"S")
                await writer.start_tls(context)
                first = b""
            inside = await asyncio.open_connection(server.host, server.port)
            inside[1].write(first)
            await asyncio.gather(_pass_on(reader, inside[1]), _pass_on(inside[0], writer))
        writer.close()
        clients.discard(task)

    listening = await asyncio.start_server(serve, server.host, 0)
    front.port = listening.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        listening.close()
        while clients:
            await asyncio.wait([*clients])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
