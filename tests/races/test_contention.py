"""Changes that are in each other's way: done again a few times, then refused, never half done."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.databases import PostgreSQLDatabases
from tests.graphql.writing import mutation, new_order, place
from tests.races.processes import WAITING, eventually, filled, processes
from tests.shop import STOOL, TABLE, InsideShop, open_client, open_shop

ORDER = {
    "items": [{"product": TABLE, "quantity": 1, "shipping": "Regular"}],
    "address": "1 Main St",
}
MESSAGE = "Others are changing the same at this moment. Try again."
# The last thing that a change writes is its event: all the rest is there by then, and must go.
# What a sequence has given it does not take back, so it counts across transactions.
REFUSE = """
CREATE SEQUENCE refusals;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('refusals') <= {times} THEN
    RAISE EXCEPTION 'a secret of the server' USING ERRCODE = '{state}';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON order_events FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@asynccontextmanager
async def _direct(url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection past the application."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def url(postgresql_databases: PostgreSQLDatabases) -> Any:
    with postgresql_databases.fresh(spoilt=True) as found:
        yield found


@pytest.fixture
async def shop(url: str) -> AsyncGenerator[InsideShop]:
    async with open_shop(url) as running:
        yield running


async def _until_one_waits(url: str) -> None:
    """Return once a statement of another connection waits for a lock."""
    async with _direct(url) as connection:
        await eventually(lambda: connection.fetch(f"SELECT 1 {WAITING}"))


async def test_a_deadlock_is_tried_again(shop: InsideShop, url: str) -> None:
    first, second = sorted([(await place(shop))["id"] for _ in range(2)])
    async with _direct(url) as other:
        # So that it is the application's change that the server ends.
        await other.execute("SET deadlock_timeout = '1min'")
        transaction = other.transaction()
        await transaction.start()
        lock = "SELECT 1 FROM orders WHERE id = $1 FOR UPDATE"
        await other.execute(lock, second)
        items = [{"orderId": id_, "status": "delivery"} for id_ in (second, first)]
        changing = asyncio.create_task(
            shop.rest("POST", "/orders/change-status", {"items": items}, key="admin")
        )
        await _until_one_waits(url)
        await asyncio.wait_for(other.execute(lock, first), 20)
        assert not changing.done()  # it was ended, and waits again
        await transaction.rollback()
        answer = await asyncio.wait_for(changing, 20)
    assert answer.status_code == 200
    assert [(one["_id"], one["__v"]) for one in answer.json()] == [(first, 1), (second, 1)]
    log = "SELECT order_id, order_version FROM order_events WHERE type = 'status_changed'"
    assert sorted(await shop.rows(log)) == [(first, 1), (second, 1)]


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_what_the_server_refuses_a_few_times_is_done(
    shop: InsideShop, url: str, state: str
) -> None:
    async with _direct(url) as connection:
        await connection.execute(REFUSE.format(state=state, times=4))
    answer = await shop.rest("POST", "/orders/add", ORDER)
    assert (answer.status_code, answer.text) == (200, "ORDER SUCCESS")
    assert await shop.rows("SELECT order_number FROM orders") == [(1,)]
    assert await shop.rows("SELECT type FROM order_events") == [("created",)]


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_what_the_server_goes_on_refusing_is_refused(
    shop: InsideShop, url: str, state: str
) -> None:
    id_ = (await place(shop, items=[{"productId": STOOL, "shipping": "BUDGET"}]))["id"]
    async with _direct(url) as connection:
        await connection.execute(REFUSE.format(state=state, times=1_000_000))
    before = await shop.everything()
    calls: list[tuple[str, str, Any, Any]] = [
        ("/orders/add", "addOrder", ORDER, new_order()),
        (
            "/orders/change-status",
            "changeOrderStatus",
            {"items": [{"orderId": id_, "status": "delivery"}]},
            {"changes": [{"orderId": id_, "status": "DELIVERY"}]},
        ),
        ("/orders/delete", "deleteOrders", {"orderId": [id_]}, {"ids": [id_]}),
    ]
    for path, name, body, input_ in calls:
        answer = await shop.rest("POST", path, body, key="admin")
        assert (answer.status_code, answer.json()) == (503, {"msg": MESSAGE}), path
        assert answer.headers["retry-after"] == "1"
        answer = await shop.rest(
            "POST",
            "/graphql",
            {"query": mutation(name), "variables": {"input": input_}},
            key="admin",
        )
        (error,) = answer.json()["errors"]
        assert (error["message"], error["path"]) == (MESSAGE, [name])
        assert error["extensions"] == {"code": "RETRY", "retryAfter": 1}
        assert answer.json()["data"] == {name: None}
    assert await shop.everything() == before
    # Five times each, and no more.
    assert await shop.rows("SELECT last_value FROM refusals") == [(len(calls) * 2 * 5,)]


async def test_a_row_that_is_not_let_go_of_is_waited_for_as_long_as_the_server_lets(
    shop: InsideShop, url: str
) -> None:
    id_ = (await place(shop))["id"]
    before = await shop.everything()
    async with _direct(url) as other:
        await other.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 30',"
            " current_database()); END $$"
        )
        async with open_client(url) as client, other.transaction():
            await other.execute("SELECT 1 FROM orders WHERE id = $1 FOR UPDATE", id_)
            answer = await client.post(
                "/orders/delete",
                json={"orderId": [id_]},
                headers={"Authorization": shop.keys["customer"]},
            )
    assert (answer.status_code, answer.json()) == (503, {"msg": MESSAGE})
    assert await shop.everything() == before


def test_each_time_is_a_line_of_the_log(
    postgresql_databases: PostgreSQLDatabases, url: str, tmp_path: Path
) -> None:
    keys = filled(url)
    asyncio.run(_execute(url, REFUSE.format(state="40001", times=3)))
    with processes(1, tmp_path, url) as (server,):
        headers = {"Authorization": keys["customer"], "X-Request-Id": "mine"}
        answer = httpx.post(f"{server.url}/orders/add", json=ORDER, headers=headers)
        assert answer.status_code == 200
        lines = [
            json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")
        ]
    retries = [line for line in lines if line["level"] == "warning"]
    assert [line["attempt"] for line in retries] == [2, 3, 4]
    for line in retries:
        assert line["event"] == "others were in the way; the change is tried again"
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["logger"] == "app.telemetry"
        assert line["reason"].endswith("a secret of the server")
    assert len(retries) == len(lines)


async def _execute(url: str, statements: str) -> None:
    async with _direct(url) as connection:
        await connection.execute(statements)
