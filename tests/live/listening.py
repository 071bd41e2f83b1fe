"""What the tests of live events share: a server, a protocol client, and ways to write."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from app.db.database import Database
from app.db.engine import DatabaseOptions, open_database
from app.domain.ids import UserId
from app.domain.order import EventSource, NewItem, NewOrder, ShippingMethod
from app.domain.principal import Principal, Scope
from app.graphql.pagination import encode_event_cursor
from app.services.auth import create_key, revoke_key
from app.services.events import last_position
from app.services.order_placing import placing
from app.services.users import find_user
from tests.databases import Databases, Home
from tests.e2e.server import Server, running, started

PRODUCT = "0000000d0200000000000001"
EVENTS = """subscription ($orderId: ID, $types: [OrderEventType!], $after: String) {
  orderEvents(orderId: $orderId, types: $types, after: $after) {
    cursor node { id type orderId fromStatus toStatus source } } }"""
# How a server can hear of what other processes have done.
EVERY_WAY = pytest.mark.parametrize(
    "live", ["sqlite", "postgresql", "postgresql by LISTEN"], indirect=True, scope="session"
)
SUBPROTOCOL = websockets.Subprotocol("graphql-transport-ws")


@dataclass(frozen=True)
class LiveServer:
    """A server process with the demo shop, and the same database opened by this process too."""

    server: Server
    home: Home
    listen_url: str = ""

    @property
    def url(self) -> str:
        return f"{self.server.url}/graphql"

    @property
    def customer(self) -> str:
        return self.server.key("Customer's key")

    @property
    def admin(self) -> str:
        return self.server.key("Administrator's")

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """The database as another process has it."""
        database = open_database(self.home.url, DatabaseOptions(listen_url=self.listen_url))
        try:
            yield database
        finally:
            await database.dispose()

    async def now(self) -> str:
        """The cursor of the log's last event: `after` it is what happens from here on."""
        async with self.database() as database, database.read() as connection:
            return encode_event_cursor(await last_position(connection))

    async def make_key(self, email: str, **more: Any) -> str:
        async with self.database() as database, database.transaction() as connection:
            return await create_key(connection, await find_user(connection, email), **more)

    async def revoke(self, key: str) -> None:
        async with self.database() as database, database.transaction() as connection:
            await revoke_key(connection, key)

    def client(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.server.url, headers={"Authorization": key})

    async def add(self, client: httpx.AsyncClient, address: str = "1 Main St") -> None:
        items = [{"product": PRODUCT, "quantity": 1, "shipping": "Regular"}]
        answer = await client.post("/orders/add", json={"items": items, "address": address})
        assert answer.status_code == 200, answer.text

    async def add_from_here(self, database: Database, user_id: str) -> None:
        """Place an order from this process."""
        principal = Principal(UserId(user_id), frozenset(Scope), "")
        new = NewOrder([NewItem(PRODUCT, 1, ShippingMethod.REGULAR)], "here")
        await database.perform(lambda: placing(principal, new, source=EventSource.IMPORT))


@contextmanager
def live_server(
    databases: Databases, folder: Path, *, listens: bool = False, **settings: object
) -> Iterator[LiveServer]:
    """Start a server; `listens` has it hear of others' commits by LISTEN, which PostgreSQL has."""
    with databases.for_folder(folder, migrated=False) as home:
        listen_url = home.url if listens else ""
        if listens:
            settings["database_listen_url"] = listen_url
        environment = {f"ORDERS_{name.upper()}": str(value) for name, value in settings.items()}
        serving = running if settings.get("workers", 1) == 1 else started
        with serving(folder, "--demo", **home.environment, **environment) as server:
            yield LiveServer(server, home, listen_url)


@dataclass(frozen=True)
class Listener:
    """A WebSocket that speaks the protocol by hand."""

    socket: ClientConnection

    async def send(self, message: object) -> None:
        await self.socket.send(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
        return message

    async def subscribe(
        self, id_: str, variables: Mapping[str, Any] | None = None, query: str = EVENTS
    ) -> None:
        payload = {"query": query, "variables": variables}
        await self.send({"id": id_, "type": "subscribe", "payload": payload})

    async def event(self, id_: str) -> dict[str, Any]:
        """The next message, which must be an event: its edge."""
        message = await self.receive()
        assert (message["id"], message["type"]) == (id_, "next"), message
        assert "errors" not in message["payload"], message
        edge: dict[str, Any] = message["payload"]["data"]["orderEvents"]
        return edge

    async def closed(self) -> tuple[int, str]:
        """The code and the reason of the close that must follow."""
        async with asyncio.timeout(10):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def connected(server: LiveServer, **more: Any) -> AsyncGenerator[Listener]:
    """A WebSocket to the server, before its first message."""
    # The library reads nothing while its queue is full, not even the answer to a close.
    more = {"subprotocols": [SUBPROTOCOL], "max_queue": None, **more}
    async with websockets.connect(server.url.replace("http", "ws", 1), **more) as socket:
        yield Listener(socket)


@asynccontextmanager
async def listening(server: LiveServer, key: str, **more: Any) -> AsyncGenerator[Listener]:
    """A WebSocket whose key was accepted."""
    async with connected(server, **more) as listener:
        await listener.send({"type": "connection_init", "payload": {"Authorization": key}})
        assert await listener.receive() == {"type": "connection_ack"}
        yield listener


async def stream(
    client: httpx.AsyncClient, variables: Mapping[str, Any] | None = None, query: str = EVENTS
) -> AsyncGenerator[tuple[str, Any]]:
    """Kind and data of what a subscription sends as Server-Sent Events; a comment has no data."""
    async with client.stream(
        "POST",
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Accept": "text/event-stream"},
        timeout=10,
    ) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        kind = ""
        async for line in response.aiter_lines():
            if line.startswith(":"):
                yield "comment", line[1:].strip()
            elif line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                text = line.removeprefix("data: ")
                yield kind, orjson.loads(text) if text else None
