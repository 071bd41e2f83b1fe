"""What each mutation refuses, and that docs/writing.md lists just that."""

import re
from typing import Any

import pytest

from app.domain.errors import ProblemCode
from app.graphql.schema import build_schema
from app.services.auth import create_key
from app.services.keys import MAX_WORKING_KEYS
from app.services.users import find_user
from tests.e2e.server import ROOT
from tests.graphql.writing import api_key, item, new_order, place, problems, write
from tests.shop import CUSTOMER, OTHER, UNKNOWN, Shop

Case = tuple[str, dict[str, Any], list[tuple[str, str]]]

# The orders that the cases below act on, by the word that stands for their ids.
PENDING, SENT, GONE, REPLACED, OTHERS = "$pending", "$sent", "$gone", "$replaced", "$others"
MANY = [f"{n:024x}" for n in range(101)]

CASES: list[Case] = [
    ("addOrder", new_order(items=[]), [("OUT_OF_RANGE", "items")]),
    ("addOrder", new_order(items=[item()] * 101), [("OUT_OF_RANGE", "items")]),
    ("addOrder", new_order(items=[item(), item("x")]), [("INVALID", "items.1.productId")]),
    ("addOrder", new_order(items=[item(UNKNOWN)]), [("NOT_FOUND", "items.0.productId")]),
    ("addOrder", new_order(items=[item(quantity=0)]), [("OUT_OF_RANGE", "items.0.quantity")]),
    ("addOrder", new_order(" \n"), [("INVALID", "address")]),
    ("addOrder", new_order("a\0"), [("INVALID", "address")]),
    ("addOrder", new_order(externalId=""), [("INVALID", "externalId")]),
    ("addOrder", new_order(externalId=" \t"), [("INVALID", "externalId")]),
    ("addOrder", new_order(externalId="a\0"), [("INVALID", "externalId")]),
    ("addOrder", new_order(externalId="é" * 65), [("OUT_OF_RANGE", "externalId")]),
    ("addOrder", new_order(externalId="taken"), [("CONFLICT", "externalId")]),
    ("addOrder", new_order(idempotencyKey=""), [("INVALID", "idempotencyKey")]),
    ("addOrder", new_order(idempotencyKey="a b"), [("INVALID", "idempotencyKey")]),
    ("addOrder", new_order(idempotencyKey="x" * 256), [("INVALID", "idempotencyKey")]),
    ("addOrder", new_order("other", idempotencyKey="sent"), [
        ("IDEMPOTENCY_MISMATCH", "idempotencyKey")]),
    ("addOrder", new_order("gone", idempotencyKey="gone"), [("NOT_FOUND", "idempotencyKey")]),
    ("addOrder", new_order("", externalId="", items=[item("x", quantity=-1)]), [
        ("INVALID", "items.0.productId"), ("OUT_OF_RANGE", "items.0.quantity"),
        ("INVALID", "address"), ("INVALID", "externalId")]),
    ("changeOrderStatus", {"changes": []}, [("OUT_OF_RANGE", "changes")]),
    ("changeOrderStatus", {"changes": [{"orderId": one, "status": "PENDING"} for one in MANY]}, [
        ("OUT_OF_RANGE", "changes")]),
    ("changeOrderStatus", {"changes": [{"orderId": "x", "status": "PENDING"}]}, [
        ("INVALID", "changes.0.orderId")]),
    ("changeOrderStatus", {"changes": [{"orderId": PENDING, "status": "DELIVERY"}] * 2}, [
        ("INVALID", "changes.1.orderId")]),
    ("changeOrderStatus", {"changes": [
        {"orderId": PENDING, "status": "DELIVERY"}, {"orderId": GONE, "status": "DELIVERY"},
        {"orderId": SENT, "status": "COMPLETED", "expectedVersion": 0}]}, [
        ("NOT_FOUND", "changes.1.orderId"), ("CONFLICT", "changes.2.expectedVersion")]),
    ("deleteOrders", {"ids": []}, [("OUT_OF_RANGE", "ids")]),
    ("deleteOrders", {"ids": MANY}, [("OUT_OF_RANGE", "ids")]),
    ("deleteOrders", {"ids": [PENDING, "x", PENDING]}, [
        ("INVALID", "ids.1"), ("INVALID", "ids.2")]),
    ("deleteOrders", {"ids": [PENDING, GONE, UNKNOWN]}, [
        ("NOT_FOUND", "ids.1"), ("NOT_FOUND", "ids.2")]),
    ("changeOrderAddress", {"orderId": "x", "address": "\t"}, [
        ("INVALID", "orderId"), ("INVALID", "address")]),
    ("changeOrderAddress", {"orderId": PENDING, "address": "a\0"}, [("INVALID", "address")]),
    ("changeOrderAddress", {"orderId": GONE, "address": "new"}, [("NOT_FOUND", "orderId")]),
    ("changeOrderAddress", {"orderId": SENT, "address": "new"}, [("INVALID", "orderId")]),
    ("changeOrderAddress", {"orderId": SENT, "address": "1 Main St"}, [("INVALID", "orderId")]),
    ("changeOrderAddress", {"orderId": PENDING, "address": "new", "expectedVersion": 1}, [
        ("CONFLICT", "expectedVersion")]),
    ("changeOrderAddress", {"orderId": SENT, "address": "new", "expectedVersion": 0}, [
        ("CONFLICT", "expectedVersion")]),
    ("restoreOrders", {"ids": []}, [("OUT_OF_RANGE", "ids")]),
    ("restoreOrders", {"ids": MANY}, [("OUT_OF_RANGE", "ids")]),
    ("restoreOrders", {"ids": [GONE, "x", GONE]}, [("INVALID", "ids.1"), ("INVALID", "ids.2")]),
    ("restoreOrders", {"ids": [GONE, PENDING, UNKNOWN, REPLACED]}, [
        ("CONFLICT", "ids.1"), ("NOT_FOUND", "ids.2"), ("CONFLICT", "ids.3")]),
    ("createApiKey", api_key(" "), [("INVALID", "name")]),
    ("createApiKey", api_key("x" * 101), [("OUT_OF_RANGE", "name")]),
    ("createApiKey", api_key(scopes=[]), [("OUT_OF_RANGE", "scopes")]),
    ("createApiKey", api_key(scopes=["ORDERS_READ", "ADMIN"], userId=CUSTOMER), [
        ("INVALID", "scopes.1")]),
    ("createApiKey", api_key(expiresAt="2020-01-01T00:00:00Z"), [("INVALID", "expiresAt")]),
    ("createApiKey", api_key(userId="x"), [("INVALID", "userId")]),
    ("createApiKey", api_key(userId=UNKNOWN), [("NOT_FOUND", "userId")]),
    ("createApiKey", api_key(userId=OTHER), [("OUT_OF_RANGE", "userId")]),
    ("revokeApiKey", {"id": "x"}, [("INVALID", "id")]),
    ("revokeApiKey", {"id": UNKNOWN}, [("NOT_FOUND", "id")]),
]  # fmt: skip
ADMINS = {"changeOrderStatus", "restoreOrders", "createApiKey", "revokeApiKey"}


async def _orders(shop: Shop) -> dict[str, str]:
    pending = await place(shop, externalId="taken")
    sent = await place(shop, idempotencyKey="sent")
    gone = await place(shop, address="gone", idempotencyKey="gone")
    replaced = await place(shop, externalId="again")
    others = await place(shop, key="other")
    change = {"changes": [{"orderId": sent["id"], "status": "DELIVERY"}]}
    await write(shop, "changeOrderStatus", change, key="admin")
    await write(shop, "deleteOrders", {"ids": [gone["id"], replaced["id"]]})
    await place(shop, externalId="again")
    async with shop.database.transaction() as connection:
        other = await find_user(connection, OTHER)
        for _ in range(MAX_WORKING_KEYS - 1):
            await create_key(connection, other)
    orders = (pending, sent, gone, replaced, others)
    words = (PENDING, SENT, GONE, REPLACED, OTHERS)
    return {word: order["id"] for word, order in zip(words, orders, strict=True)}


def _filled_in(content: Any, ids: dict[str, str]) -> Any:
    if isinstance(content, dict):
        return {name: _filled_in(value, ids) for name, value in content.items()}
    if isinstance(content, list):
        return [_filled_in(value, ids) for value in content]
    return ids.get(content, content) if isinstance(content, str) else content


async def test_each_refusal_names_its_input_and_changes_nothing(shop: Shop) -> None:
    ids = await _orders(shop)
    before = await shop.everything()
    for name, input_, expected in CASES:
        key = "admin" if name in ADMINS else "customer"
        payload = await write(shop, name, _filled_in(input_, ids), key=key)
        assert problems(payload) == expected, (name, input_, payload)
        assert not any(payload[result] for result in payload if result != "userErrors")
        assert await shop.everything() == before, (name, input_)


async def test_another_customers_order_counts_as_unknown(shop: Shop) -> None:
    ids = await _orders(shop)
    before = await shop.everything()
    address = {"orderId": ids[OTHERS], "address": "new", "expectedVersion": 9}
    payload = await write(shop, "changeOrderAddress", address)
    assert problems(payload) == [("NOT_FOUND", "orderId")]
    assert problems(await write(shop, "deleteOrders", {"ids": [ids[OTHERS]]})) == [
        ("NOT_FOUND", "ids.0")
    ]
    assert await shop.everything() == before


def _documented() -> set[tuple[str, str, str]]:
    text = (ROOT / "docs" / "writing.md").read_text()
    return set(re.findall(r"^\| `(\w+)` \| `(\w+)` \| `([\w.]+)` \| .+ \|$", text, re.MULTILINE))


def test_the_documented_codes_are_those_that_occur() -> None:
    occurring = {
        (name, code, re.sub(r"\d+", "N", field))
        for name, _, expected in CASES
        for code, field in expected
    }
    assert _documented() == occurring
    schema = build_schema().core
    assert schema.mutation_type
    assert {name for name, *_ in occurring} == set(schema.mutation_type.fields)
    assert {code for _, code, _ in occurring} == set(ProblemCode)


@pytest.mark.parametrize(
    ("name", "input_", "message"),
    [
        (
            "changeOrderStatus",
            {"changes": [{"orderId": SENT, "status": "PENDING", "expectedVersion": 0}]},
            "changes[0].expectedVersion is not the order's version, which is 1.",
        ),
        (
            "changeOrderAddress",
            {"orderId": SENT, "address": "new", "expectedVersion": 7},
            "expectedVersion is not the order's version, which is 1.",
        ),
        (
            "changeOrderAddress",
            {"orderId": SENT, "address": "new"},
            "orderId names an order that is DELIVERY: its address can be changed only while it is"
            " PENDING.",
        ),
        (
            "addOrder",
            new_order(externalId="x" * 65),
            "externalId must have 1 to 64 characters, not 65.",
        ),
        ("addOrder", new_order(externalId="taken"), "externalId is in use for another order."),
        (
            "addOrder",
            new_order("x", idempotencyKey="sent"),
            "idempotencyKey was sent before with another request.",
        ),
        (
            "addOrder",
            new_order("gone", idempotencyKey="gone"),
            "idempotencyKey names an order that was deleted since.",
        ),
        ("restoreOrders", {"ids": [PENDING]}, "ids[0] names an order that is not deleted."),
        (
            "restoreOrders",
            {"ids": [REPLACED]},
            "ids[0] names an order whose external id is in use for another order by now.",
        ),
    ],
)
async def test_messages(shop: Shop, name: str, input_: Any, message: str) -> None:
    ids = await _orders(shop)
    key = "admin" if name in ADMINS else "customer"
    payload = await write(shop, name, _filled_in(input_, ids), key=key)
    assert [error["message"] for error in payload["userErrors"]] == [message]
