"""Builds the application from settings: database, doors, middleware. No rule of the shop."""

import asyncio
import functools
import gc
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from app.at_once import AnswerAtOnce, AnsweringAtOnce
from app.db.database import Database
from app.db.engine import BUSY_TIMEOUT_S, DatabaseOptions, open_database
from app.db.sqlite_library import leave_out_memory_statistics
from app.domain.errors import Unavailable
from app.graphql.compiled import CompiledAnswers
from app.graphql.endpoint import GraphQLEndpoint, Page
from app.graphql.limits import Limits
from app.graphql.operations import Operations
from app.graphql.persisted import PersistedOperations, read_manifest, usable_documents
from app.graphql.playground import Start, playground_page, playground_start
from app.graphql.schema import Schema, build_schema
from app.graphql.short_way import ShortWay
from app.graphql.websocket import WebSockets
from app.middleware import Passage, Rules, StraightWay
from app.rest import openapi
from app.rest.deprecation import Deprecation, deprecation_headers
from app.rest.legacy import GET_ALL, PATHS, LegacyOrders
from app.rest.ops import Probes
from app.rest.order_rows import OwnRows
from app.services import demo, idempotency
from app.services.auth import Authenticator
from app.services.cost_budget import CostBudget
from app.services.event_feed import EventFeed
from app.services.rest_usage import UsageCounter
from app.settings import Settings
from app.shutdown import Shutdown
from app.telemetry import configure_logging
from app.web import beginnings, built, plain

log = structlog.stdlib.get_logger()

_UPKEEP_EVERY_S = 15
# Between 700, Python's own, and none at all, no other was seen to be better: docs/performance.md.
_GARBAGE_THRESHOLDS = (10_000, 10, 10)


class Application(Starlette):
    """Starlette's application, with something around all of its own layers, and a way past them.

    Attributes:
        answers_at_once: What a server may ask first, by method and path.
    """

    def __init__(self, around: Callable[[ASGIApp], ASGIApp], **settings: Any) -> None:
        super().__init__(**settings)
        self._around = around
        self.answers_at_once: dict[tuple[bytes, bytes], AnswerAtOnce] = {}

    def build_middleware_stack(self) -> ASGIApp:
        """What a request passes."""
        return self._around(super().build_middleware_stack())


def serving_app(settings: Settings) -> Starlette:
    """The application of one server process, with its logging set up and its end prepared.

    To be called by uvicorn, from its event loop, when it has taken the signals that stop it.
    """
    configure_logging(settings.log_level, settings.log_format)
    leave_out_memory_statistics()
    # No balancer sends requests to a demo, and whoever tries it waits for its end.
    drain_s = 0 if settings.demo else settings.drain_s
    shutdown = Shutdown(_server_around(), drain_s, has_parent=settings.workers > 1)
    shutdown.listen(asyncio.get_running_loop())
    app = create_app(settings)
    shutdown.prepare(app.state.draining, app.state.feed.stop)
    # What is here now stays: looking for garbage in it, each time that a large answer makes many
    # objects, took half of that answer's time and stopped everybody else for a tenth of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    return app


def _server_around() -> uvicorn.Server:
    """The server that calls `serving_app`: its method takes the signals by then."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server):
        raise TypeError("uvicorn runs this application, and no other server")
    return server


def database_options(settings: Settings, *, serving: bool = False) -> DatabaseOptions:
    """How the database is used: by a server with limits, by a command without."""
    return DatabaseOptions(
        # Waiting for another process's lock is the one wait of SQLite's that can't be broken off.
        busy_timeout_s=min(BUSY_TIMEOUT_S, settings.operation_timeout_s)
        if serving
        else BUSY_TIMEOUT_S,
        pool_size=settings.database_pool_size,
        pool_wait_s=settings.database_pool_wait_s,
        connect_timeout_s=settings.database_connect_timeout_s,
        statement_timeout_s=settings.database_statement_timeout_s if serving else None,
        pgbouncer=settings.database_pgbouncer,
        listen_url=settings.database_listen_url if serving else "",
        replica_url=settings.database_replica_url if serving else "",
    )


def create_app(settings: Settings, *, static: Path = built.STATIC) -> Application:
    """The application. Its database is opened by the first request and closed by the lifespan.

    Args:
        settings: What it goes by.
        static: The folder of the built pages; without them it has plain ones.
    """
    database = open_database(settings.database_url, database_options(settings, serving=True))
    authenticator = Authenticator(
        database, [secret.get_secret_value() for secret in settings.legacy_jwt_secret]
    )
    usage = UsageCounter(database)
    feed = EventFeed(
        database,
        poll_interval_s=settings.live_poll_interval_s,
        buffer_size=settings.live_buffer_events,
        max_subscriptions=settings.live_max_subscriptions,
    )
    draining = asyncio.Event()
    schema = build_schema()
    demo_keys = demo.read_keys(database.companion) if settings.demo else None
    budget = CostBudget(settings.cost_budget, settings.cost_restore_per_s)
    limits = _limits(settings)
    operations = _operations(
        schema, settings, engine=database.engine if settings.compiled_operations else None
    )
    pages = built.find_built_pages(static)
    persisted = PersistedOperations(
        database,
        _trusted_documents(settings, operations, pages),
        only=settings.persisted_only,
        at_most=settings.max_persisted_operations,
    )
    playground = _playground_start(settings, demo_keys)
    graphql = GraphQLEndpoint(
        schema,
        operations,
        persisted,
        limits,
        settings.operation_timeout_s,
        database,
        authenticator,
        budget,
        CompiledAnswers(database, limits, budget, settings.operation_timeout_s),
        None if playground is None else _playground(pages, playground),
        feed,
        settings.live_ping_interval_s,
    )
    websockets = WebSockets(
        graphql,
        feed,
        authenticator,
        max_connections=settings.live_max_subscriptions,
        max_operations=settings.live_max_per_connection,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        stopping = asyncio.Event()
        upkeep = asyncio.create_task(_upkeep(database, authenticator, usage, stopping))
        yield
        # Told to stop, not cancelled: a count must not be lost or added twice.
        stopping.set()
        await feed.close()
        await graphql.finish()
        await upkeep
        await database.dispose()

    legacy_orders = LegacyOrders(
        database, authenticator, usage, budget, limits.json_depth, OwnRows(database.engine)
    )
    notice = deprecation_headers(settings.rest_deprecation, settings.rest_sunset)
    rules = Rules(settings.body_limit_bytes, settings.compress_from_bytes, draining, _http_error)
    way_in: ASGIApp = ShortWay(graphql) if settings.compiled_operations else graphql
    straight = {"/graphql": way_in}

    def around(starlette: ASGIApp) -> ASGIApp:
        noticed = Deprecation(starlette, PATHS, notice) if notice else starlette
        return Passage(StraightWay(straight, otherwise=noticed), rules)

    app = Application(
        around,
        routes=[
            Route("/graphql", way_in),
            WebSocketRoute("/graphql", websockets),
            *legacy_orders.routes(),
            *Probes(database, draining).routes(),
            *plain.routes(schema.sdl if settings.introspection else None),
            *(pages.routes() if pages else plain.stand_ins()),
            *beginnings.routes(playground, asdict(demo_keys) if demo_keys else None),
            *openapi.routes(body_limit_bytes=settings.body_limit_bytes),
        ],
        exception_handlers={HTTPException: _answer_http_error},
        lifespan=lifespan,
    )
    if isinstance(way_in, ShortWay):
        app.answers_at_once[b"POST", b"/graphql"] = AnsweringAtOnce(
            way_in.at_once, rules, "POST", "/graphql"
        )
    if not notice:
        app.answers_at_once[b"GET", GET_ALL.encode()] = AnsweringAtOnce(
            legacy_orders.get_all_at_once, rules, "GET", GET_ALL
        )
    app.state.database = database
    app.state.feed = feed
    app.state.draining = draining
    # A path is right or wrong; a redirect would turn some callers' POST into a GET.
    app.router.redirect_slashes = False
    return app


def has_playground(settings: Settings) -> bool:
    """Whether a browser finds one at `/graphql`."""
    # It sends what is typed into it, which a server of trusted documents does not execute.
    return settings.playground and not settings.persisted_only


def _playground_start(settings: Settings, keys: demo.DemoKeys | None) -> Start | None:
    return playground_start(keys.admin if keys else None) if has_playground(settings) else None


def _playground(pages: built.BuiltPages | None, start: Start) -> Page:
    if pages is not None:
        return functools.partial(pages.page, "playground")
    page = playground_page(start)

    async def without_build(_request: Request) -> Response:
        return HTMLResponse(page)

    return without_build


def check_manifest(settings: Settings) -> None:
    """Make sure that the trusted documents can be used, before a server process tries.

    Raises:
        RuntimeError: they can't; the message says why.
    """
    if settings.persisted_manifest or settings.persisted_only:
        operations = _operations(build_schema(), settings)
        _trusted_documents(settings, operations, built.find_built_pages())


def _trusted_documents(
    settings: Settings, operations: Operations, pages: built.BuiltPages | None
) -> Mapping[str, str]:
    """What requests may name by an id: the manifest's documents, and those of the desk."""
    documents = dict(read_manifest(settings.persisted_manifest, operations))
    if pages is not None:
        documents |= usable_documents(pages.documents, operations)
    if settings.persisted_only and not settings.persisted_manifest and pages is None:
        raise RuntimeError(
            "ORDERS_PERSISTED_ONLY: there are no documents: set ORDERS_PERSISTED_MANIFEST, or build"
            " the web pages, whose desk has some"
        )
    return documents


def _operations(schema: Schema, settings: Settings, *, engine: str | None = None) -> Operations:
    return Operations(
        schema.core, _limits(settings), introspection=settings.introspection, engine=engine
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        length=settings.max_query_length,
        tokens=settings.max_query_tokens,
        operations=settings.max_query_operations,
        depth=settings.max_query_depth,
        fields=settings.max_query_fields,
        root_fields=settings.max_query_root_fields,
        aliases=settings.max_query_aliases,
        directives=settings.max_query_directives,
        page_size=settings.max_page_size,
        nodes=settings.max_query_nodes,
        values=settings.max_query_values,
        cost=settings.max_query_cost,
        variables_bytes=settings.max_variables_bytes,
        json_depth=settings.max_json_depth,
        json_values=settings.max_json_values,
        batch=settings.max_batch,
    )


async def _upkeep(
    database: Database,
    authenticator: Authenticator,
    usage: UsageCounter,
    stopping: asyncio.Event,
) -> None:
    """Do what no request waits for, every few seconds and once more when the server stops."""

    async def purge() -> None:
        more = True
        while more and not stopping.is_set():
            more = await database.write(idempotency.purge)

    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "write when keys were last used": authenticator.write_use,
        "write who called REST": usage.write,
        "delete old idempotency keys": purge,
    }
    while not stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _UPKEEP_EVERY_S)
        for name, task in tasks.items():
            try:
                await task()
            except Unavailable as error:
                log.warning(
                    "the database is not available; it will be tried again",
                    task=name,
                    reason=error.reason,
                )


def _http_error(error: HTTPException) -> Response:
    """The answer to a request that no door had an answer for."""
    sentences = {404: "There is nothing here.", 405: "This path takes another method."}
    message = sentences.get(error.status_code, error.detail)
    return JSONResponse({"msg": message}, error.status_code, error.headers)


async def _answer_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _http_error(error)
