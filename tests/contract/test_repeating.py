"""`Idempotency-Key` on /orders/add: one order however often it is sent, and no answer changes."""

import asyncio
from typing import Any

import httpx
import pytest

from app.domain.principal import Scope
from app.services.auth import create_key
from app.services.users import find_user
from tests.clock import move_clock
from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, UNKNOWN, Shop, open_client

ITEMS = [
    {"product": TABLE, "quantity": 2, "shipping": "Regular"},
    {"product": LAMP, "quantity": 1, "shipping": "Next day"},
]
ORDER = {"items": ITEMS, "address": "1 Main St"}


async def add(
    shop: Shop, body: Any = ORDER, idempotency_key: str | None = "k", *, key: str = "customer"
) -> httpx.Response:
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    more: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers["Content-Type"] = "application/json"
    return await shop.rest("POST", "/orders/add", key=key, headers=headers, **more)


async def succeed(shop: Shop, *arguments: Any, **more: Any) -> None:
    response = await add(shop, *arguments, **more)
    assert (response.status_code, response.content) == (200, b"ORDER SUCCESS")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def numbers(shop: Shop) -> list[int]:
    return [number for (number,) in await shop.rows("SELECT order_number FROM orders ORDER BY 1")]


async def test_the_same_sending_makes_one_order(shop: Shop) -> None:
    await succeed(shop)
    before = await shop.everything()
    for _ in range(3):
        await succeed(shop)
    assert await shop.everything() == before
    assert await numbers(shop) == [1]


async def test_without_a_key_and_with_another_one_it_is_a_new_order(shop: Shop) -> None:
    for idempotency_key in (None, None, "k", "K", "l"):
        await succeed(shop, ORDER, idempotency_key)
    assert await numbers(shop) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'),
        ('a"b', r'"a\"b"'),
        (r"a\b", r'"a\\b"'),
        ("x" * 255, f'"{"x" * 255}"'),
        ("!", '"!"'),
        ("~;a=1,", '"~;a=1,"'),
    ],
)
async def test_bare_and_in_quotes_it_is_the_same_key(shop: Shop, first: str, second: str) -> None:
    await succeed(shop, ORDER, first)
    await succeed(shop, ORDER, second)
    assert await numbers(shop) == [1]


VISIBLE = "Idempotency-Key must be 1 to 255 visible ASCII characters."
CLOSED = "Idempotency-Key must have its closing quotation mark at its end."


@pytest.mark.parametrize(
    ("idempotency_key", "message"),
    [
        ("", VISIBLE),
        ('""', VISIBLE),
        ("x" * 256, VISIBLE),
        ("a b", VISIBLE),
        ('"a b"', VISIBLE),
        ("é", VISIBLE),
        ("a\x7f", VISIBLE),
        ('"', CLOSED),
        ('"a', CLOSED),
        ('"a"b', CLOSED),
        ('"a";p=1', CLOSED),
        (r'"a\b"', CLOSED),
        (r'"a\"', CLOSED),
    ],
)
async def test_a_bad_key_is_refused(shop: Shop, idempotency_key: str, message: str) -> None:
    before = await shop.everything()
    headers = {
        b"Authorization": shop.keys["customer"].encode(),
        b"Idempotency-Key": idempotency_key.encode("latin-1"),
    }
    refused = await shop.client.post("/orders/add", json=ORDER, headers=headers)
    assert (refused.status_code, refused.json()) == (400, {"msg": message})
    assert await shop.everything() == before


async def test_two_keys_are_refused(shop: Shop) -> None:
    before = await shop.everything()
    headers = [("Authorization", shop.keys["customer"])] + [("Idempotency-Key", "k")] * 2
    refused = await shop.client.post("/orders/add", json=ORDER, headers=headers)
    assert (refused.status_code, refused.json()) == (
        400,
        {"msg": "Idempotency-Key must be sent once."},
    )
    assert await shop.everything() == before


@pytest.mark.parametrize(
    "content",
    [
        f'{{"address":"1 Main St","items":[{{"shipping":"Regular","product":"{TABLE}",'
        f'"quantity":2}},{{"shipping":"Next day","quantity":1,"product":"{LAMP}"}}]}}',
        f'\r\n{{ "items" : [ {{"product":"{TABLE.upper()}","quantity":2.0,"shipping":"Regular"}} ,'
        f'{{"product":"{LAMP}","shipping":"Next day"}}], "address": "\\u0031 Main St", '
        '"user": 5 }',
    ],
    ids=["key order", "white space, case, default, escapes, extra fields"],
)
async def test_the_same_meaning_is_the_same_request(shop: Shop, content: str) -> None:
    await succeed(shop)
    before = await shop.everything()
    await succeed(shop, content.encode())
    assert await shop.everything() == before


@pytest.mark.parametrize(
    "other",
    [
        {**ORDER, "address": "1 Main St "},
        {**ORDER, "items": ITEMS[::-1]},
        {**ORDER, "items": ITEMS[:1]},
        {**ORDER, "items": [*ITEMS, ITEMS[0]]},
        {**ORDER, "items": [{**ITEMS[0], "quantity": 3}, ITEMS[1]]},
        {**ORDER, "items": [{**ITEMS[0], "product": STOOL}, ITEMS[1]]},
        {**ORDER, "items": [{**ITEMS[0], "shipping": "Budget"}, ITEMS[1]]},
        {**ORDER, "items": [{**ITEMS[0], "product": UNKNOWN}, ITEMS[1]]},
    ],
)
async def test_another_request_under_the_key_is_refused(shop: Shop, other: Any) -> None:
    await succeed(shop)
    before = await shop.everything()
    refused = await add(shop, other)
    assert (refused.status_code, refused.json()) == (
        422,
        {"msg": "Idempotency-Key was sent before with another request."},
    )
    assert await shop.everything() == before
    await succeed(shop)
    assert await shop.everything() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**ORDER, "items": [{**ITEMS[0], "quantity": 0}]}, 400),
        ({**ORDER, "items": [{**ITEMS[0], "product": UNKNOWN}]}, 400),
        ({**ORDER, "items": [{**ITEMS[0], "quantity": 2147483647}] * 20_000}, 413),
        ({**ORDER, "items": [{**ITEMS[0], "quantity": 2147483647}] * 200}, 400),
        ({**ORDER, "address": " "}, 400),
        (b"{", 400),
    ],
)
async def test_a_refused_request_leaves_the_key_free(shop: Shop, body: Any, status: int) -> None:
    before = await shop.everything()
    assert (await add(shop, body)).status_code == status
    assert await shop.everything() == before
    await succeed(shop)
    assert await numbers(shop) == [1]


async def test_rights_come_first(shop: Shop) -> None:
    await succeed(shop)
    before = await shop.everything()
    assert (await add(shop, key="reader")).status_code == 403
    assert (await add(shop, ORDER, '"', key="ofk_wrong")).status_code == 403
    assert (await add(shop, ORDER, '"', key="")).status_code == 401
    assert await shop.everything() == before


async def test_each_user_has_keys_of_their_own(shop: Shop) -> None:
    await succeed(shop)
    await succeed(shop, {**ORDER, "address": "x"}, key="other")
    await succeed(shop, key="admin")
    assert await numbers(shop) == [1, 1, 1]
    # All API keys of a user are the same user; this one may not even read orders.
    async with shop.database.transaction() as connection:
        user = await find_user(connection, CUSTOMER)
        key = await create_key(connection, user, scopes=[Scope.ORDERS_WRITE])
    await succeed(shop, key=key)
    assert await numbers(shop) == [1, 1, 1]


async def test_what_changed_since_does_not_matter(shop: Shop) -> None:
    await succeed(shop)
    [order_id] = await shop.order_ids()
    change = {"items": [{"orderId": order_id, "status": "completed"}]}
    await shop.rest("POST", "/orders/change-status", change, key="admin")
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM products")
    await succeed(shop)
    await shop.rest("POST", "/orders/delete", {"orderId": [order_id]})
    await succeed(shop)
    assert await shop.order_ids() == []
    assert await shop.rows("SELECT last_order_number FROM order_counters") == [(1,)]


async def test_a_key_works_for_24_hours(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await succeed(shop)
    move_clock(monkeypatch, seconds=86_300)
    await succeed(shop)
    assert await numbers(shop) == [1]
    move_clock(monkeypatch, seconds=100)
    await succeed(shop, {**ORDER, "address": "another"})
    await succeed(shop, {**ORDER, "address": "another"})
    assert await numbers(shop) == [1, 2]
    # From here on the key stands for the second order, for 24 hours of its own.
    assert (await add(shop)).status_code == 422
    move_clock(monkeypatch, seconds=86_300)
    assert (await add(shop)).status_code == 422


async def test_twins_at_once_make_one_order(shop: Shop, database_url: str) -> None:
    # The second application stands for another process: only the file is shared.
    async with open_client(database_url) as other:
        clients = [shop.client, other]
        headers = {"Authorization": shop.keys["customer"], "Idempotency-Key": "k"}
        twins = await asyncio.gather(
            *(clients[n % 2].post("/orders/add", json=ORDER, headers=headers) for n in range(20))
        )
        assert {(twin.status_code, twin.content) for twin in twins} == {(200, b"ORDER SUCCESS")}
        headers["Idempotency-Key"] = "l"
        rivals = await asyncio.gather(
            *(
                clients[n % 2].post(
                    "/orders/add", json={**ORDER, "address": str(n)}, headers=headers
                )
                for n in range(10)
            )
        )
        assert sorted(rival.status_code for rival in rivals) == [200] + [422] * 9
    assert await numbers(shop) == [1, 2]
    assert await shop.rows("SELECT count(*) FROM order_events") == [(2,)]
