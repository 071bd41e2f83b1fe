"""Compiled changes are those of field by field: their answers, and what they leave behind."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from graphql import parse
from sqlalchemy import text

from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.domain.ids import OrderId
from app.domain.order import Order, OrderStatus
from app.domain.principal import Principal
from app.services import order_changes, order_storage
from tests.databases import Databases
from tests.graphql.compiler.nasty import GONE_CUSTOMER, TEXTS
from tests.graphql.compiler.rewriting import (
    CHANGES,
    Rewriting,
    kinds_in,
    known_of,
    shapes_of_changes,
)
from tests.graphql.compiler.test_never_different import counted
from tests.graphql.compiler.twins import PLACED, Twins, open_twins
from tests.graphql.fuzzing import Known
from tests.graphql.writing import mutation, place
from tests.shop import CUSTOMER, OTHER, UNKNOWN

ORDER = """id number status address externalId createdAt updatedAt version
  total { amount currencyCode __typename } customer { id name email isAdmin }
  items { id name image quantity shipping productId unitPrice { amount } total { amount }
    product { id name description image price { amount currencyCode } } }"""
ERRORS = "userErrors { code field message }"
STATUS = f"""mutation ($input: ChangeOrderStatusInput!) {{
  changeOrderStatus(input: $input) {{ orders {{ {ORDER} }} {ERRORS} }} }}"""
ADDRESS = f"""mutation ($input: ChangeOrderAddressInput!) {{
  changeOrderAddress(input: $input) {{ order {{ {ORDER} }} {ERRORS} }} }}"""
DELETE = f"""mutation ($input: DeleteOrdersInput!) {{
  deleteOrders(input: $input) {{ deletedIds {ERRORS} }} }}"""
RESTORE = f"""mutation ($input: RestoreOrdersInput!) {{
  restoreOrders(input: $input) {{ orders {{ {ORDER} }} {ERRORS} }} }}"""


def ids_of(user: str, *statuses: OrderStatus) -> list[str]:
    return [
        order.id
        for order in PLACED
        if order.user_id == user and order.status in (statuses or OrderStatus)
    ]


OWN, OTHERS, OF_GONE = ids_of(CUSTOMER), ids_of(OTHER), ids_of(GONE_CUSTOMER)
PENDING = ids_of(CUSTOMER, OrderStatus.PENDING)
SENT = ids_of(CUSTOMER, OrderStatus.DELIVERY)
MALFORMED = ("x", "", OWN[0][:-1], f"{OWN[0]}0", 'é"\\', "\0")


def changes_to(status: str, *ids: str, **more: Any) -> dict[str, Any]:
    return {"changes": [{"orderId": id_, "status": status, **more} for id_ in ids]}


SKIPPING = {"onError": "SKIP_FAILED"}
VERSION = next(order.version for order in PLACED if order.id == OWN[1])
# What is sent one after the other, by whom.
COMPILED: list[tuple[str, Any, str]] = [
    (STATUS, changes_to("DELIVERY", OWN[0]), "admin"),
    # It is at that status now, so that nothing changes.
    (STATUS, changes_to("DELIVERY", OWN[0]), "admin"),
    (STATUS, changes_to("COMPLETED", OWN[0].upper(), OTHERS[0], OF_GONE[0], OWN[1]), "admin"),
    (STATUS, changes_to("COMPLETED", OWN[0], OTHERS[1], OF_GONE[0], OWN[2]), "admin"),
    (STATUS, changes_to("PENDING", *OWN, *OTHERS[::-1]), "admin"),
    (STATUS, changes_to("DELIVERY", OWN[0], UNKNOWN), "admin"),
    (STATUS, changes_to("DELIVERY", UNKNOWN, OWN[0]) | SKIPPING, "admin"),
    (STATUS, changes_to("DELIVERY", UNKNOWN) | SKIPPING, "admin"),
    (STATUS, changes_to("DELIVERY", OWN[3], OWN[3].upper()) | SKIPPING, "admin"),
    (STATUS, changes_to("COMPLETED", OWN[4], OWN[5], expectedVersion=0), "admin"),
    (STATUS, changes_to("COMPLETED", OWN[4], OWN[5], expectedVersion=0) | SKIPPING, "admin"),
    (STATUS, changes_to("COMPLETED", OWN[6], expectedVersion=None), "admin"),
    (STATUS, changes_to("COMPLETED", OWN[6], expectedVersion=-(2**31)), "admin"),
    (STATUS, {"changes": {"orderId": OWN[7], "status": "DELIVERY"}}, "admin"),
    (STATUS, {"changes": []}, "admin"),
    (STATUS, changes_to("DELIVERY", *[f"{n:024x}" for n in range(100)]), "admin"),
    (STATUS, changes_to("DELIVERY", *[f"{n:024x}" for n in range(101)]), "admin"),
    *((STATUS, changes_to("DELIVERY", OWN[0], one) | SKIPPING, "admin") for one in MALFORMED),
    (ADDRESS, {"orderId": PENDING[0], "address": "2 Elm Ave", "expectedVersion": 99}, "customer"),
    *((ADDRESS, {"orderId": OWN[8], "address": one}, "customer") for one in TEXTS),
    *((ADDRESS, {"orderId": one, "address": "x"}, "customer") for one in MALFORMED),
    (ADDRESS, {"orderId": OWN[8], "address": TEXTS[-1]}, "customer"),
    (ADDRESS, {"orderId": OWN[8].upper(), "address": "3 Elm Ave"}, "admin"),
    (ADDRESS, {"orderId": OTHERS[0], "address": "x"}, "customer"),
    (ADDRESS, {"orderId": OWN[0], "address": "x"}, "other"),
    (ADDRESS, {"orderId": UNKNOWN, "address": "x"}, "admin"),
    (ADDRESS, {"orderId": OWN[7], "address": "not pending"}, "customer"),
    (ADDRESS, {"orderId": "x", "address": "\0"}, "customer"),
    (ADDRESS, {"orderId": OWN[8], "address": " \n "}, "customer"),
    (DELETE, {"ids": [OWN[9]]}, "customer"),
    (DELETE, {"ids": [OWN[9]]}, "customer"),
    (DELETE, {"ids": OWN[10]}, "customer"),
    (DELETE, {"ids": [OWN[11], OTHERS[0]]}, "customer"),
    (DELETE, {"ids": [OTHERS[0], OWN[11], UNKNOWN]} | SKIPPING, "customer"),
    (DELETE, {"ids": [OWN[12].upper(), OTHERS[1], OF_GONE[1]]}, "admin"),
    (DELETE, {"ids": [OWN[13], OWN[13]]} | SKIPPING, "customer"),
    (DELETE, {"ids": []}, "customer"),
    (DELETE, {"ids": [f"{n:024x}" for n in range(101)]}, "customer"),
    (DELETE, {"ids": [OWN[14]]}, "writer"),
    *((DELETE, {"ids": [OWN[13], one]} | SKIPPING, "customer") for one in MALFORMED),
    (RESTORE, {"ids": [OWN[12], OF_GONE[1], OWN[9].upper()]}, "admin"),
    (RESTORE, {"ids": [OWN[12]]}, "admin"),
    (RESTORE, {"ids": [UNKNOWN, OWN[10], OWN[12], OTHERS[1]]}, "admin"),
    (RESTORE, {"ids": [UNKNOWN, OWN[10], OWN[12], OTHERS[1]]} | SKIPPING, "admin"),
    (RESTORE, {"ids": []}, "admin"),
    (RESTORE, {"ids": [f"{n:024x}" for n in range(101)]} | SKIPPING, "admin"),
    *((RESTORE, {"ids": [one]}, "admin") for one in MALFORMED),
    # More than are changed in a moment.
    (DELETE, {"ids": [*OWN[15:], *OTHERS[2:]]} | SKIPPING, "admin"),
    (RESTORE, {"ids": [*OTHERS[2:], *OWN[15:]]} | SKIPPING, "admin"),
]
ONE = f'{{ orderId: "{OWN[0]}", status: PENDING }}'
# In other ways to write them.
WRITTEN: list[tuple[str, Any, str]] = [
    (
        "mutation ($id: ID!, $status: OrderStatus!, $version: Int, $policy: ErrorPolicy! ="
        " SKIP_FAILED) { changed: changeOrderStatus(input: { changes: [{ orderId: $id, status:"
        f" $status, expectedVersion: $version }}, {ONE}], onError: $policy }}) {{ __typename"
        " b: orders { id v: version } userErrors { __typename } a: orders { items { name } id }"
        " e: userErrors { message m: message } orders { status id } } }",
        {"id": OWN[1], "status": "DELIVERY"},
        "admin",
    ),
    (
        "mutation ($one: OrderStatusChange!, $all: Boolean!) { changeOrderStatus(input: { changes:"
        " [$one] }) { ...P @include(if: $all) ... on ChangeOrderStatusPayload { orders { id } } } }"
        " fragment P on ChangeOrderStatusPayload { orders { ...O } }"
        " fragment O on Order { total { amount } ... on Node { id __typename } }",
        {"one": {"orderId": OWN[2], "status": "COMPLETED"}, "all": True},
        "admin",
    ),
    (
        f"mutation {{ changeOrderStatus(input: {{ changes: {ONE} }}) {{ __typename }} }}",
        {},
        "admin",
    ),
    (
        f"mutation {{ changeOrderStatus(input: {{ changes: [{ONE}], onError: REJECT_ALL }}) {{"
        " orders { __typename } o: orders { id @skip(if: true) } } }",
        {},
        "admin",
    ),
    (
        "mutation ($ids: [ID!]!) { deleteOrders(input: { ids: $ids }) { a: deletedIds deletedIds"
        " b: deletedIds @skip(if: true) ...E } } fragment E on DeleteOrdersPayload {"
        " userErrors { code code } }",
        {"ids": OWN[3]},
        "customer",
    ),
    (
        "mutation ($id: ID!) { restoreOrders(input: { ids: [$id] }) { orders { id version } } }",
        {"id": OWN[3]},
        "admin",
    ),
    (
        "mutation ($a: String!) { changeOrderAddress(input: { orderId: "
        f'"{PENDING[1]}", address: $a }}) {{ order {{ address version }}'
        " again: order { items { product { name } } a: address } } }",
        {"a": "5 Elm Ave"},
        "customer",
    ),
    (
        f'mutation {{ changeOrderAddress(input: {{ orderId: "{OWN[1]}", address: "x" }})'
        " { order @skip(if: true) { id } } }",
        {},
        "customer",
    ),
]
DECLINED: list[tuple[str, Any, str | None]] = [
    (STATUS, changes_to("DELIVERY", OWN[0]), "customer"),
    (STATUS, {"changes": []}, "writer"),
    (STATUS, changes_to("DELIVERY", OWN[0]), None),
    (ADDRESS, {"orderId": OWN[0], "address": "x"}, "reader"),
    (DELETE, {"ids": [OWN[0]]}, "reader"),
    (DELETE, {"ids": [OWN[0]]}, None),
    (RESTORE, {"ids": [OWN[0]]}, "customer"),
    (STATUS, changes_to("NO", OWN[0]), "admin"),
    (STATUS, changes_to("DELIVERY", OWN[0], expectedVersion=2**31), "admin"),
    (STATUS, {"changes": [None]}, "admin"),
    (STATUS, {"changes": None}, "admin"),
    (STATUS, {"changes": [], "onError": None}, "admin"),
    (STATUS, {"changes": [], "more": 1}, "admin"),
    (DELETE, {"ids": [None]}, "customer"),
    (DELETE, {}, "customer"),
    (ADDRESS, {"orderId": OWN[0], "address": 5}, "customer"),
]


@pytest.fixture
async def twins(databases: Databases) -> AsyncGenerator[Twins]:
    async with open_twins(databases) as twins:
        yield twins


async def test_compiled_ones(twins: Twins) -> None:
    for query, sent, caller in COMPILED:
        way, answer = await twins.change(query, {"input": sent}, caller)
        if caller == "writer":
            continue
        assert way == "compiled", (query, sent)
        assert "errors" not in answer, answer
    for query, variables, caller in WRITTEN:
        way, answer = await twins.change(query, variables, caller)
        assert way == "compiled", (query, variables)
        assert "errors" not in answer, answer
    events = (await twins.rows())[-1]
    # What they were for was reached: each kind of change was made, and many were refused.
    kinds = Counter(event[4] for event in events)
    assert kinds["status_changed"] > 40
    assert kinds["address_changed"] > 10
    assert kinds["deleted"] > 20
    assert kinds["restored"] > 20


async def test_declined_ones(twins: Twins) -> None:
    before = await twins.rows()
    for query, sent, caller in DECLINED:
        way, answer = await twins.change(query, {"input": sent}, caller)
        assert way in {"declined", "refused"}, (query, sent)
        assert "errors" in answer, answer
    assert await twins.rows() == before
    # These are made, by resolvers.
    for query, caller in (
        (mutation("changeOrderAddress"), "writer"),
        (mutation("changeOrderStatus").replace("version }", "events { nodes { id } } }"), "admin"),
        (mutation("changeOrderStatus").replace(" {\n", " { t: __typename\n", 1), "admin"),
    ):
        sent = changes_to("DELIVERY", OWN[0])
        if caller == "writer":
            sent = {"orderId": OWN[0], "address": "x"}
        way, answer = await twins.change(query, {"input": sent}, caller)
        assert way in {"declined", "plain"}, query
        assert "errors" not in answer, answer
    await twins.rows()


_GENERATED = 150


async def compare_changes(databases: Databases, *, number: int, start: int) -> Counter[str]:
    """Send generated mutations, written in every way, to both; count what they were like."""
    chance = random.Random(start)  # noqa: S311 (the same operations each time)
    made = shapes_of_changes(12, start)
    seen: Counter[str] = Counter()
    async with open_twins(databases) as twins:
        known = await known_of(twins.compiled)
        for step in range(number):
            if step % 20 == 0:
                await _look_again(twins, known)
            written = Rewriting(made, known, chance, CHANGES).written
            caller = chance.choice(("admin",) * 10 + ("customer", "customer", "other", "writer"))
            more = {"operationName": written.name} if written.name else {}
            way, answer = await twins.change(written.text, written.values(chance), caller, **more)
            seen[way] += 1
            if way == "compiled":
                seen.update(kinds_in(parse(written.text), answer["data"]))
        events = (await twins.rows())[-1]
        seen.update(event[4] for event in events)
    return seen


async def _look_again(twins: Twins, known: Known) -> None:
    """What there is to be changed now."""
    stored, *_, events = await twins.rows()
    orders = {row[1]: row[3] for row in stored}
    gone = dict.fromkeys(event[2] for event in events if event[4] == "deleted")
    known.ids |= {
        "orders": [*orders],
        "pending": [id_ for id_, status in orders.items() if status == "pending"],
        "gone": [id_ for id_ in gone if id_ not in orders] or [UNKNOWN],
    }


async def test_generated_ones(databases: Databases) -> None:
    seen = await compare_changes(databases, number=_GENERATED, start=5)
    assert seen["compiled"] > 0.55 * _GENERATED, seen
    # They change something, and much of it is shown.
    for kind in ("created", "status_changed", "address_changed", "deleted", "restored"):
        assert seen[kind] >= 5, (kind, seen)
    assert seen["Order"] > 0.15 * _GENERATED, seen
    assert seen["OrderItem"] > 0.1 * _GENERATED, seen
    assert seen["Product"] > 0.05 * _GENERATED, seen
    assert seen["UserError"] > 0.1 * _GENERATED, seen


async def test_the_values_of_an_answer(databases: Databases) -> None:
    """Whether it may be too large is asked before anything is changed."""
    ways: Counter[str] = Counter()
    many = " ".join(f"a{n}: name" for n in range(30))
    async with open_twins(databases, max_query_values=1_000, max_query_aliases=500) as twins:
        for count in (1, 3, 8, 20):
            for selected in ("id", f"items {{ {many} }}", "address", f"customer {{ {many} }}"):
                query = f"""mutation ($input: ChangeOrderStatusInput!) {{
                  changeOrderStatus(input: $input) {{ orders {{ {selected} }} {ERRORS} }} }}"""
                for ids in (OWN[:count], [f"{n:024x}" for n in range(5 * count)]):
                    sent = changes_to("DELIVERY", *ids)
                    way, answer = await twins.change(query, {"input": sent}, "admin")
                    ways["refused" if "errors" in answer else way] += 1
                    assert not ("errors" in answer and way == "compiled")
        await twins.rows()
    assert ways["compiled"] > 10, ways
    assert ways["refused"], ways


async def test_of_many_at_once_one_changes_it(twins: Twins) -> None:
    shop = twins.compiled
    placed = await place(shop)
    sent = changes_to("DELIVERY", placed["id"], expectedVersion=0)
    before = counted()
    answers = await asyncio.gather(
        *(shop.data(STATUS, {"input": sent}, key="admin") for _ in range(8))
    )
    assert (counted() - before) == Counter({"compiled": 8})
    found = sorted(len(answer["changeOrderStatus"]["orders"]) for answer in answers)
    assert found == [0] * 7 + [1]
    log = f"SELECT order_version FROM order_events WHERE order_id = '{placed['id']}' ORDER BY seq"
    assert await shop.rows(log) == [(0,), (1,)]


async def test_what_was_left_as_it_was_and_is_not_any_more(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at anew: what is shown is what the change saw."""
    shop = twins.compiled
    statements = [
        f"UPDATE orders SET version = version + 1, status = 'delivery' WHERE id = '{PENDING[0]}'",
        f"DELETE FROM orders WHERE id = '{PENDING[0]}'",
    ]
    reads = 0

    def read_and_interrupt(
        principal: Principal, ids: Sequence[OrderId]
    ) -> Steps[dict[OrderId, Order]]:
        nonlocal reads
        found = yield from order_storage.accessible_by_id(principal, ids)
        reads += 1
        if statements:
            yield Statement(Prepared(text(statements.pop())))
        return found

    monkeypatch.setattr(order_changes, "accessible_by_id", read_and_interrupt)
    sent = {"input": changes_to("PENDING", PENDING[0])}
    answer = await shop.data(mutation("changeOrderStatus"), sent, key="admin")
    [order] = answer["changeOrderStatus"]["orders"]
    assert (order["id"], order["status"]) == (PENDING[0], "PENDING")
    assert reads == 3
    monkeypatch.undo()
    await twins.rows()
