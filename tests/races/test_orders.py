"""Many clients of several processes write the same users' orders, and the same orders."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.rest.bodies import ORDER_SUCCESS
from tests.databases import Databases
from tests.graphql.writing import mutation, new_order
from tests.races.history import Logged, State, replay
from tests.races.processes import Fleet, clients_of, new_customers, opened, rows_of
from tests.races.wholeness import ITEMS, violations
from tests.shop import LAMP, STOOL, TABLE

CLIENTS, ORDERS_EACH = 16, 3
BOUGHT = [{"product": p, "quantity": 2, "shipping": "Regular"} for p in (TABLE, STOOL, LAMP)]


async def test_numbers_go_on_without_gap_or_twin(databases: Databases, fleet: Fleet) -> None:
    customers = await new_customers(fleet.url, 3)
    keys = list(customers.values())

    async def add_some(client: httpx.AsyncClient, place: int) -> list[tuple[int, str]]:
        answers = []
        for number in range(ORDERS_EACH):
            body = {"items": BOUGHT, "address": f"{place} {number} {client.base_url}"}
            headers = {"Authorization": keys[place % len(keys)]}
            answer = await client.post("/orders/add", json=body, headers=headers)
            answers.append((answer.status_code, answer.text))
        return answers

    async with clients_of(fleet.servers) as clients:
        answers = await asyncio.gather(
            *(add_some(client, place) for client in clients for place in range(CLIENTS))
        )

    every_one = len(fleet.servers) * CLIENTS * ORDERS_EACH
    assert [one for some in answers for one in some] == [(200, ORDER_SUCCESS)] * every_one
    assert len(BOUGHT) == ITEMS
    async with opened(fleet.url) as database:
        rows = rows_of(database)
        placed = await rows(
            "SELECT count(*), count(DISTINCT address) FROM orders WHERE user_id IN"
            f" ({', '.join(map(repr, customers))})"
        )
        assert placed == [(every_one, every_one)]
        assert await violations(rows, customers, engine=databases.name) == []


STATUSES = {"PENDING": "pending", "DELIVERY": "delivery", "COMPLETED": "completed"}
ORDERS = 4
WHICH = st.lists(st.integers(0, ORDERS - 1), min_size=1, max_size=ORDERS, unique=True)


@dataclass(frozen=True)
class Call:
    """What a caller sends: for several orders in an order of its own."""

    kind: str
    which: Sequence[int]
    status: str = ""
    on_error: str = "SKIP_FAILED"
    expected_version: int | None = None
    through_rest: bool = False


ON_ERROR = st.sampled_from(["SKIP_FAILED", "REJECT_ALL"])
CALLS = st.one_of(
    st.builds(
        Call,
        st.just("status"),
        WHICH,
        st.sampled_from(sorted(STATUSES)),
        ON_ERROR,
        st.none() | st.integers(0, 6),
    ),
    st.builds(
        Call,
        st.just("status"),
        WHICH,
        st.sampled_from(sorted(STATUSES)),
        through_rest=st.just(True),
    ),
    st.builds(Call, st.just("address"), WHICH.map(lambda which: which[:1])),
    st.builds(Call, st.just("delete"), WHICH, on_error=ON_ERROR),
    st.builds(Call, st.just("delete"), WHICH, through_rest=st.just(True)),
    # More often than each of the others: there is nothing to do with a deleted order but this.
    *[st.builds(Call, st.just("restore"), WHICH, on_error=ON_ERROR)] * 2,
)
CALLERS = st.lists(st.lists(CALLS, min_size=1, max_size=4), min_size=6, max_size=12)


@dataclass
class Answers:
    """What the callers were told, to be compared with the log."""

    addresses: list[tuple[str, int, str]] = field(default_factory=list)
    statuses: list[tuple[str, int, str]] = field(default_factory=list)
    restored: list[tuple[str, int, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    deleted_through_rest: int = 0
    seen: list[tuple[str, int, float, float]] = field(default_factory=list)
    """An order's version that was answered, and from when to when the call took."""


@dataclass
class Caller:
    """One who sends calls to one of the servers, one after the other."""

    client: httpx.AsyncClient
    key: str
    ids: Sequence[str]
    answers: Answers
    new_address: Callable[[], str]

    async def send(self, call: Call) -> None:
        ids = [self.ids[place] for place in call.which]
        begin = time.monotonic()
        if call.through_rest:
            changed = await self._rest(call, ids)
        else:
            changed = await self._graphql(call, ids)
        end = time.monotonic()
        self.answers.seen += [(id_, version, begin, end) for id_, version in changed]

    async def _rest(self, call: Call, ids: Sequence[str]) -> list[tuple[str, int]]:
        if call.kind == "delete":
            answer = await self._post("/orders/delete", {"orderId": ids})
            self.answers.deleted_through_rest += answer["deletedCount"]
            return []
        items = [{"orderId": id_, "status": STATUSES[call.status]} for id_ in ids]
        documents = await self._post("/orders/change-status", {"items": items})
        found = [(one["_id"], one["__v"], one["status"]) for one in documents]
        self.answers.statuses += found
        assert {status for _, _, status in found} <= {STATUSES[call.status]}
        return [(id_, version) for id_, version, _ in found]

    async def _graphql(self, call: Call, ids: Sequence[str]) -> list[tuple[str, int]]:
        input_: dict[str, Any] = {}
        name = "restoreOrders" if call.kind == "restore" else "deleteOrders"
        address = ""
        if call.kind == "status":
            name = "changeOrderStatus"
            change = {"status": call.status, "expectedVersion": call.expected_version}
            input_["changes"] = [{"orderId": id_, **change} for id_ in ids]
        elif call.kind == "address":
            name, address = "changeOrderAddress", self.new_address()
            input_ = {"orderId": ids[0], "address": address}
        else:
            input_["ids"] = ids
        if call.kind != "address":
            input_["onError"] = call.on_error
        answer = await self._post(
            "/graphql", {"query": mutation(name), "variables": {"input": input_}}
        )
        if "errors" in answer:
            # All that may happen to a good call, and then it has changed nothing.
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["RETRY"], answer
            return []
        payload = answer["data"][name]
        if call.kind == "delete":
            self.answers.deleted += payload["deletedIds"]
            return []
        if call.kind == "address":
            order = payload["order"]
            if order is None:
                return []
            assert (order["status"], order["address"]) == ("PENDING", address)
            self.answers.addresses.append((order["id"], order["version"], address))
            return [(order["id"], order["version"])]
        found = [
            (order["id"], order["version"], STATUSES[order["status"]])
            for order in payload["orders"]
        ]
        assert not (payload["userErrors"] and call.on_error == "REJECT_ALL" and found)
        if call.kind == "status":
            assert {status for _, _, status in found} <= {STATUSES[call.status]}
            self.answers.statuses += found
        else:
            self.answers.restored += found
        return [(id_, version) for id_, version, _ in found]

    async def _post(self, path: str, body: Any) -> Any:
        answer = await self.client.post(path, json=body, headers={"Authorization": self.key})
        assert answer.status_code == 200, answer.text
        return answer.json()


async def _race(fleet: Fleet, calls: Sequence[Sequence[Call]]) -> tuple[list[str], Answers]:
    """Place orders, and let each caller do to them what it wants."""
    answers = Answers()
    addresses = iter(range(1_000_000))
    async with clients_of(fleet.servers) as clients:
        headers = {"Authorization": fleet.keys["customer"]}
        body = {
            "query": mutation("addOrder"),
            "variables": {"input": new_order("address")},
        }
        ids = [
            (await clients[0].post("/graphql", json=body, headers=headers)).json()["data"][
                "addOrder"
            ]["order"]["id"]
            for _ in range(ORDERS)
        ]

        async def send_all(place: int, some: Sequence[Call]) -> None:
            caller = Caller(
                clients[place % len(clients)],
                fleet.keys["admin"],
                ids,
                answers,
                lambda: f"address {next(addresses)}",
            )
            for call in some:
                await caller.send(call)

        await asyncio.gather(*(send_all(place, some) for place, some in enumerate(calls)))
    return ids, answers


@settings(
    max_examples=6,
    deadline=None,
    # A race is not the same again, so it can't be made smaller by trying it again.
    phases=[Phase.generate],
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(calls=CALLERS)
def test_what_happens_to_an_order_is_one_history(
    databases: Databases, fleet: Fleet, calls: list[list[Call]]
) -> None:
    ids, answers = asyncio.run(_race(fleet, calls))
    these = f"IN ({', '.join(map(repr, ids))})"
    log = [
        Logged._make((*row[:-1], _read(row[-1])))
        for row in databases.run(
            fleet.url,
            "SELECT seq, order_id, order_version, type, from_status, to_status, data"
            f" FROM order_events WHERE order_id {these} ORDER BY seq",
        )
    ]
    states: dict[str, list[State]] = {}
    for id_ in ids:
        states[id_] = replay("address", [event for event in log if event.order_id == id_])
    there = databases.run(
        fleet.url, f"SELECT id, version, status, address FROM orders WHERE id {these}"
    )
    assert {id_: State(*rest) for id_, *rest in there} == {
        id_: found[-1] for id_, found in states.items() if found[-1].exists
    }
    for table, rows in (("order_items", 1), ("order_words", 1)):
        parts = databases.run(
            fleet.url,
            f"SELECT order_id, count(*) FROM {table} WHERE order_id {these} GROUP BY order_id",
        )
        assert sorted(parts) == sorted((row[0], rows) for row in there), table
    _compare(answers, log, states)


def _read(data: Any) -> Any:
    return json.loads(data) if isinstance(data, str) else data


def _compare(answers: Answers, log: Sequence[Logged], states: dict[str, list[State]]) -> None:
    """What each caller was told is in the log, and what is in the log was told to a caller."""
    logged = {
        kind: [event for event in log if event.type == kind]
        for kind in ("status_changed", "address_changed", "deleted", "restored")
    }
    # Each address was sent once, so each event has exactly one call that made it.
    assert sorted(answers.addresses) == sorted(
        (event.order_id, event.version, (event.data or {})["to_address"])
        for event in logged["address_changed"]
    )
    assert sorted(answers.restored) == sorted(
        (event.order_id, event.version, event.to_status) for event in logged["restored"]
    )
    deleted = Counter(event.order_id for event in logged["deleted"])
    deleted.subtract(answers.deleted)
    assert min(deleted.values(), default=0) >= 0
    assert deleted.total() == answers.deleted_through_rest
    # An order that has the status already is answered as well, and has no event for it.
    changed = {
        (event.order_id, event.version, event.to_status) for event in logged["status_changed"]
    }
    assert changed <= set(answers.statuses)
    for id_, version, status in answers.statuses:
        assert states[id_][version].status == status
    # Who calls after another was answered finds what that one was told, or something newer.
    for id_, version, _, end in answers.seen:
        assert not [
            later
            for other, later, begin, _ in answers.seen
            if other == id_ and begin > end and later < version
        ]
