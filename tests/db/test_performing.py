"""Changes in steps: SQLite has those that wait share a commit, PostgreSQL needs few round trips."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import asyncpg
import httpx
import pytest
from sqlalchemy import select, text
from sqlmodel import col

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.engine import DatabaseOptions, open_database
from app.db.event_order import settled_until
from app.db.prepared import Prepared
from app.db.sqlite import SQLiteDatabase
from app.db.sqlite_inline import connect_driver
from app.db.steps import Row, Statement, Steps
from app.domain.changes import ErrorPolicy, StatusChange
from app.domain.errors import InvalidInput, TimedOut, Unavailable
from app.domain.ids import UserId, new_object_id
from app.domain.order import (
    EventSource,
    NewItem,
    NewOrder,
    Order,
    OrderStatus,
    ShippingMethod,
)
from app.domain.principal import Principal, Scope
from app.services.order_changes import StatusResult, changing_status
from app.services.order_placing import Placed, placing, placing_only
from tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases
from tests.graphql.writing import mutation, new_order
from tests.races.processes import WAITING, eventually, opened, rows_of
from tests.races.wholeness import violations
from tests.shop import (
    ADMIN,
    CUSTOMER,
    LAMP,
    OTHER,
    STOOL,
    TABLE,
    UNKNOWN,
    InsideShop,
    fill_shop,
    open_shop,
)

ITEMS = [{"productId": product, "shipping": "BUDGET"} for product in (TABLE, STOOL, LAMP)]
COUNT = Prepared(text("SELECT count(*) FROM orders"))


def place(
    address: str = "here", product: str = LAMP, user_id: str = CUSTOMER, items: int = 3
) -> Steps[Order | None]:
    new = NewOrder([NewItem(product, 1, ShippingMethod.REGULAR)] * items, address)
    principal = Principal(UserId(user_id), frozenset(Scope), "")
    return placing(principal, new, source=EventSource.GRAPHQL)


def place_only(
    address: str = "here", product: str = LAMP, user_id: str = CUSTOMER, items: int = 3
) -> Steps[Placed | None]:
    new = NewOrder([NewItem(product, 1, ShippingMethod.REGULAR)] * items, address)
    principal = Principal(UserId(user_id), frozenset(Scope), "")
    return placing_only(principal, new, source=EventSource.GRAPHQL)


def send(order: Order) -> Steps[StatusResult]:
    return changing_status(
        Principal(UserId(ADMIN), frozenset(Scope), ""),
        [StatusChange(order.id, OrderStatus.DELIVERY)],
        on_error=ErrorPolicy.REJECT_ALL,
        source=EventSource.GRAPHQL,
    )


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    async with opened(database_url) as database:
        await fill_shop(database)
        yield database


@pytest.fixture
async def sqlite_shop(sqlite_databases: SQLiteDatabases) -> AsyncGenerator[InsideShop]:
    with sqlite_databases.fresh() as url:
        async with open_shop(url) as shop:
            yield shop


def used_by(shop: InsideShop) -> SQLiteDatabase:
    """The database as the application has it."""
    database = shop.app.state.database
    assert isinstance(database, SQLiteDatabase)
    return database


async def add(shop: InsideShop, key: str = "customer", **more: Any) -> httpx.Response:
    body = {
        "query": mutation("addOrder"),
        "variables": {"input": new_order(**{"items": ITEMS, **more})},
    }
    return await shop.rest("POST", "/graphql", body, key=key)


async def together(shop: InsideShop, *orders: dict[str, Any]) -> list[Any]:
    """The answers to orders that wait for the same moment, and so share a transaction."""
    database = used_by(shop)
    adding: list[asyncio.Task[httpx.Response]] = []

    async def all_wait() -> bool:
        return len(database._commits._waiting) == len(adding)

    async with database.transaction():
        for order in orders:
            adding.append(asyncio.create_task(add(shop, **order)))
            await eventually(all_wait)
    return [answer.json() for answer in await asyncio.gather(*adding)]


@contextmanager
def traced() -> Iterator[list[str]]:
    """What connections for writing that are opened meanwhile execute."""
    statements: list[str] = []

    def traced_connect(*arguments: Any) -> sqlite3.Connection:
        connection = connect_driver(*arguments)
        connection.set_trace_callback(statements.append)
        return connection

    with patch("app.db.sqlite.connect_driver", traced_connect):
        yield statements


def outcomes(answers: Sequence[Any]) -> list[Any]:
    """The number of each order, or why there is none."""
    found = []
    for answer in answers:
        payload = answer["data"]["addOrder"]
        if payload is None:
            found.append(answer["errors"][0]["extensions"]["code"])
        elif payload["order"] is None:
            found.append(payload["userErrors"][0]["code"])
        else:
            found.append(payload["order"]["number"])
    return found


class TestSharing:
    async def test_those_that_wait_share_a_commit(self, sqlite_databases: SQLiteDatabases) -> None:
        with sqlite_databases.fresh() as url, traced() as statements:
            async with open_shop(url) as shop:
                assert outcomes([(await add(shop)).json()]) == [1]
                del statements[:]
                orders: list[dict[str, Any]] = [{}] * 30
                answers = await together(shop, *orders)
                assert Counter(statements)["BEGIN IMMEDIATE"] == 1
                assert Counter(statements)["COMMIT"] == 1
                assert outcomes(answers) == list(range(2, 32))
                assert await violations(shop.rows, [CUSTOMER], engine="sqlite") == []

    async def test_callers_who_come_as_they_like_share_some(
        self, sqlite_databases: SQLiteDatabases
    ) -> None:
        with sqlite_databases.fresh() as url, traced() as statements:
            async with open_shop(url) as shop:
                await asyncio.gather(*(add(shop, ("customer", "other")[n % 2]) for n in range(60)))
                assert Counter(statements)["COMMIT"] < 60
                assert await violations(shop.rows, [CUSTOMER, OTHER], engine="sqlite") == []
                assert await shop.rows("SELECT count(*) FROM orders") == [(60,)]

    @pytest.mark.parametrize("first", [True, False])
    async def test_one_that_is_refused_leaves_nothing_of_its_own(
        self, sqlite_shop: InsideShop, first: bool
    ) -> None:
        await add(sqlite_shop, externalId="e", idempotencyKey="k")
        refused: list[dict[str, Any]] = [
            {"items": [{"productId": UNKNOWN, "shipping": "BUDGET"}], "idempotencyKey": "free"},
            {"idempotencyKey": "k", "address": "another"},
            {"externalId": "e", "idempotencyKey": "free-too"},
            {"externalId": "f"},  # one that comes before it has it
        ]
        good: list[dict[str, Any]] = [{}, {"externalId": "f"}, {}]
        sent = [*refused, *good] if first else [*good, *refused]
        answers = outcomes(await together(sqlite_shop, *sent))
        codes = ["NOT_FOUND", "IDEMPOTENCY_MISMATCH", "CONFLICT"]
        if first:
            assert answers == [*codes, 2, 3, "CONFLICT", 4]
        else:
            assert answers == [2, 3, 4, *codes, "CONFLICT"]
        assert await violations(sqlite_shop.rows, [CUSTOMER], engine="sqlite") == []
        keys = await sqlite_shop.rows("SELECT key FROM idempotency_keys")
        assert keys == [("k",)]

    async def test_nobody_is_told_of_what_is_not_committed(self, sqlite_shop: InsideShop) -> None:
        await add(sqlite_shop)
        database = used_by(sqlite_shop)
        told: list[str] = []
        database.on_commit = lambda: told.append("committed")
        orphan = Prepared(
            text(
                "INSERT INTO order_words (user_id, order_id, words) VALUES ('nobody', 'none', 'x')"
            )
        )

        def spoil() -> Steps[None]:
            # Looked at by the commit itself, which it makes fail.
            yield Statement(Prepared(text("PRAGMA defer_foreign_keys=ON")))
            yield Statement(orphan)

        async with database.transaction():
            performing = [
                asyncio.create_task(database.perform(steps)) for steps in (place, spoil, place)
            ]
            await asyncio.sleep(0)
        told.clear()
        found = await asyncio.gather(*performing, return_exceptions=True)
        assert [type(one) for one in found] == [sqlite3.IntegrityError] * 3
        assert told == []
        assert await violations(sqlite_shop.rows, [CUSTOMER], engine="sqlite") == []
        assert outcomes([(await add(sqlite_shop)).json()]) == [2]

    async def test_a_disk_that_is_full_is_told_to_all_whom_it_concerns(
        self, sqlite_shop: InsideShop
    ) -> None:
        await add(sqlite_shop)
        connection = used_by(sqlite_shop)._commits._connection
        assert connection
        ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
        connection.execute(f"PRAGMA max_page_count={pages + 20}")
        long: list[dict[str, Any]] = [{"address": "long " * 4_000}] * 6
        answers = await together(sqlite_shop, *long)
        found = outcomes(answers)
        assert "SERVICE_UNAVAILABLE" in found
        connection.execute("PRAGMA max_page_count=1000000")
        assert outcomes([(await add(sqlite_shop)).json()])[0] == 2 + sum(
            isinstance(one, int) for one in found
        )
        assert await violations(sqlite_shop.rows, [CUSTOMER], engine="sqlite") == []

    async def test_a_large_order_among_small_ones(self, sqlite_shop: InsideShop) -> None:
        database = used_by(sqlite_shop)
        performing = [database.perform(partial(place, items=items)) for items in (1, 1_500, 1)]
        orders = [order for order in await asyncio.gather(*performing) if order]
        assert [order.number for order in orders] == [1, 2, 3]
        counts = "SELECT count(*) FROM order_items GROUP BY order_id ORDER BY 1"
        assert await sqlite_shop.rows(counts) == [(1,), (1,), (1_500,)]


class TestTurns:
    async def test_transactions_and_steps_take_turns(self, database: Database) -> None:
        async def transaction(number: int) -> None:
            async with database.transaction() as connection:
                await connection.exec_driver_sql(
                    f"INSERT INTO order_counters VALUES ('by hand {number}', 1)"
                )

        await asyncio.gather(
            *(
                transaction(number) if number % 2 else database.perform(place)
                for number in range(40)
            )
        )
        rows = rows_of(database)
        assert await violations(rows, [CUSTOMER], engine=database.engine) == []
        assert await rows("SELECT count(*) FROM order_counters") == [(21,)]

    async def test_a_transaction_gets_its_turn_among_many_changes(
        self, sqlite_shop: InsideShop
    ) -> None:
        database = used_by(sqlite_shop)
        stopping = False

        async def go_on() -> None:
            while not stopping:
                await database.perform(place)

        callers = [asyncio.create_task(go_on()) for _ in range(8)]
        await asyncio.sleep(0.05)
        for _ in range(3):
            async with asyncio.timeout(20), database.transaction() as connection:
                await connection.execute(text("SELECT 1"))
        stopping = True
        await asyncio.gather(*callers)

    async def test_another_process_is_waited_for(
        self, databases: Databases, database: Database, database_url: str
    ) -> None:
        let_in = await asyncio.to_thread(databases.keep_changes_out, database_url)
        performing = [asyncio.create_task(database.perform(place)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert not any(one.done() for one in performing)
        await asyncio.to_thread(let_in)
        orders = [order for order in await asyncio.gather(*performing) if order]
        assert sorted(order.number for order in orders) == [1, 2, 3]

    async def test_but_not_for_ever(self, sqlite_databases: SQLiteDatabases) -> None:
        with sqlite_databases.fresh() as url:
            async with opened(url, DatabaseOptions(busy_timeout_s=0.05)) as database:
                await fill_shop(database)
                let_in = sqlite_databases.keep_changes_out(url)
                found = await asyncio.gather(
                    *(database.perform(place) for _ in range(3)), return_exceptions=True
                )
                let_in()
                assert [type(one) for one in found] == [Unavailable] * 3
                assert await database.perform(place)

    async def test_what_is_late_is_not_begun(
        self, databases: Databases, database: Database, database_url: str
    ) -> None:
        let_in = await asyncio.to_thread(databases.keep_changes_out, database_url)
        with pytest.raises(TimedOut):
            await database.perform(place, Deadline(0.05))
        await asyncio.to_thread(let_in)
        order = await database.perform(place, Deadline(10))
        assert order
        assert order.number == 1
        assert await violations(rows_of(database), [CUSTOMER], engine=database.engine) == []


class TestCancelledCallers:
    async def test_before_it_is_begun_nothing_is_made(
        self, databases: Databases, database: Database, database_url: str
    ) -> None:
        let_in = await asyncio.to_thread(databases.keep_changes_out, database_url)
        performing = [asyncio.create_task(database.perform(place)) for _ in range(3)]
        await asyncio.sleep(0.1)
        performing[1].cancel()
        await asyncio.wait([performing[1]])
        assert performing[1].cancelled()
        await asyncio.to_thread(let_in)
        orders = [order for order in await asyncio.gather(performing[0], performing[2]) if order]
        assert sorted(order.number for order in orders) == [1, 2]
        assert await violations(rows_of(database), [CUSTOMER], engine=database.engine) == []

    async def test_while_it_is_committed_it_is_made_once_and_whole(
        self, sqlite_shop: InsideShop
    ) -> None:
        database = used_by(sqlite_shop)

        def leaving() -> Steps[None]:
            yield from place("gone")
            performing[0].cancel()

        performing: list[asyncio.Task[Any]] = [
            asyncio.create_task(database.perform(leaving)),
            asyncio.create_task(database.perform(lambda: place("stayed"))),
        ]
        await asyncio.wait(performing)
        assert performing[0].cancelled()
        assert (await performing[1]).number == 2
        addresses = await sqlite_shop.rows("SELECT address FROM orders ORDER BY order_number")
        assert addresses == [("gone",), ("stayed",)]
        assert await violations(sqlite_shop.rows, [CUSTOMER], engine="sqlite") == []

    @pytest.mark.parametrize("at_the_end", [True, False])
    async def test_amid_it_the_next_one_finds_nothing_of_it(
        self, database_url: str, at_the_end: bool
    ) -> None:
        async with opened(database_url, DatabaseOptions(pool_size=1)) as database:
            await fill_shop(database)

            def leaving() -> Steps[None]:
                yield from place()
                performing.cancel()
                if not at_the_end:
                    yield Statement(COUNT)

            for _ in range(3):
                await database.perform(place)
                performing = asyncio.create_task(database.perform(leaving))
                await asyncio.wait([performing])
                assert performing.cancelled()
            await database.perform(place)
            rows = rows_of(database)
            assert await violations(rows, [CUSTOMER], engine=database.engine) == []
            if database.engine == "postgresql" and not at_the_end:
                assert await rows("SELECT count(*) FROM orders") == [(4,)]


class TestMoreSteps:
    async def test_the_same_transaction_reads_what_was_placed(self, database: Database) -> None:
        row = tables.Order
        look = Prepared(
            select(col(row.order_number), col(row.address)).where(
                col(row.user_id) == CUSTOMER, col(row.address) == "payload"
            )
        )

        def both() -> Steps[tuple[Order | None, Sequence[Row]]]:
            order = yield from place("payload")
            rows = yield Statement(look)
            return order, rows

        order, rows = await database.perform(both)
        assert order
        assert [tuple(row) for row in rows] == [(order.number, "payload")]

    async def test_what_fails_afterwards_undoes_all(self, database: Database) -> None:
        def fail() -> Steps[None]:
            yield from place()
            ((count,),) = yield Statement(COUNT)
            assert count == 1
            raise ZeroDivisionError

        before = await rows_of(database)("SELECT * FROM order_counters")
        with pytest.raises(ZeroDivisionError):
            await database.perform(fail)
        with pytest.raises(InvalidInput):
            await database.perform(lambda: place(product=UNKNOWN))
        rows = rows_of(database)
        assert await rows("SELECT * FROM order_counters") == before
        assert await rows("SELECT count(*) FROM orders") == [(0,)]
        order = await database.perform(place)
        assert order
        assert order.number == 1


class TestOnPostgreSQL:
    @pytest.fixture
    async def database(self, postgresql_databases: PostgreSQLDatabases) -> AsyncGenerator[Database]:
        with postgresql_databases.fresh() as url:
            async with opened(url) as database:
                await fill_shop(database)
                yield database

    async def test_four_round_trips_are_enough(self, database: Database) -> None:
        await database.perform(place)  # a connection, and what is asked once
        with sent_statements() as sent:
            await database.perform(place)
        assert sent == ["BEGIN", "SELECT", "WITH", "COMMIT"]

    async def test_five_for_a_change_of_one(self, database: Database) -> None:
        order = await database.perform(place)
        assert order
        with sent_statements() as sent:
            await database.perform(lambda: send(order))
        assert sent == ["BEGIN", "SELECT", "UPDATE", "WITH", "COMMIT"]

    @pytest.mark.parametrize("changes", [False, True])
    async def test_readers_of_the_log_wait_for_what_was_begun(
        self, database: Database, changes: bool
    ) -> None:
        lock = f"SELECT id FROM products WHERE id = '{STOOL}' FOR UPDATE"
        before = await database.perform(place) if changes else None

        def hold() -> Steps[None]:
            if before is None:
                yield from place("first")
            else:
                yield from send(before)
            yield Statement(Prepared(text(lock)))

        rows = rows_of(database)
        async with database.transaction() as connection:
            await connection.exec_driver_sql(lock)
            holding = asyncio.create_task(database.perform(hold))
            await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
            await database.perform(lambda: place("second", user_id=OTHER))
            async with database.read() as reading:
                assert await settled_until(reading) == int(changes)
        await holding
        async with database.read() as reading:
            assert await settled_until(reading) == 2 + int(changes)


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """The first words of what is sent to PostgreSQL meanwhile."""
    sent: list[str] = []
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def fetched(connection: Any, query: str, *more: Any, **rest: Any) -> Any:
        sent.append(query.split(maxsplit=1)[0])
        return await fetch(connection, query, *more, **rest)

    async def executed(connection: Any, query: str, *more: Any, **rest: Any) -> Any:
        sent.append(query.split(maxsplit=1)[0])
        return await execute(connection, query, *more, **rest)

    with (
        patch.object(asyncpg.Connection, "fetch", fetched),
        patch.object(asyncpg.Connection, "execute", executed),
    ):
        yield sent


class TestSharedStatements:
    """Orders that do nothing special are placed along with others, on PostgreSQL."""

    @pytest.fixture
    async def database(self, postgresql_databases: PostgreSQLDatabases) -> AsyncGenerator[Database]:
        with postgresql_databases.fresh() as url:
            async with opened(url) as database:
                await fill_shop(database)
                # They have their counters, and the connection what is asked once.
                await database.perform(place_only)
                await database.perform(partial(place_only, user_id=OTHER))
                yield database

    async def numbers(self, *performing: Any) -> list[Any]:
        """The orders' numbers, or what they were refused with."""
        found = await asyncio.gather(*performing, return_exceptions=True)
        return [one.number if isinstance(one, Placed) else type(one) for one in found]

    async def test_two_round_trips_are_enough(self, database: Database) -> None:
        with sent_statements() as sent:
            await database.perform(place_only)
        assert sent == ["SELECT", "WITH"]

    async def test_and_for_several_too(self, database: Database) -> None:
        with sent_statements() as sent:
            found = await self.numbers(
                *(database.perform(partial(place_only, user_id=OTHER)) for _ in range(3)),
                *(database.perform(place_only) for _ in range(3)),
            )
        assert found == [2, 3, 4, 2, 3, 4]
        assert sent == ["SELECT", "WITH"]
        assert await violations(rows_of(database), [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_very_many(self, database: Database) -> None:
        performing = [
            database.perform(partial(place_only, user_id=(CUSTOMER, OTHER)[number % 2]))
            for number in range(90)
        ]
        found = await self.numbers(*performing)
        assert sorted(found) == sorted([*range(2, 47), *range(2, 47)])
        rows = rows_of(database)
        assert await violations(rows, [CUSTOMER, OTHER], engine="postgresql") == []
        # Of one customer, who came first has the lower number, and the earlier event.
        order = "SELECT o.order_number FROM order_events e JOIN orders o ON o.id = e.order_id"
        of_one = await rows(f"{order} WHERE o.user_id = '{CUSTOMER}' ORDER BY e.seq")
        assert of_one == [(number,) for number in range(1, 47)]

    async def test_one_that_is_refused_leaves_the_others_alone(self, database: Database) -> None:
        found = await self.numbers(
            database.perform(place_only),
            database.perform(partial(place_only, product=UNKNOWN)),
            database.perform(place_only),
            database.perform(partial(place_only, product=UNKNOWN, user_id=OTHER)),
        )
        assert found == [2, InvalidInput, 3, InvalidInput]
        assert await violations(rows_of(database), [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_one_that_the_server_refuses_leaves_the_others_alone(
        self, database: Database
    ) -> None:
        ((taken,),) = await rows_of(database)(f"SELECT id FROM orders WHERE user_id = '{OTHER}'")
        made = iter([taken])

        def spoilt() -> Steps[Placed | None]:
            steps = place_only(user_id=OTHER)
            rows = yield next(steps)
            with patch(
                "app.services.order_placing.new_object_id",
                lambda: next(made, None) or new_object_id(),
            ):
                step = steps.send(rows)
            row = yield step
            with pytest.raises(StopIteration) as end:
                steps.send(row)
            result: Placed | None = end.value.value
            return result

        found = await self.numbers(
            database.perform(place_only), database.perform(spoilt), database.perform(place_only)
        )
        # Alone, it is made from its beginning, and gets an id of its own.
        assert sorted(found) == [2, 2, 3]
        assert await violations(rows_of(database), [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_nobody_waits_for_another_customer(self, database: Database) -> None:
        rows = rows_of(database)
        async with database.transaction() as connection:
            await connection.exec_driver_sql(
                f"SELECT 1 FROM order_counters WHERE user_id = '{CUSTOMER}' FOR UPDATE"
            )
            waiting = asyncio.create_task(database.perform(place_only))
            other = await database.perform(partial(place_only, user_id=OTHER))
            assert other
            assert other.number == 2
            await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
            assert not waiting.done()
        own = await waiting
        assert own
        assert own.number == 2
        assert await violations(rows, [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_who_is_late_is_told_and_has_nothing(self, database: Database) -> None:
        rows = rows_of(database)
        async with database.transaction() as connection:
            await connection.exec_driver_sql("LOCK TABLE order_counters IN EXCLUSIVE MODE")
            late = [
                asyncio.create_task(database.perform(place_only, Deadline(0.3))) for _ in range(3)
            ]
            await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
            found = await asyncio.gather(*late, return_exceptions=True)
            assert [type(one) for one in found] == [TimedOut] * 3
            assert not await rows(f"SELECT 1 {WAITING}")
        assert await self.numbers(database.perform(place_only, Deadline(10))) == [2]
        assert await violations(rows, [CUSTOMER], engine="postgresql") == []

    async def test_callers_who_go_take_nothing_with_them(self, database: Database) -> None:
        rows = rows_of(database)
        async with database.transaction() as connection:
            await connection.exec_driver_sql("LOCK TABLE order_counters IN EXCLUSIVE MODE")
            begun = [asyncio.create_task(database.perform(place_only)) for _ in range(3)]
            await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
            # About the same customer: they wait for the group that is at work.
            waits = [asyncio.create_task(database.perform(place_only)) for _ in range(2)]
            await asyncio.sleep(0.05)
            begun[1].cancel()
            waits[0].cancel()
            await asyncio.wait([begun[1], waits[0]])
        assert await self.numbers(begun[0], begun[2], waits[1]) == [2, 4, 5]
        assert await rows("SELECT count(*) FROM orders") == [(6,)]
        assert await violations(rows, [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_a_connection_that_is_lost(self, database: Database) -> None:
        rows = rows_of(database)
        async with database.transaction() as connection:
            await connection.exec_driver_sql("LOCK TABLE order_counters IN EXCLUSIVE MODE")
            begun = [asyncio.create_task(database.perform(place_only)) for _ in range(3)]
            await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
            await rows(f"SELECT pg_terminate_backend(pid) {WAITING}")
            found = await asyncio.gather(*begun, return_exceptions=True)
            assert [type(one) for one in found] == [Unavailable] * 3
        assert await self.numbers(*(database.perform(place_only) for _ in range(3))) == [2, 3, 4]
        assert await violations(rows, [CUSTOMER, OTHER], engine="postgresql") == []

    async def test_no_connection_to_be_had(self, postgresql_databases: PostgreSQLDatabases) -> None:
        with postgresql_databases.fresh() as url:
            options = DatabaseOptions(pool_size=1, pool_wait_s=0.1)
            async with opened(url, options) as database:
                await fill_shop(database)
                await database.perform(place_only)
                async with database.transaction():
                    found = await self.numbers(*(database.perform(place_only) for _ in range(3)))
                    assert found == [Unavailable] * 3
                assert await self.numbers(database.perform(place_only)) == [2]

    async def test_large_orders_and_longer_changes_are_made_alone(self, database: Database) -> None:
        def both() -> Steps[int]:
            yield from place(user_id=OTHER)
            ((count,),) = yield Statement(COUNT)
            return int(count)

        small, large, count = await asyncio.gather(
            database.perform(place_only),
            database.perform(partial(place_only, items=30)),
            database.perform(both),
        )
        assert small
        assert large
        assert {small.number, large.number} == {2, 3}
        assert count >= 3
        rows = rows_of(database)
        counts = "SELECT count(*) FROM order_items GROUP BY order_id ORDER BY 1"
        assert await rows(counts) == [(3,), (3,), (3,), (3,), (30,)]


async def test_a_missing_file_is_not_made(tmp_path: Any) -> None:
    path = tmp_path / "none.db"
    database = open_database(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(Unavailable):
        await database.perform(place)
    assert not path.exists()
    await database.dispose()
