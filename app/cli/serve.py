"""`orders serve`: the service itself, and with `--demo` all that a first look needs."""

import asyncio
import functools
import importlib.util
import os
import signal
import socket
import time
from typing import Annotated, Literal

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.cli.application import application
from app.cli.program import ended_by_interrupts
from app.cli.work import load_settings, reach, require_migrated
from app.db import migrations
from app.db.engine import open_database
from app.db.sqlite_library import leave_out_memory_statistics
from app.main import check_manifest, database_options, has_playground
from app.protocol import Connection
from app.services.demo import DemoKeys, DemoShop, ensure_demo, require_room
from app.settings import Settings
from app.shutdown import AT_ONCE
from app.web.built import find_built_pages

_BACKLOG = 2_048
_LOOK_EVERY_S = 0.1
_PONG_WAIT_S = 20
# A process answers its parent only when it has imported the service, which takes many times the
# usual second on a busy machine. One that is killed meanwhile would have to begin again.
_STARTS_WITHIN_S = 60


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 takes a free one.", show_default="8000"),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.", show_default="1")] = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Migrate, add the demo shop, and show keys to try."),
    ] = False,
) -> None:
    """Run the service until Ctrl-C, SIGTERM or SIGHUP; requests in flight are finished first.

    After SIGTERM it goes on for ORDERS_DRAIN_S seconds while /readyz answers 503.
    """
    with ended_by_interrupts():
        settings = load_settings(host=host, port=port, workers=workers, demo=demo or None)
        # Before the database is looked at: then there is a connection.
        leave_out_memory_statistics()
        check_manifest(settings)
        listener = _listen(settings)
        _prepare(settings, _url(settings.host, listener.getsockname()[1]))
    config = uvicorn.Config(
        functools.partial(application, settings),
        factory=True,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        workers=settings.workers,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        timeout_worker_healthcheck=_STARTS_WITHIN_S,
        loop=_event_loop(),
        http=Connection,
        # Nothing here asks for a caller's address, nor whether TLS was taken off on the way.
        proxy_headers=False,
        h11_max_incomplete_event_size=settings.max_header_bytes,
        ws_max_size=settings.body_limit_bytes,
        ws_ping_interval=settings.live_ping_interval_s,
        ws_ping_timeout=_PONG_WAIT_S,
        # It would keep a compressor in memory for each connection, for messages this small.
        ws_per_message_deflate=False,
    )
    try:
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            _Workers(config, sockets=[listener]).run()
    except KeyboardInterrupt:
        pass  # the server has stopped in good order already and passes Ctrl-C on
    finally:
        listener.close()


def _event_loop() -> Literal["uvloop", "asyncio"]:
    """uvloop, which takes half the time, where there is one for the platform."""
    return "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"


class _Workers(Multiprocess):
    """The server processes, which the parent starts and stops."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        before = signal.getsignal(signal.SIGHUP) if hasattr(signal, "SIGHUP") else None
        super().__init__(config, sockets)
        self._is_hurried = False
        if before is signal.SIG_IGN:  # by nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def init_processes(self) -> None:
        """Start them all. What a terminal sends reaches them too, but is the parent's to handle."""
        signals = {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}
        before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
        super().init_processes()
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle_int(self) -> None:
        """Stop at once: somebody pressed Ctrl-C."""
        self._is_hurried = True
        super().handle_int()

    def handle_term(self) -> None:
        """Stop; a second time, at once."""
        self._is_hurried = self._is_hurried or self.should_exit.is_set()
        super().handle_term()

    def handle_hup(self) -> None:
        """Stop at once: a terminal was closed. There is nothing that a restart would read anew."""
        self._is_hurried = True
        self.should_exit.set()

    def terminate_all(self) -> None:
        """Leave the address to the processes, and tell them to stop."""
        # Whoever connects after the last of them closed its socket would wait here for nobody.
        for listener in self.sockets:
            listener.close()
        super().terminate_all()
        if self._is_hurried:
            self._send(AT_ONCE)

    def join_all(self) -> None:
        """Wait until the processes have ended, and pass on to them that somebody is in a hurry."""
        while any(process.exitcode is None for process in self.processes):
            time.sleep(_LOOK_EVERY_S)
            for number in self.signal_queue:
                if number in {signal.SIGINT, signal.SIGTERM} and not self._is_hurried:
                    self._is_hurried = True
                    self._send(AT_ONCE)
                elif number == signal.SIGINT:
                    self._send(number)
            self.signal_queue.clear()
        super().join_all()

    def _send(self, number: int | None) -> None:
        for process in self.processes:
            if number is not None and process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)


def _prepare(settings: Settings, url: str) -> None:
    """Look after the database, and show who starts the server where it will be."""
    if not settings.demo:
        asyncio.run(_look_at_database(settings))
        typer.echo(f"orders-graphql listens on {url}\n{_pages(settings, url)}", err=True)
        return
    typer.echo(_welcome(settings, url, asyncio.run(_demo(settings)).keys))
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        typer.echo(
            "Note: whoever reaches this address can read the demo administrator's key"
            " in the web pages.",
            err=True,
        )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        # Listening from here on: who reads the address below can connect at once.
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise RuntimeError(
            f"can't listen on {settings.host} port {settings.port}: {reason}; choose another"
            " with --port (make serve PORT=...)"
        ) from error


def _url(host: str, port: int) -> str:
    # 0.0.0.0 is every address of this machine, and none to type into a browser.
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


async def _demo(settings: Settings) -> DemoShop:
    database = open_database(settings.database_url, database_options(settings))
    try:
        await reach(database, settings)
        await require_room(database)
        await migrations.migrate(settings.database_url, options=database_options(settings))
        return await ensure_demo(database)
    finally:
        await database.dispose()


async def _look_at_database(settings: Settings) -> None:
    """Warn of what is not as it should be with a database that can be reached.

    Raises:
        Unavailable: it can't be.
    """
    database = open_database(settings.database_url, database_options(settings, serving=True))
    try:
        await reach(database, settings)
        for remark in await database.remarks(settings.workers):
            typer.echo(f"Note: {remark}", err=True)
        await require_migrated(database)
    except RuntimeError as error:
        typer.echo(f"Warning: {error}. Until then /readyz and all data answer 503.", err=True)
    finally:
        await database.dispose()


def _pages(settings: Settings, url: str) -> str:
    """What there is for a browser, and where."""
    are_built = find_built_pages() is not None
    pages = {
        "Playground": "/graphql" if has_playground(settings) else None,
        "Orders desk": "/desk" if are_built else None,
        "REST reference": "/docs",
    }
    lines = [f"  {name:17}  {url}{path}" for name, path in pages.items() if path]
    if not are_built:
        lines.append(
            "  The web pages are not built (`make web`, with Node 20.19 or newer): there is no"
            " desk, and the playground loads from the internet."
        )
    return "\n".join(lines)


def _welcome(settings: Settings, url: str, keys: DemoKeys) -> str:
    query = "{ orders(first: 3) { totalCount nodes { number status total { amount } } } }"
    return f"""
orders-graphql runs with a demo shop. Ctrl-C stops it.

{_pages(settings, url)}
  Customer's key     {keys.customer}
  Administrator's    {keys.admin}

Try REST:

  curl -H 'Authorization: {keys.customer}' {url}/orders/get_all

Try GraphQL:

  curl -H 'Authorization: {keys.customer}' -H 'Content-Type: application/json' \\
    -d '{{"query": "{query}"}}' {url}/graphql
"""
