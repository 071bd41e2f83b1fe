"""The event log in an order in which it can be read to its end without losing any event.

`seq` says which of two events of an order came first, on each engine: whoever changes an order
holds its row before the event gets its number. But on PostgreSQL a transaction that took a lower
number may commit after one with a higher number. A reader who went by what is there would pass
over it for good. So a transaction says, before it takes numbers, where they will begin: it holds
an advisory lock that names the last number given so far. What lies past the lowest number named is
not read yet. Unlike a test of transaction ids, this waits for no transaction but those that write
events, and it keeps the order of `seq`.

Numbers that a transaction takes and does not use are gaps, which nobody waits for. All of this is
the primary's: a standby shows neither its locks nor how far its sequences are.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.prepared import Prepared
from app.db.steps import Statement

# The upper 16 bits of a lock's number say that it is one of these: "ev".
_SPACE = 0x6576 << 48
_LAST_GIVEN = (
    "(SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM order_events_seq_seq)"
)

ANNOUNCING = f"pg_advisory_xact_lock_shared({_SPACE} | {_LAST_GIVEN})"
"""What announces, on PostgreSQL, as an expression of a statement that goes on to write events."""

ANNOUNCE = Statement(Prepared(text(f"SELECT {ANNOUNCING}")), only="postgresql")
"""Says that this transaction is going to write events. To be taken before each time it does."""

_LAST = text(f"SELECT {_LAST_GIVEN}")
# How PostgreSQL shows a lock: its number's upper half as `classid`, the lower as `objid`.
_LOWEST_ANNOUNCED = text("""
    SELECT min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 48) - 1)) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND classid::bigint >> 16 = :space
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""").bindparams(space=_SPACE >> 48)


async def announce(connection: AsyncConnection) -> None:
    """Say that this transaction is going to write events. To be called before each time it does."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"SELECT {ANNOUNCING}")


async def settled_until(connection: AsyncConnection) -> int | None:
    """The last `seq` up to which the log is complete, whatever commits later; None for its end.

    To be asked for before the events are read, on a connection whose statements each see the
    latest commit.
    """
    if connection.dialect.name != "postgresql":
        return None  # one writer at a time
    # In this order. An event up to `last` had its number before the first statement, so it was
    # announced by then. If that is not seen by the second one, its transaction has ended.
    last = (await connection.execute(_LAST)).scalar_one()
    lowest = (await connection.execute(_LOWEST_ANNOUNCED)).scalar_one()
    return int(last if lowest is None else min(last, lowest))
