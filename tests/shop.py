"""A small shop behind the real application: what most tests act on, through its two doors."""

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from asgi_lifespan import LifespanManager
from sqlalchemy import Engine, bindparam, event, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import ASGIApp

from app.at_once import AnswerAtOnce
from app.db import tables
from app.db.database import Database
from app.db.engine import open_database
from app.db.prepared import Bound, Prepared
from app.db.types import UTCDateTime
from app.domain import clock
from app.domain.ids import ProductId
from app.domain.order import Product
from app.domain.principal import Scope
from app.main import Application, create_app
from app.services import auth
from app.services.auth import create_key
from app.services.products import replace_products
from app.services.users import add_user
from app.settings import Settings

TABLE = "6555a1f49feeac7dccd9b1ee"
STOOL = "6555a1f49feeac7dccd9b1ef"
LAMP = "6555a1f49feeac7dccd9b1f0"
UNKNOWN = "ffffffffffffffffffffffff"

PRODUCTS = (
    Product(ProductId(TABLE), "brown table", "1700110836527.webp", "Oak.", 3000, "USD"),
    Product(ProductId(STOOL), "stool", None, "", 1999, "USD"),
    Product(ProductId(LAMP), "lamp", "lamp.webp", "Warm light.", 10, "USD"),
)
_KNOWN_S = auth.KNOWN_S

CUSTOMER, OTHER, ADMIN = (f"{n:024x}" for n in (0xC0, 0xB0, 0xAD))


# Tests see the same whether or not the web pages are built here; those of the pages name a folder.
UNBUILT = Path(__file__).with_name("unbuilt")


def as_stored(instant: datetime) -> str:
    """An instant as SQLite keeps it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def settings_for(url: str, **changes: Any) -> Settings:
    # Answers without `extensions.cost` unless a test asks for it.
    return Settings(database_url=url, **{"cost_budget": 0, **changes})


@dataclass
class Shop:
    """A running application, its database, and a key for each kind of caller."""

    client: httpx.AsyncClient
    database: Database
    keys: Mapping[str, str]

    async def rest(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "customer",
        **more: Any,
    ) -> httpx.Response:
        """Call a REST path; `key` names a kind of caller, or is a key itself."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = self.keys.get(key, key)
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def add(self, *products: str, key: str = "customer", address: str = "1 Main St") -> None:
        """Place an order through REST."""
        items = [{"product": p, "quantity": 2, "shipping": "Regular"} for p in products or (TABLE,)]
        response = await self.rest(
            "POST", "/orders/add", {"items": items, "address": address}, key=key
        )
        assert response.status_code == 200, response.text

    async def graphql(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        key: str | None = "customer",
        **more: Any,
    ) -> dict[str, Any]:
        """Execute an operation and return the whole answer."""
        body = {"query": query, "variables": variables, **more}
        response = await self.rest("POST", "/graphql", body, key=key)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def data(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        key: str | None = "customer",
    ) -> Any:
        """Execute an operation that must succeed and return its data."""
        answer = await self.graphql(query, variables, key=key)
        assert "errors" not in answer, answer
        return answer["data"]

    async def order_ids(self, *, key: str = "customer") -> list[str]:
        """The ids of the caller's orders, oldest first."""
        data = await self.data(
            "{ me { orders(first: 100, sort: CREATED_AT_ASC) { nodes { id } } } }", key=key
        )
        return [node["id"] for node in data["me"]["orders"]["nodes"]]

    async def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """What a statement finds in the database; instants as SQLite keeps them."""
        async with self.database.read() as connection:
            return await _rows(connection, statement)

    async def execute(self, statement: str, **values: object) -> None:
        """Execute a statement past the application; its parameters are named, `:so`."""
        typed = [
            bindparam(name, value, UTCDateTime() if isinstance(value, datetime) else None)
            for name, value in values.items()
        ]
        async with self.database.transaction() as connection:
            await connection.execute(text(statement).bindparams(*typed))

    async def everything(self) -> list[Any]:
        """All that a refused call must leave as it was."""
        tables = (
            *("orders", "order_items", "order_words", "order_events", "order_counters"),
            *("idempotency_keys", "products", "users"),
        )
        async with self.database.read() as connection:
            return [
                await _rows(connection, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables
            ]


async def _rows(connection: AsyncConnection, statement: str) -> list[tuple[Any, ...]]:
    return [
        tuple(as_stored(value) if isinstance(value, datetime) else value for value in row)
        for row in await connection.execute(text(statement))
    ]


async def fill_shop(database: Database) -> dict[str, str]:
    """Put users and products into a migrated, empty database; a key for each kind of caller.

    The services do so once in a process, and what they have written is written again after that:
    each of some thousand tests begins with it.
    """
    if not _KEYS:
        keys = await _fill_by_services(database)
        async with database.read() as connection:
            found = [await _insertion_of(connection, name, n) for name, n in _FILLED.items()]
        _INSERTIONS.extend(found)
        _KEYS.update(keys)
        return keys
    async with database.transaction() as connection:
        for statement in _INSERTIONS:
            await connection.exec_driver_sql(statement)
    return dict(_KEYS)


_FILLED = {"users": 5, "api_keys": 5, "products": len(PRODUCTS)}
_INSERTIONS: list[str] = []
_KEYS: dict[str, str] = {}


async def _insertion_of(connection: AsyncConnection, name: str, number: int) -> str:
    """A statement for either engine that inserts the rows that the table has now, so many."""
    table = tables.metadata.tables[name]
    columns = ", ".join(table.columns.keys())
    rows = [
        f"({', '.join(map(_written, values))})"
        for values in await connection.execute(select(table))
    ]
    assert len(rows) == number, f"{name} was not empty: {rows}"
    return f"INSERT INTO {name} ({columns}) VALUES {', '.join(rows)}"


def _written(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value).upper()
        case datetime():
            return f"'{as_stored(value)}'"
        case str():
            quoted = value.replace("'", "''")
            return f"'{quoted}'"
        case other:
            raise TypeError(other)


async def _fill_by_services(database: Database) -> dict[str, str]:
    keys = {}
    async with database.transaction() as connection:
        await replace_products(connection, PRODUCTS)
        for name, id_, scopes in (
            ("customer", CUSTOMER, ()),
            ("other", OTHER, ()),
            ("admin", ADMIN, ()),
            ("reader", None, [Scope.ORDERS_READ]),
            ("writer", None, [Scope.ORDERS_WRITE]),
        ):
            user = await add_user(
                connection,
                f"{name}@shop.example",
                name=name.title(),
                is_admin=name == "admin",
                user_id=id_,
            )
            keys[name] = await create_key(connection, user, scopes=scopes)
    return keys


@dataclass
class InsideShop(Shop):
    """A shop whose application runs in this process."""

    app: Application


@asynccontextmanager
async def open_shop(url: str, **changes: Any) -> AsyncGenerator[InsideShop]:
    """The application over a migrated, empty database that is filled first.

    Args:
        url: The database's.
        changes: Settings that are not the usual ones, and `static`, a folder of built pages.
    """
    static = changes.pop("static", UNBUILT)
    database = open_database(url)
    try:
        keys = await fill_shop(database)
        app = create_app(settings_for(url, **changes), static=static)
        async with _client_of(app) as client:
            yield InsideShop(client, database, keys, app)
    finally:
        # Else a test that fails leaves sockets to the garbage, which would fail a later one.
        await database.dispose()


@asynccontextmanager
async def open_process(
    url: str, keys: Mapping[str, str], database: Database, **changes: Any
) -> AsyncGenerator[Shop]:
    """One more application over a shop's database."""
    async with open_client(url, **changes) as client:
        yield Shop(client, database, keys)


@asynccontextmanager
async def open_client(url: str, **changes: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an application of its own, which shares nothing but the database."""
    async with _client_of(create_app(settings_for(url, **changes), static=UNBUILT)) as client:
        yield client


class _AsServed(httpx.ASGITransport):
    """Asks an application as the server does: first what may have the answer at once."""

    def __init__(self, app: ASGIApp, answers: Mapping[tuple[bytes, bytes], AnswerAtOnce]) -> None:
        super().__init__(app)
        self._answers = answers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._answers.get((request.method.encode(), request.url.raw_path))
        made = None
        if answer is not None:
            headers = [(name.lower(), value) for name, value in request.headers.raw]
            coming = answer(headers, await request.aread())
            # As there, what it binds for the log is for this request.
            made = await asyncio.create_task(coming) if isinstance(coming, Coroutine) else coming
        if made is None:
            return await super().handle_async_request(request)
        if not isinstance(made, tuple):
            return await httpx.ASGITransport(made).handle_async_request(request)
        head, body = made
        lines = [line.partition(b": ") for line in head.removesuffix(b"\r\n").split(b"\r\n")]
        parts = [(name, value) for name, _, value in lines]
        return httpx.Response(200, headers=parts, stream=httpx.ByteStream(body))


@asynccontextmanager
async def _client_of(app: Application) -> AsyncGenerator[httpx.AsyncClient]:
    async with LifespanManager(app) as manager:
        transport = _AsServed(manager.app, app.answers_at_once)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            yield client


@contextmanager
def keys_unknown() -> Iterator[None]:
    """Meanwhile, have each request look up whose its key is."""
    before_s = clock.monotonic_s
    with (
        patch.object(auth, "KNOWN_S", 0),
        patch.object(clock, "monotonic_s", lambda: before_s() + _KNOWN_S),
    ):
        yield


# What only PostgreSQL needs: rows are locked, the readers of the log told what is to come, and a
# process asks once whether Citus spreads the tables.
BESIDE = re.compile(
    "FOR (NO KEY )?UPDATE|pg_advisory_xact_lock_shared|pg_locks|seq_seq|pg_dist_partition"
)


@contextmanager
def counted_statements(*, beside: bool = False, known: bool = False) -> Iterator[list[str]]:
    """Every SQL statement that is executed meanwhile, for orders and not for order.

    `beside` takes those for order, too. Each request asks for its caller's key, as if the last one
    was long ago; `known` lets it be remembered as it is.
    """
    statements: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")) and (
            beside or not BESIDE.search(statement) or "INSERT INTO order_events" in statement
        ):
            statements.append(statement)

    def by_engine(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        note(statement)

    # What goes to the driver past the engine is bound once for each time.
    bind, bind_rows = Prepared.bind, Prepared.bind_rows

    def by_driver(self: Prepared, engine: str, values: Mapping[str, Any]) -> Bound:
        bound = bind(self, engine, values)
        note(bound.text)
        return bound

    def of_rows_by_driver(
        self: Prepared, engine: str, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[tuple[Any, ...]]]:
        bound = bind_rows(self, engine, rows)
        note(bound[0])
        return bound

    event.listen(Engine, "before_cursor_execute", by_engine)
    with (
        patch.object(Prepared, "bind", by_driver),
        patch.object(Prepared, "bind_rows", of_rows_by_driver),
        nullcontext() if known else keys_unknown(),
    ):
        try:
            yield statements
        finally:
            event.remove(Engine, "before_cursor_execute", by_engine)
