"""TLS options in the database's URL: the server is known by its certificate, or not used."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.test_commands import Terminal
from tests.servers import PostgresServer
from tests.shop import open_client
from tests.tls import Certificate, with_tls


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.create() as created:
        yield created


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certificate:
    return Certificate.make(folder, "right", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other(folder: Path) -> Certificate:
    return Certificate.make(folder, "other", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def of_another_server(folder: Path) -> Certificate:
    return Certificate.make(folder, "another", "DNS:db.shop.example")


async def migrate(terminal: Terminal, url: str) -> tuple[int | None, str]:
    done = await asyncio.to_thread(terminal.run, "migrate", ORDERS_DATABASE_URL=url)
    return done.returncode, done.stderr


@pytest.mark.parametrize("options", ["require", "verify-ca&CA", "verify-full&CA"])
async def test_a_server_that_is_trusted(
    server: PostgresServer,
    certificate: Certificate,
    tmp_path: Path,
    options: str,
) -> None:
    options = options.replace("CA", f"sslrootcert={certificate.path}")
    async with with_tls(server, certificate) as front:
        url = f"postgresql://postgres@127.0.0.1:{front.port}/postgres?sslmode={options}"
        status, said = await migrate(Terminal(tmp_path), url)
        assert status == 0, said
        async with open_client(url) as client:
            assert (await client.get("/readyz")).json()["status"] == "ok"
        assert len(front.encrypted) >= 3
        assert all(front.encrypted)


async def test_without_a_word_tls_is_preferred(
    server: PostgresServer, certificate: Certificate
) -> None:
    async with with_tls(server, certificate) as front:
        url = f"postgresql://postgres@127.0.0.1:{front.port}/postgres"
        for options, encrypted in (("", True), ("?sslmode=disable", False)):
            front.encrypted.clear()
            async with open_client(url + options) as client:
                assert "can't be reached" not in (await client.get("/readyz")).text
            assert set(front.encrypted) == {encrypted}


class TestNotTrusted:
    async def refusal(self, url: str, tmp_path: Path) -> str:
        """What a command says; the service has it in short."""
        async with open_client(url) as client:
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["reason"] == (
                "The database can't be reached: the server's certificate is not trusted."
            )
            refused = await client.get("/orders/get_all", headers={"Authorization": "ofk_x"})
            assert refused.status_code == 503
        status, said = await migrate(Terminal(tmp_path), url)
        start = f"orders: the database at 127.0.0.1:{urlsplit(url).port}/postgres can't be used: "
        assert (status, said[: len(start)]) == (1, start)
        assert "secret" not in said
        return said[len(start) :]

    async def test_another_authority(
        self, server: PostgresServer, certificate: Certificate, other: Certificate, tmp_path: Path
    ) -> None:
        async with with_tls(server, certificate) as front:
            url = f"postgresql://postgres:secret@127.0.0.1:{front.port}/postgres"
            for mode in ("verify-ca", "verify-full"):
                assert await self.refusal(
                    f"{url}?sslmode={mode}&sslrootcert={other.path}", tmp_path
                ) == (
                    "the server's certificate is not trusted (self-signed certificate); name the"
                    " authority that signed it by sslrootcert in ORDERS_DATABASE_URL\n"
                )

    async def test_another_name(
        self, server: PostgresServer, of_another_server: Certificate, tmp_path: Path
    ) -> None:
        async with with_tls(server, of_another_server) as front:
            url = f"postgresql://postgres:secret@127.0.0.1:{front.port}/postgres"
            said = await self.refusal(
                f"{url}?sslmode=verify-full&sslrootcert={of_another_server.path}", tmp_path
            )
            assert "IP address mismatch" in said
            assert said.endswith(
                "; name the server in ORDERS_DATABASE_URL as its certificate does\n"
            )
