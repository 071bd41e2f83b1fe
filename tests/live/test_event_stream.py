"""Subscriptions as Server-Sent Events, and what is refused where they can't be had."""

import asyncio
from contextlib import aclosing

import httpx
import pytest

from app.domain.principal import Scope
from tests.live.listening import EVENTS, EVERY_WAY, LiveServer, stream

SUBSCRIBE = {"query": EVENTS}
EVENT_STREAM = {"Accept": "text/event-stream"}


@EVERY_WAY
async def test_resumed_from_a_cursor(live: LiveServer) -> None:
    cursor = await live.now()
    heard, placed = [], []
    async with live.client(live.customer) as client:
        for _ in range(3):
            for _ in range(2):
                await live.add(client)
                placed.append(await live.now())
            # The last of each round is placed while it is listened, the others before.
            async with aclosing(stream(client, {"after": cursor})) as events:
                async for kind, data in events:
                    if kind == "comment":
                        continue
                    assert kind == "next"
                    cursor = data["data"]["orderEvents"]["cursor"]
                    heard.append(cursor)
                    if len(heard) == len(placed):
                        if len(placed) % 3 == 0:
                            break
                        await live.add(client)
                        placed.append(await live.now())
    assert heard == placed


async def test_comments_keep_it_open(live: LiveServer) -> None:
    async with live.client(live.customer) as client, aclosing(stream(client)) as events:
        heard = [await anext(events) for _ in range(3)]
    assert heard == [("comment", "ok"), ("comment", "ping"), ("comment", "ping")]


async def test_by_get_too(live: LiveServer) -> None:
    parameters = {"query": "{ scopes }"}
    async with live.client(live.customer) as client:
        answer = await client.get("/graphql", params=parameters, headers=EVENT_STREAM)
        assert answer.text == (
            ': ok\r\n\r\nevent: next\r\ndata: {"data":{"scopes":["ORDERS_READ","ORDERS_WRITE"]}}'
            "\r\n\r\nevent: complete\r\ndata: \r\n\r\n"
        )
        parameters = {"query": "mutation { deleteOrders(input: { ids: [] }) { deletedIds } }"}
        answer = await client.get("/graphql", params=parameters, headers=EVENT_STREAM)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_revoked_key_ends_it(live: LiveServer) -> None:
    key = await live.make_key("ada@demo.example")
    async with live.client(key) as client, aclosing(stream(client)) as events:
        await anext(events)
        await live.revoke(key)
        heard = [one async for one in events if one[0] != "comment"]
    (kind, data), complete = heard
    assert kind == "next"
    assert data["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert complete == ("complete", None)


@pytest.mark.parametrize(
    ("query", "key", "code"),
    [
        ("subscription {", "customer", "GRAPHQL_PARSE_FAILED"),
        (EVENTS, "none", "UNAUTHENTICATED"),
        (EVENTS, "writer", "FORBIDDEN"),
        ("subscription { orderEvents(after: 1) { cursor } }", "customer", "GRAPHQL_VALIDATION"),
    ],
)
async def test_an_error_is_the_last_event(
    live: LiveServer, query: str, key: str, code: str
) -> None:
    keys = {"customer": live.customer, "none": ""}
    if key == "writer":
        keys[key] = await live.make_key("ada@demo.example", scopes=[Scope.ORDERS_WRITE])
    async with live.client(keys[key]) as client:
        heard = [one async for one in stream(client, None, query) if one[0] != "comment"]
    (kind, data), complete = heard
    assert kind == "next"
    assert data["errors"][0]["extensions"]["code"].startswith(code)
    assert complete == ("complete", None)


class TestNegotiation:
    @pytest.mark.parametrize("accept", ["application/json", "*/*", "text/event-stream;q=0, */*"])
    async def test_a_plain_answer_can_not_hold_a_subscription(
        self, live: LiveServer, accept: str
    ) -> None:
        async with live.client(live.customer) as client:
            answer = await client.post("/graphql", json=SUBSCRIBE, headers={"Accept": accept})
        assert answer.status_code == 406
        assert answer.json()["errors"][0]["message"] == (
            "A subscription needs Accept: text/event-stream, or a WebSocket with the subprotocol"
            " graphql-transport-ws."
        )

    async def test_who_takes_both_gets_a_stream_for_subscriptions_only(
        self, live: LiveServer
    ) -> None:
        both = {"Accept": "application/json, text/event-stream"}
        async with live.client(live.customer) as client:
            answer = await client.post("/graphql", json={"query": "{ scopes }"}, headers=both)
            assert answer.headers["content-type"] == "application/json"
            answer = await client.post("/graphql", json={"query": "{"}, headers=both)
            assert answer.headers["content-type"] == "application/json"
            async with client.stream(
                "POST", "/graphql", json=SUBSCRIBE, headers=both
            ) as subscription:
                assert subscription.headers["content-type"] == "text/event-stream"

    async def test_a_request_that_is_none_gets_its_status(self, live: LiveServer) -> None:
        async with live.client(live.customer) as client:
            answer = await client.post("/graphql", content=b"{", headers=EVENT_STREAM)
            assert answer.status_code == 415
            answer = await client.post("/graphql", json=[], headers=EVENT_STREAM)
            assert answer.status_code == 400


async def test_who_leaves_is_forgotten(live: LiveServer) -> None:
    # More one after the other than there may be at a time.
    async with live.client(live.customer) as client:
        for _ in range(2):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(25):
                    tasks.create_task(_listen_briefly(client))


async def _listen_briefly(client: httpx.AsyncClient) -> None:
    async with aclosing(stream(client)) as events:
        assert await anext(events) == ("comment", "ok")
        assert await anext(events) == ("comment", "ping")
