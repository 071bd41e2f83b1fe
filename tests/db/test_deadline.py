"""What a deadline does to reads and transactions that are not done by then."""

import asyncio
import time

import pytest
from sqlalchemy import text

from app.db.deadline import Deadline
from app.db.engine import open_database
from app.domain.errors import TimedOut

# Runs for minutes unless somebody stops it.
ENDLESS = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000000)"
    " SELECT count(*) FROM n"
)
INSERT = text("INSERT INTO order_counters VALUES ('u', 1)")
COUNT = text("SELECT count(*) FROM order_counters")


async def test_a_read_is_stopped_in_the_database_too(database_url: str) -> None:
    database = open_database(database_url)
    with pytest.raises(TimedOut):
        async with database.read(Deadline(0.1)) as connection:
            await connection.execute(ENDLESS)
    used_s = time.process_time()
    await asyncio.sleep(0.3)
    assert time.process_time() - used_s < 0.2  # no thread goes on counting
    async with database.read(Deadline(5)) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.dispose()


async def test_reads_that_wait_for_a_connection_are_stopped(database_url: str) -> None:
    database = open_database(database_url)

    async def read() -> None:
        async with database.read(Deadline(0.1)) as connection:
            await connection.execute(ENDLESS)

    ended = await asyncio.gather(*(read() for _ in range(12)), return_exceptions=True)
    assert [type(error) for error in ended] == [TimedOut] * 12
    async with database.read(Deadline(5)) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.dispose()


async def test_a_transaction_is_rolled_back_and_lets_the_next_one_in(database_url: str) -> None:
    database = open_database(database_url)
    with pytest.raises(TimedOut):
        async with database.transaction(Deadline(0.1)) as connection:
            await connection.execute(INSERT)
            await connection.execute(ENDLESS)
    late = Deadline(0.05)
    with pytest.raises(TimedOut):
        async with database.transaction(late) as connection:
            await connection.execute(INSERT)
            await asyncio.sleep(0.1)
    with pytest.raises(TimedOut):
        async with database.transaction(late) as connection:
            await connection.execute(INSERT)
    async with database.transaction(Deadline(5)) as connection:
        assert await connection.scalar(COUNT) == 0
        await connection.execute(INSERT)
    async with database.read() as connection:
        assert await connection.scalar(COUNT) == 1
    await database.dispose()
