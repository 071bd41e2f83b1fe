"""Subscriptions over WebSocket, spoken by hand: what is heard, by whom, and how it ends."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from app.services.auth import create_key
from app.services.users import add_user
from tests.live.listening import (
    EVENTS,
    EVERY_WAY,
    PRODUCT,
    SUBPROTOCOL,
    LiveServer,
    connected,
    listening,
)

UNKNOWN = "ffffffffffffffffffffffff"


async def _own_order(live: LiveServer, key: str) -> str:
    async with live.client(key) as client:
        await live.add(client)
        rows = (await client.get("/orders/get_all")).json()
    return str(rows[0]["orderId"])


@EVERY_WAY
class TestEvents:
    async def test_of_both_doors_as_they_are_committed(self, live: LiveServer) -> None:
        query = EVENTS.replace(
            "source", "source actor { name email } order { number status } createdAt"
        )
        async with listening(live, live.customer) as listener, live.client(live.customer) as client:
            await listener.subscribe("1", {"after": await live.now()}, query)
            await live.add(client)
            created = (await listener.event("1"))["node"]
            order_id = created["orderId"]
            mutation = (
                f'mutation {{ changeOrderStatus(input: {{ changes: [{{ orderId: "{order_id}",'
                " status: DELIVERY }] }) { orders { number } } }"
            )
            async with live.client(live.admin) as admin:
                answer = (await admin.post("/graphql", json={"query": mutation})).json()
            changed = (await listener.event("1"))["node"]
            await client.post("/orders/delete", json={"orderId": [order_id]})
            deleted = (await listener.event("1"))["node"]
        number = answer["data"]["changeOrderStatus"]["orders"][0]["number"]
        ada = {"name": "Ada Marsh", "email": "ada@demo.example"}
        for event in (created, changed, deleted):
            assert event.pop("orderId") == order_id
            assert event.pop("id")
            assert event.pop("createdAt")
        assert created == {
            "type": "CREATED",
            "fromStatus": None,
            "toStatus": "PENDING",
            "source": "REST",
            "actor": ada,
            "order": {"number": number, "status": "PENDING"},
        }
        assert changed == {
            "type": "STATUS_CHANGED",
            "fromStatus": "PENDING",
            "toStatus": "DELIVERY",
            "source": "GRAPHQL",
            "actor": {"name": "Cleo Lindqvist", "email": None},
            "order": {"number": number, "status": "DELIVERY"},
        }
        assert deleted == {
            "type": "DELETED",
            "fromStatus": "DELIVERY",
            "toStatus": None,
            "source": "REST",
            "actor": ada,
            "order": None,
        }

    async def test_of_another_process(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener, live.database() as database:
            await listener.subscribe("1", {"after": await live.now()})
            for _ in range(2):
                await live.add_from_here(database, "0000000d0100000000000001")
                event = await listener.event("1")
                assert event["node"]["source"] == "IMPORT"

    async def test_without_after_only_what_comes(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener, live.client(live.customer) as client:
            await live.add(client)
            before = await live.now()
            await listener.subscribe("1")
            # When it begins can't be seen from outside: orders are placed until one is told of.
            first = asyncio.create_task(listener.event("1"))
            while not first.done():
                await live.add(client)
                await asyncio.wait([first], timeout=0.05)
            assert first.result()["cursor"] != before

    async def test_only_visible_orders(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as customer, listening(live, live.admin) as admin:
            now = await live.now()
            await customer.subscribe("c", {"after": now})
            await admin.subscribe("a", {"after": now})
            others = await _own_order(live, live.admin)
            own = await _own_order(live, live.customer)
            heard = [(await admin.event("a"))["node"]["orderId"] for _ in range(2)]
            assert heard == [others, own]
            assert (await customer.event("c"))["node"]["orderId"] == own
            # Live as well as from the log.
            others = await _own_order(live, live.admin)
            own = await _own_order(live, live.customer)
            heard = [(await admin.event("a"))["node"]["orderId"] for _ in range(2)]
            assert heard == [others, own]
            assert (await customer.event("c"))["node"]["orderId"] == own

    async def test_filters(self, live: LiveServer) -> None:
        own = await _own_order(live, live.customer)
        async with listening(live, live.customer) as listener, live.client(live.customer) as client:
            now = await live.now()
            await listener.subscribe("order", {"after": now, "orderId": own.upper()})
            await listener.subscribe("types", {"after": now, "types": ["DELETED"]})
            await listener.subscribe("none", {"after": now, "types": []})
            await live.add(client)
            await client.post("/orders/delete", json={"orderId": [own]})
            messages = [await listener.receive() for _ in range(2)]
            assert {message["id"] for message in messages} == {"order", "types"}
            for message in messages:
                node = message["payload"]["data"]["orderEvents"]["node"]
                assert (node["type"], node["orderId"]) == ("DELETED", own)
            # The order is gone; its history stays visible to whom it was.
            await listener.send({"id": "order", "type": "complete"})
            await listener.subscribe("again", {"after": now, "orderId": own})
            assert (await listener.event("again"))["node"]["type"] == "DELETED"

    @pytest.mark.parametrize("whose", ["others", "unknown"])
    async def test_an_order_that_is_not_visible_is_unknown(
        self, live: LiveServer, whose: str
    ) -> None:
        order_id = await _own_order(live, live.admin) if whose == "others" else UNKNOWN
        async with listening(live, live.customer) as listener:
            await listener.subscribe("1", {"orderId": order_id})
            message = await listener.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["message"] == "orderId names no order."
        assert message["payload"][0]["extensions"] == {
            "code": "BAD_USER_INPUT",
            "field": ["orderId"],
        }

    async def test_resumed_again_and_again_nothing_is_lost_or_repeated(
        self, live: LiveServer
    ) -> None:
        start = await live.now()

        async def write_there() -> None:
            async with live.client(live.customer) as client:
                for _ in range(60):
                    await live.add(client)

        async def write_here() -> None:
            async with live.database() as database:
                for _ in range(60):
                    await live.add_from_here(database, "0000000d0100000000000001")

        async def listen() -> list[str]:
            heard: list[str] = []
            cursor, round_ = start, 0
            while len(heard) < 120:
                async with listening(live, live.customer) as listener:
                    await listener.subscribe("1", {"after": cursor})
                    # Longer and longer, from breaking off in the log to listening live.
                    round_ += 1
                    for _ in range(min(round_, 120 - len(heard))):
                        edge = await listener.event("1")
                        cursor = edge["cursor"]
                        heard.append(edge["node"]["id"])
            return heard

        _, _, *heard = await asyncio.gather(
            write_there(), write_here(), *(listen() for _ in range(3))
        )
        async with live.database() as database, database.read() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT id FROM order_events ORDER BY seq DESC LIMIT 120"
            )
            log = [row[0] for row in rows][::-1]
        assert heard == [log, log, log]


class TestTheEnd:
    async def test_a_revoked_or_expired_key_ends_what_it_began(self, live: LiveServer) -> None:
        revoked = await live.make_key("ada@demo.example")
        expiring = await live.make_key("ada@demo.example", expires_in=timedelta(seconds=1.5))

        before = await live.now()
        await _own_order(live, live.customer)

        async def end(key: str) -> None:
            async with listening(live, key) as listener, listening(live, key) as idle:
                for id_ in ("1", "2"):
                    await listener.subscribe(id_, {"after": before})
                    await listener.event(id_)
                if key == revoked:
                    await live.revoke(key)
                messages = [await listener.receive() for _ in range(2)]
                assert {message["id"] for message in messages} == {"1", "2"}
                for message in messages:
                    assert message["type"] == "error"
                    assert message["payload"][0]["message"] == "The API key is not valid."
                    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
                closed = (4403, "Forbidden: The API key is not valid.")
                assert await listener.closed() == closed
                assert await idle.closed() == closed

        await asyncio.gather(end(revoked), end(expiring))
        async with connected(live) as late:
            await late.send({"type": "connection_init", "payload": {"authorization": revoked}})
            # Its key may be remembered still, and is then found out a moment later.
            assert (await late.closed())[0] == 4403

    async def test_who_is_no_administrator_any_more_hears_no_more(self, live: LiveServer) -> None:
        async with live.database() as database:
            async with database.transaction() as connection:
                user = await add_user(connection, "dan@demo.example", is_admin=True)
                key = await create_key(connection, user)
            async with listening(live, key) as listener, live.client(key) as client:
                await listener.subscribe("1", {"after": await live.now()})
                await live.add(client)
                await listener.event("1")
                async with database.transaction() as connection:
                    await connection.exec_driver_sql(
                        "UPDATE users SET is_admin = false WHERE email = 'dan@demo.example'"
                    )
                (error,) = (await listener.receive())["payload"]
                assert error["message"] == "This needs a key with the scope admin."
                assert error["extensions"] == {"code": "FORBIDDEN", "requiredScope": "admin"}
                closed = (4403, "Forbidden: This needs a key with the scope admin.")
                assert await listener.closed() == closed

    async def test_a_reader_that_stands_still_is_dropped(self, live: LiveServer) -> None:
        big = "x" * 80_000
        query = EVENTS.replace("node {", "node { order { address }")
        async with (
            listening(live, live.customer, max_queue=1, compression=None) as still,
            listening(live, live.customer) as other,
            live.client(live.customer) as client,
        ):
            now = await live.now()
            await still.subscribe("1", {"after": now}, query)
            await other.subscribe("1", {"after": now})
            await live.add(client)
            heard = [(await still.event("1"))["cursor"]]
            cursors = [(await other.event("1"))["cursor"]]
            for _ in range(90):
                await live.add(client, big)
                cursors.append((await other.event("1"))["cursor"])
            await asyncio.sleep(3.2)  # as long as nothing must have been taken
            while (message := await still.receive())["type"] == "next":
                heard.append(message["payload"]["data"]["orderEvents"]["cursor"])
            # What came is the beginning, without a gap, and the rest can be had.
            assert heard == cursors[: len(heard)]
            assert len(heard) < len(cursors) - 10
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"] == {
                "code": "SLOW_CONSUMER",
                "resumeAfter": heard[-1],
            }
            await still.subscribe("2", {"after": heard[-1]})
            for cursor in cursors[len(heard) :]:
                assert (await still.event("2"))["cursor"] == cursor

    async def test_many_events_at_once_drop_nobody(self, live: LiveServer) -> None:
        async with listening(live, live.admin) as listener, live.client(live.admin) as client:
            now = await live.now()
            await listener.subscribe("1", {"after": now})
            for _ in range(60):
                await live.add(client)
            created = [(await listener.event("1"))["node"]["orderId"] for _ in range(60)]
            items = [{"orderId": id_, "status": "delivery"} for id_ in created]
            # Six times what the buffer holds, in one commit.
            await client.post("/orders/change-status", json={"items": items})
            changed = [(await listener.event("1"))["node"] for _ in range(60)]
        assert [node["orderId"] for node in changed] == created
        assert {node["type"] for node in changed} == {"STATUS_CHANGED"}


class TestProtocol:
    async def test_queries_and_mutations_too(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener:
            await listener.subscribe("q", query="{ scopes }")
            message = await listener.receive()
            data = {"scopes": ["ORDERS_READ", "ORDERS_WRITE"]}
            assert message == {"id": "q", "type": "next", "payload": {"data": data}}
            assert await listener.receive() == {"id": "q", "type": "complete"}
            mutation = (
                "mutation { deleteOrders(input: { ids: [] }) { userErrors { code message } } }"
            )
            await listener.subscribe("q", query=mutation)
            payload = (await listener.receive())["payload"]["data"]["deleteOrders"]
            assert payload["userErrors"][0]["code"] == "OUT_OF_RANGE"

    async def test_what_was_begun_is_finished_though_the_caller_is_gone(
        self, live: LiveServer
    ) -> None:
        mutation = (
            'mutation { addOrder(input: { address: "x", items: [{ shipping: BUDGET, productId:'
            f' "{PRODUCT}" }}] }}) {{ order {{ id }} }} }}'
        )
        async with listening(live, live.customer) as other:
            await other.subscribe("1", {"after": await live.now()})
            # Meanwhile the mutation waits for another process.
            let_in = live.home.databases.keep_changes_out(live.home.url)
            try:
                async with listening(live, live.customer) as gone:
                    await gone.subscribe("1", query=mutation)
                    await gone.send({"type": "ping"})
                    assert await gone.receive() == {"type": "pong"}
                    gone.socket.transport.abort()
                    await asyncio.sleep(0.3)
            finally:
                let_in()
            assert (await other.event("1"))["node"]["source"] == "GRAPHQL"

    async def test_the_key_may_come_in_the_header(self, live: LiveServer) -> None:
        headers = {"Authorization": live.customer}
        async with connected(live, additional_headers=headers) as listener:
            await listener.send({"type": "connection_init"})
            assert await listener.receive() == {"type": "connection_ack"}

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("subscription {", "GRAPHQL_PARSE_FAILED"),
            ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { " + "a: orderEvents { cursor } " * 101 + "}", "LIMIT_EXCEEDED"),
            ('subscription { orderEvents(after: "x") { cursor } }', "BAD_USER_INPUT"),
            ('subscription { orderEvents(orderId: "x") { cursor } }', "BAD_USER_INPUT"),
            ("", "BAD_REQUEST"),
        ],
    )
    async def test_what_can_not_be_executed_is_an_error(
        self, live: LiveServer, query: str, code: str
    ) -> None:
        async with listening(live, live.customer) as listener:
            await listener.subscribe("1", query=query)
            message = await listener.receive()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["extensions"]["code"] == code
            # The connection and the id can be used further.
            await listener.subscribe("1", query="{ scopes }")
            assert (await listener.receive())["type"] == "next"

    @pytest.mark.parametrize(
        ("messages", "close"),
        [
            ([{"id": "1", "type": "subscribe", "payload": {"query": "{ scopes }"}}], 4401),
            ([{"type": "connection_init"}], 4403),
            ([{"type": "connection_init", "payload": {"Authorization": "ofk_x"}}], 4403),
            ([{"type": "connection_init", "payload": "x"}], 4400),
            (["init", {"type": "connection_init"}], 4429),
            (["init", {"type": "start", "id": "1"}], 4400),
            (["init", []], 4400),
            (["init", 1], 4400),
            (["init", {"type": ["subscribe"]}], 4400),
            (["init", {"type": "é" * 1_000}], 4400),
            (["init", {"type": "complete", "id": "1" * 257}], 4400),
            (["init", {"type": "subscribe"}], 4400),
            (["init", {"type": "subscribe", "id": [], "payload": {"query": "{ scopes }"}}], 4400),
            (["init", {"type": "subscribe", "id": "1", "payload": "{ scopes }"}], 4400),
            (["init", {"type": "complete", "id": {}}], 4400),
            (["init", *[{"id": "1", "type": "subscribe", "payload": {"query": EVENTS}}] * 2], 4409),
        ],
    )
    async def test_who_breaks_it_is_cut_off(
        self, live: LiveServer, messages: list[Any], close: int
    ) -> None:
        async with connected(live) as listener:
            for message in messages:
                if message == "init":
                    payload = {"Authorization": live.customer}
                    await listener.send({"type": "connection_init", "payload": payload})
                    await listener.receive()
                else:
                    await listener.send(message)
            assert (await listener.closed())[0] == close

    @pytest.mark.parametrize("sent", ["{", b"{}"])
    async def test_only_json_text(self, live: LiveServer, sent: str | bytes) -> None:
        async with listening(live, live.customer) as listener:
            await listener.socket.send(sent)
            assert (await listener.closed())[0] == 4400

    @pytest.mark.parametrize("offered", [[Subprotocol("graphql-ws")], None])
    async def test_no_other_subprotocol(
        self, live: LiveServer, offered: list[Subprotocol] | None
    ) -> None:
        async with connected(live, subprotocols=offered) as listener:
            closed = (4406, "Subprotocol not acceptable: use graphql-transport-ws")
            assert await listener.closed() == closed

    async def test_a_message_has_a_size(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener:
            await listener.subscribe("1", query="{ scopes } #" + "x" * 1_000_000)
            assert (await listener.closed())[0] == 1009

    async def test_pings(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener:
            await listener.send({"type": "ping", "payload": {"any": "thing"}})
            assert await listener.receive() == {"type": "pong"}
            await listener.send({"type": "pong"})

    async def test_pings_by_the_server(self, live: LiveServer) -> None:
        pinged = asyncio.Event()

        class Noting(ClientConnection):
            def process_event(self, event: Any) -> None:
                if isinstance(event, Frame) and event.opcode is Opcode.PING:
                    pinged.set()
                super().process_event(event)

        async with listening(live, live.customer, create_connection=Noting):
            await asyncio.wait_for(pinged.wait(), 10)

    async def test_operations_of_a_connection_are_bounded(self, live: LiveServer) -> None:
        async with listening(live, live.customer) as listener:
            for number in range(4):
                await listener.subscribe(str(number))
            message = await listener.receive()
            assert (message["id"], message["type"]) == ("3", "error")
            assert message["payload"] == [
                {
                    "message": "A connection may have at most 3 operations at a time.",
                    "extensions": {"code": "LIMIT_EXCEEDED"},
                }
            ]
            await listener.send({"id": "0", "type": "complete"})
            await listener.subscribe("3", query="{ scopes }")
            assert (await listener.receive())["type"] == "next"

    async def test_subscriptions_of_a_process_are_bounded(self, live: LiveServer) -> None:
        async with asyncio.TaskGroup() as tasks:
            enough = asyncio.Event()

            async def occupy() -> None:
                async with listening(live, live.customer) as listener:
                    for number in range(3):
                        await listener.subscribe(str(number))
                    message = asyncio.create_task(listener.receive())
                    over = asyncio.create_task(enough.wait())
                    await asyncio.wait([message, over], return_when=asyncio.FIRST_COMPLETED)
                    if message.done():
                        errors.append(message.result()["payload"][0])
                        enough.set()
                    message.cancel()

            errors: list[Any] = []
            for _ in range(14):
                tasks.create_task(occupy())
        assert errors[0] == {
            "message": "A server process has at most 40 subscriptions. Try again later.",
            "extensions": {"code": "LIMIT_EXCEEDED"},
        } | {key: errors[0][key] for key in ("path", "locations") if key in errors[0]}

    async def test_connections_of_a_process_are_bounded(self, live: LiveServer) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(40):
                await stack.enter_async_context(listening(live, live.customer))
            async with connected(live) as one_more:
                assert await one_more.closed() == (1013, "Too many connections")

    async def test_a_subprotocol_among_others_is_chosen(self, live: LiveServer) -> None:
        offered = [Subprotocol("graphql-ws"), SUBPROTOCOL]
        async with listening(live, live.customer, subprotocols=offered) as listener:
            assert listener.socket.subprotocol == SUBPROTOCOL
