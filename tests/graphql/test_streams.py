"""Readers that do nothing, which no client library can play: the connections by hand, in ASGI."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from starlette.types import ASGIApp, Message

from app.graphql import event_stream, websocket
from app.graphql.websocket import WebSockets
from tests.shop import InsideShop

SUBSCRIBE = {"query": "subscription { orderEvents { node { type } } }"}


class _Connection:
    """One side of an ASGI connection; it stops taking what is sent when told so."""

    def __init__(self, *messages: Message) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.incoming.put_nowait(message)
        self.sent: list[Message] = []
        self.closed = asyncio.Event()
        self.stands_still: Callable[[Message], bool] = lambda _message: False

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.closed.set()
        if self.stands_still(message):
            await asyncio.Event().wait()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        async with asyncio.timeout(10):
            await app(scope, self.incoming.get, self.send)


def _text(message: object) -> Message:
    return {"type": "websocket.receive", "text": orjson.dumps(message).decode()}


WEBSOCKET = {
    "type": "websocket",
    "path": "/graphql",
    "headers": [],
    "query_string": b"",
    "subprotocols": ["graphql-transport-ws"],
}


async def _until(shop: InsideShop, told: Callable[[], bool]) -> None:
    while not told():
        await shop.add()
        await asyncio.sleep(0.02)


async def test_who_sends_no_key_in_time_is_cut_off(shop: InsideShop) -> None:
    routes: list[Any] = list(shop.app.routes)
    (door,) = (route.app for route in routes if isinstance(route.app, WebSockets))
    door._init_timeout /= 200
    connection = _Connection({"type": "websocket.connect"})
    serving = asyncio.create_task(connection.run(shop.app, WEBSOCKET))
    await connection.closed.wait()
    connection.incoming.put_nowait({"type": "websocket.disconnect", "code": 4408})
    await serving
    assert [message["type"] for message in connection.sent] == [
        "websocket.accept",
        "websocket.close",
    ]
    assert connection.sent[1]["code"] == 4408


async def test_a_websocket_that_takes_nothing_is_cut(
    shop: InsideShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_WRITE_TIMEOUT_S", 0.1)
    connection = _Connection(
        {"type": "websocket.connect"},
        _text({"type": "connection_init", "payload": {"Authorization": shop.keys["customer"]}}),
        _text({"type": "subscribe", "id": "1", "payload": SUBSCRIBE}),
    )
    connection.stands_still = lambda message: "CREATED" in message.get("text", "")
    serving = asyncio.create_task(connection.run(shop.app, WEBSOCKET))
    await _until(shop, serving.done)
    await serving  # it returns by itself, though the other side is still there
    assert sum("CREATED" in message.get("text", "") for message in connection.sent) == 1
    assert not shop.app.state.feed._subscriptions


async def test_an_event_stream_that_takes_nothing_is_cut(
    shop: InsideShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_WRITE_TIMEOUT_S", 0.1)
    connection = _Connection({"type": "http.request", "body": orjson.dumps(SUBSCRIBE)})
    connection.stands_still = lambda message: b"CREATED" in message.get("body", b"")
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [
            (b"authorization", shop.keys["customer"].encode()),
            (b"content-type", b"application/json"),
            (b"accept", b"text/event-stream"),
        ],
    }
    serving = asyncio.create_task(connection.run(shop.app, scope))
    await _until(shop, serving.done)
    await serving
    assert b"CREATED" in connection.sent[-1]["body"]
    assert not shop.app.state.feed._subscriptions
