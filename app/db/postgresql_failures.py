"""PostgreSQL: what the server's and the network's failures are called above."""

import ssl

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.deadline import Deadline
from app.db.faults import PoolerInBetween, driver_error, fault_of, sqlstate
from app.domain.errors import Contended, TimedOut, Unavailable

# Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
_OTHERS_IN_THE_WAY = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout
_TOOK_TOO_LONG = {"57014", "25P03", "25P04"}  # a statement, an idle transaction, a transaction
_NOT_AVAILABLE = {
    "08",  # the connection
    "28",  # who connects
    "3D",  # no such database
    "53",  # the server's resources
    "54",  # its limits, such as the size of what an index holds
    "57",  # an operator, a stop, a start
    "58",  # the server's system
    "25006",  # a server that only reads, after another one took over
    "42501",  # rights
    "42P01",  # no such table: not migrated
    "42703",  # no such column: not migrated
}


class NoConnection(Exception):
    """The server can't be reached; the cause says why."""


_NO_ANSWER = (
    NoConnection,
    PoolerInBetween,
    PoolTimeoutError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class failures_named:  # noqa: N801 (used as a statement)
    """Give the server's and the network's ways to fail the names that the layers above know."""

    def __init__(self, dsn: str, until: Deadline | None) -> None:
        self._dsn = dsn
        self._until = until

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Name what has failed."""
        if error is None:
            return
        cause = (error.__cause__ or error) if isinstance(error, NoConnection) else error
        state = sqlstate(error)
        if state in _OTHERS_IN_THE_WAY or _is_stale_plan(error):
            raise Contended from error
        is_ours = (
            isinstance(error, _NO_ANSWER)
            or (isinstance(error, DBAPIError) and error.connection_invalidated)
            or (state is not None and not _NOT_AVAILABLE.isdisjoint({state, state[:2]}))
            or state in _TOOK_TOO_LONG
        )
        if is_ours:
            if self._until is not None and self._until.is_past:
                raise TimedOut(self._until.limit_s) from cause
            raise Unavailable(fault_of(cause, self._dsn)) from cause


def _is_stale_plan(error: BaseException) -> bool:
    """Whether a migration changed what a prepared statement returns; the next time it is fresh."""
    return isinstance(driver_error(error), asyncpg.InvalidCachedStatementError)
