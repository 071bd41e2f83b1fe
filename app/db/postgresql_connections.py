"""PostgreSQL: connections that are made as the settings say, kept in pools, and lent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.db.database import PoolUse
from app.db.deadline import Deadline
from app.db.faults import PoolerInBetween
from app.db.pool import FairPool
from app.db.postgresql_failures import NoConnection
from app.db.prepared import Bound

_NAME = "orders-graphql"
# Longer than the server waits: what it says is better than a timeout of ours.
_PATIENCE_S = 5.0
# How long a command may do nothing in the middle of a change.
_LONGEST_IDLE_MS = 60_000
_REPLICA_CONNECTS_WITHIN_S = 1.0
_REPLICA_WAIT_S = 0.25
_OUTSIDE_OF_TRANSACTIONS: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}
# A server of 17 or newer knows it; to others it must not be mentioned.
_LIMIT_TRANSACTIONS = (
    "SELECT set_config(name, '{}ms', false) FROM pg_settings WHERE name = 'transaction_timeout'"
)
# The server tells each client the number of its process. A pooler tells a number of its own. Asked
# without a prepared statement, which might be another client's: the answer is how many rows.
_IS_SERVER = "SELECT 1 WHERE pg_backend_pid() = {}"
_YES = "SELECT 1"
# How a server puts it that a statement prepared on one connection is asked for on another one.
_MIXED_UP = {"26000", "42P05"}
_NOT_AT_A_POOLER = "unsupported startup parameter"


@dataclass(frozen=True, slots=True)
class Access:
    """How servers are connected to.

    Attributes:
        pool_size: How many connections a pool has at the most.
        pool_wait_s: How long is waited for one of them.
        connect_timeout_s: How long connecting may take.
        statement_timeout_s: How long the server lets a statement run; None for as long as it takes.
        has_pooler: Whether PgBouncer is in between.
    """

    pool_size: int
    pool_wait_s: float
    connect_timeout_s: float
    statement_timeout_s: float | None
    has_pooler: bool

    @property
    def patience_s(self) -> float | None:
        """How long is waited for what the server says to a statement."""
        return None if self.statement_timeout_s is None else self.statement_timeout_s + _PATIENCE_S

    @property
    def _limit_ms(self) -> int | None:
        if self.statement_timeout_s is None:
            return None
        return max(round(self.statement_timeout_s * 1_000), 1)

    def for_changes(self, dsn: str) -> "Connections":
        """Connections for transactions."""
        settings = {}
        if not self.has_pooler:
            # Who hangs amid a change keeps rows from others, and events from who reads the log.
            idle_ms = _LONGEST_IDLE_MS if self._limit_ms is None else self._limit_ms
            settings["idle_in_transaction_session_timeout"] = f"{idle_ms}ms"
        arguments = self._arguments(dsn, settings)
        arguments["async_creator_fn"] = partial(self._connect, limits_transactions=True)
        return Connections(self, arguments, self._pool())

    def for_reads(self, dsn: str) -> "Connections":
        """Connections for reads, each a statement outside of transactions."""
        return Connections(self, self._arguments(dsn), self._pool() | _OUTSIDE_OF_TRANSACTIONS)

    def for_copies(self, dsn: str) -> "Connections":
        """Connections to a replica: to be had soon, or reads go to the primary.

        Behind PgBouncer they are for transactions, which lead to one and the same server.
        """
        arguments = self._arguments(dsn)
        arguments["timeout"] = min(self.connect_timeout_s, _REPLICA_CONNECTS_WITHIN_S)
        pool = self._pool() | {"pool_timeout": min(self.pool_wait_s, _REPLICA_WAIT_S)}
        if not self.has_pooler:
            pool |= _OUTSIDE_OF_TRANSACTIONS
        return Connections(self, arguments, pool)

    def _pool(self) -> dict[str, Any]:
        return {
            "poolclass": FairPool,
            "pool_size": self.pool_size,
            "max_overflow": 0,
            "pool_timeout": self.pool_wait_s,
            "pool_use_lifo": True,
        }

    def _arguments(self, dsn: str, more_settings: dict[str, str] | None = None) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "dsn": dsn,
            "timeout": self.connect_timeout_s,
            "async_creator_fn": self._connect,
        }
        if self.patience_s is not None:
            arguments["command_timeout"] = self.patience_s
        if self.has_pooler:
            # A statement prepared on one connection of the server may be asked for on another one,
            # and would be another client's: a wrong answer without an error.
            return arguments | {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        settings = {"application_name": _NAME, **(more_settings or {})}
        if self._limit_ms is not None:
            settings["statement_timeout"] = f"{self._limit_ms}ms"
        return arguments | {"server_settings": settings}

    async def _connect(
        self, *, limits_transactions: bool = False, **arguments: Any
    ) -> "asyncpg.Connection[asyncpg.Record]":
        """A new connection for a pool, which leads to where it was said to."""
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(**arguments)
        except asyncpg.PostgresError as error:
            is_mixed_up = error.sqlstate in _MIXED_UP or _NOT_AT_A_POOLER in str(error)
            if is_mixed_up and not self.has_pooler:
                raise PoolerInBetween from error
            raise
        if self.has_pooler:
            return connection
        set_up = _IS_SERVER.format(connection.get_server_pid())
        if limits_transactions and self._limit_ms is not None:
            set_up = f"{_LIMIT_TRANSACTIONS.format(2 * self._limit_ms)}; {set_up}"
        is_server = False
        try:
            is_server = await connection.execute(set_up) == _YES
        finally:
            if not is_server:
                connection.terminate()
        if not is_server:
            raise PoolerInBetween
        return connection


class Connections:
    """A pool of connections, lent as SQLAlchemy's or, for what is short, as the driver's.

    Args:
        access: How they are made.
        arguments: For the driver, to make one.
        pool: For the pool.
    """

    def __init__(self, access: Access, arguments: dict[str, Any], pool: dict[str, Any]) -> None:
        self._patience_s = access.patience_s
        self._engine = create_async_engine("postgresql+asyncpg://", connect_args=arguments, **pool)
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        if not isinstance(self._engine.pool, FairPool):
            raise TypeError("the engine was made with a fair pool")
        self._pool = self._engine.pool

    @property
    def use(self) -> PoolUse:
        """How many there are, and how many are in use."""
        pool = self._pool
        return PoolUse(pool.size(), pool.checkedin() + pool.checkedout(), pool.checkedout())

    @asynccontextmanager
    async def connected(self, until: Deadline | None) -> AsyncGenerator[AsyncConnection]:
        """A connection of SQLAlchemy's.

        Raises:
            NoConnection: none can be made.
        """
        connection = self._engine.connect()
        try:
            async with timeout(until):
                await connection.start()
        except (OSError, DBAPIError, asyncpg.PostgresError) as error:
            # Here it is the network's or the server's, whatever it is. In between it may be ours.
            raise NoConnection from error
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def lent(self, until: Deadline | None) -> AsyncGenerator[Any]:
        """A connection of the driver, outside of transactions. A closed one is not used again.

        Raises:
            NoConnection: none can be made.
        """
        entry = await self._pool.borrow(None if until is None else until.at_s)
        if entry is None:
            async with self.connected(until) as connection:
                yield (await connection.get_raw_connection()).driver_connection
            return
        try:
            yield entry.driver_connection
        finally:
            self._pool.give_back(entry)

    async def fetch(
        self, reads: Sequence[Bound], until: Deadline | None
    ) -> list[Sequence[Sequence[Any]]]:
        """The rows of some statements, as the driver has them, one after the other.

        Raises:
            NoConnection: none can be made.
        """
        entry = await self._pool.borrow(None if until is None else until.at_s)
        if entry is None:
            async with self.connected(until) as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                return [await self._rows(driver, read, until) for read in reads]
        driver = entry.driver_connection
        try:
            return [await self._rows(driver, read, until) for read in reads]
        finally:
            self._pool.give_back(entry)

    async def _rows(
        self, driver: Any, read: Bound, until: Deadline | None
    ) -> Sequence[Sequence[Any]]:
        left_s = None if until is None else until.left_s(self._patience_s)
        rows: Sequence[Sequence[Any]] = await driver.fetch(
            read.text, *read.parameters, timeout=left_s
        )
        return rows

    async def dispose(self) -> None:
        """Close those that are idle now, and the others when they are given back."""
        await self._engine.dispose()
        # It has a new pool now, for who comes late; that one keeps nothing either.
        self._engine.pool.dispose()


def timeout(until: Deadline | None) -> asyncio.Timeout:
    """What breaks off at a deadline."""
    return asyncio.timeout_at(None if until is None else until.at_s)


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have a connection replaced that has been closed while nobody used it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
