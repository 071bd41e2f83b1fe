"""Who still calls REST: what is counted, where it is kept, and the headers that say until when."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app import main
from app.db import tables
from app.db.bulk import insert_rows
from app.domain import clock
from tests.clock import move_clock
from tests.contract.test_legacy_tokens import claims, signed
from tests.shop import ADMIN, CUSTOMER, TABLE, Shop, counted_statements, open_client, open_shop

PATHS = ("/orders/get_all", "/orders/add", "/orders/change-status", "/orders/delete")
COUNTS = """SELECT email, CASE WHEN api_keys.id = key_id THEN '1' ELSE key_id END, path, calls
  FROM rest_usage
  LEFT JOIN users ON users.id = rest_usage.user_id
  LEFT JOIN api_keys ON api_keys.id = key_id ORDER BY 1, 2, 3"""


async def call(client: httpx.AsyncClient, key: str, path: str = "/orders/get_all") -> None:
    response = await client.get(path, headers={"Authorization": key})
    assert response.status_code == 200, response.text


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the server does beside its requests."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 (nothing tells when it is done)
            await asyncio.sleep(0.005)


async def finds(shop: Shop, statement: str, rows: list[Any]) -> None:
    """Wait until a statement finds these rows."""

    async def found() -> bool:
        return list(await shop.rows(statement)) == rows

    await until(found)


@pytest.fixture
def _upkeep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_UPKEEP_EVERY_S", 0.005)


class TestCounts:
    async def test_authenticated_calls_whatever_their_outcome(
        self, shop: Shop, database_url: str
    ) -> None:
        async with open_client(database_url, legacy_jwt_secret="shh") as client:  # noqa: S106
            caller = Shop(client, shop.database, shop.keys)
            await caller.add()
            await caller.rest("POST", "/orders/add", {"items": []})
            await caller.rest("POST", "/orders/add", content=b"{")
            await caller.rest("HEAD", "/Orders/Get_All/")
            await caller.rest("POST", "/orders/change-status", {"items": []})
            await caller.rest("POST", "/orders/change-status", {"items": []}, key="admin")
            await caller.rest("GET", "/orders/get_all", key=signed(claims(ADMIN)))
            # None of these is a known caller's call of one of the paths.
            await caller.rest("GET", "/orders/get_all", key="ofk_wrong")
            await caller.rest("GET", "/orders/get_all", key=None)
            await caller.rest("PUT", "/orders/add")
            await caller.rest("GET", "/orders/nothing")
            await caller.data("{ me { id } }")
            assert await shop.rows(COUNTS) == []
        # Stopping writes them.
        assert await shop.rows(COUNTS) == [
            ("admin@shop.example", "1", "/orders/change-status", 1),
            ("admin@shop.example", "legacy-jwt", "/orders/get_all", 1),
            ("customer@shop.example", "1", "/orders/add", 3),
            ("customer@shop.example", "1", "/orders/change-status", 1),
            ("customer@shop.example", "1", "/orders/get_all", 1),
        ]

    async def test_no_request_waits_for_them(self, shop: Shop) -> None:
        with counted_statements() as statements:
            await call(shop.client, shop.keys["customer"])
        assert len(statements) == 2  # whose key it is, and the orders

    @pytest.mark.usefixtures("_upkeep_at_once")
    async def test_a_running_server_writes_them(self, shop: Shop) -> None:
        total = "SELECT sum(calls) FROM rest_usage"
        await call(shop.client, shop.keys["customer"])
        await finds(shop, total, [(1,)])
        for _ in range(2):
            await call(shop.client, shop.keys["customer"])
        await finds(shop, total, [(3,)])

    async def test_several_processes_add_up(self, shop: Shop, database_url: str) -> None:
        key = shop.keys["customer"]
        async with open_client(database_url) as one, open_client(database_url) as two:
            for client in (one, two, two):
                await call(client, key)
            earlier = clock.now()
        async with open_client(database_url) as later:
            await call(later, key)
        assert await shop.rows("SELECT user_id, path, calls FROM rest_usage") == [
            (CUSTOMER, "/orders/get_all", 4)
        ]
        [(last,)] = await shop.rows("SELECT last_called_at FROM rest_usage")
        assert datetime.fromisoformat(last) >= earlier

    async def test_days_are_utc_days(
        self, shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = clock.now()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        move_clock(monkeypatch, seconds=(midnight - now).total_seconds() - 30)
        async with open_client(database_url) as client:
            await call(client, shop.keys["customer"])
            move_clock(monkeypatch, seconds=60)
            await call(client, shop.keys["customer"])
        days = [(str(now.date()), 1), (str(midnight.date()), 1)]
        assert await shop.rows("SELECT day, calls FROM rest_usage ORDER BY 1") == days

    @pytest.mark.usefixtures("_upkeep_at_once")
    async def test_they_are_kept_while_they_cannot_be_written(self, shop: Shop) -> None:
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE rest_usage RENAME TO away")
        with counted_statements() as statements:
            await call(shop.client, shop.keys["customer"])

            async def tried() -> bool:
                return any("rest_usage" in statement for statement in statements)

            await until(tried)
        await call(shop.client, shop.keys["customer"])
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO rest_usage")
        await finds(shop, "SELECT calls FROM rest_usage", [(2,)])


@pytest.mark.usefixtures("_upkeep_at_once")
async def test_a_running_server_forgets_all_old_idempotency_keys(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    rows = [
        {
            "user_id": CUSTOMER,
            "key": str(number),
            "request_sha256": "",
            "order_id": "0" * 24,
            "created_at": now - age,
        }
        for number, age in enumerate([timedelta(days=1, seconds=1)] * 1_200 + [timedelta()] * 2)
    ]
    async with shop.database.transaction() as connection:
        await insert_rows(connection, tables.IdempotencyKey, rows)
        # On SQLite one more round, which waits for this transaction now, must do.
        if connection.dialect.name == "sqlite":
            monkeypatch.setattr(main, "_UPKEEP_EVERY_S", 3_600)
    await finds(shop, "SELECT key FROM idempotency_keys ORDER BY 1", [("1200",), ("1201",)])


DEPRECATION = {"rest_deprecation": "2027-01-31"}
SUNSET = {"rest_sunset": "2027-06-30T14:30:00.5+02:00"}
LINK = '</docs>; rel="{}"; type="text/html"'


class TestNotice:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, (None, None, None)),
            (DEPRECATION, ("@1801353600", None, LINK.format("deprecation"))),
            (SUNSET, (None, "Wed, 30 Jun 2027 12:30:00 GMT", LINK.format("sunset"))),
            (
                {**DEPRECATION, **SUNSET},
                (
                    "@1801353600",
                    "Wed, 30 Jun 2027 12:30:00 GMT",
                    f"{LINK.format('deprecation')}, {LINK.format('sunset')}",
                ),
            ),
        ],
        ids=["neither", "deprecation", "sunset", "both"],
    )
    async def test_every_answer_of_the_paths_has_it(
        self, database_url: str, settings: Any, expected: tuple[str | None, ...]
    ) -> None:
        async with open_shop(database_url, **settings) as shop:
            item = {"product": TABLE, "shipping": "Regular"}
            answers = [
                await shop.rest("POST", "/orders/add", {"items": [item], "address": "x"}),
                await shop.rest("HEAD", "/orders/get_all"),
                await shop.rest("GET", "/Orders/Get_All/"),
                await shop.rest("POST", "/orders/add", {}),
                await shop.rest("POST", "/orders/add", content=b"{}"),
                await shop.rest("POST", "/orders/add", content=b" " * 3_000_000),
                await shop.rest("POST", "/orders/change-status", {"items": []}),
                await shop.rest("POST", "/orders/delete", {"orderId": []}),
            ]
            answers += [await shop.rest("PATCH", path) for path in PATHS]
            answers += [await shop.rest("GET", "/orders/get_all", key=key) for key in (None, "x")]
            async with shop.database.transaction() as connection:
                await connection.exec_driver_sql("ALTER TABLE order_items RENAME TO away")
            answers += [await shop.rest("GET", "/orders/get_all")]
            async with shop.database.transaction() as connection:
                await connection.exec_driver_sql("ALTER TABLE away RENAME TO order_items")
            assert [answer.status_code for answer in answers] == [
                *(200, 200, 200, 400, 415, 415, 403, 200),
                *(405, 405, 405, 405, 401, 403, 503),
            ]
            for answer in answers:
                found = (answer.headers.get(name) for name in ("deprecation", "sunset", "link"))
                assert tuple(found) == expected, answer.request
            assert answers[0].content == b"ORDER SUCCESS"
            assert answers[3].content == b'{"msg":"items is missing."}'
            others = [
                await shop.rest("GET", "/docs"),
                await shop.rest("GET", "/orders/nothing"),
                await shop.rest("GET", "/graphql?query={scopes}"),
            ]
            for other in others:
                assert not {"deprecation", "sunset", "link"} & set(other.headers)

    async def test_pages_of_other_origins_may_read_it(self, shop: Shop) -> None:
        answer = await shop.rest("GET", "/orders/get_all")
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Deprecation", "Sunset", "Link"} <= set(exposed)
