"""Operations that clients sent once in full and name by their SHA-256 from then on.

They are in the database, so they outlive the process and count for all of them. The store is
bounded: what was not used for longest makes room.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.domain import clock

_USE_KEPT_TO = timedelta(days=1)


async def find_operation(connection: AsyncConnection, sha256: str) -> tuple[str, bool] | None:
    """The text of a remembered operation, and whether its last use should be noted again."""
    row = tables.PersistedOperation
    found = (
        await connection.execute(
            select(col(row.text), col(row.last_used_at)).where(col(row.sha256) == sha256)
        )
    ).one_or_none()
    if found is None:
        return None
    return found[0], clock.now() - found[1] > _USE_KEPT_TO


async def note_use(connection: AsyncConnection, sha256: str) -> None:
    """Write down that an operation was used just now."""
    row = tables.PersistedOperation
    await connection.execute(
        update(row).where(col(row.sha256) == sha256).values(last_used_at=clock.now())
    )


async def store_operation(
    connection: AsyncConnection, sha256: str, text: str, *, at_most: int
) -> None:
    """Remember an operation; one that is there already stays as it is.

    Args:
        connection: A transaction.
        sha256: The SHA-256 of the text in UTF-8, in lower-case hex.
        text: The document.
        at_most: How many operations are kept.
    """
    row = tables.PersistedOperation
    now = clock.now()
    await connection.execute(
        upsert(row)
        .values(sha256=sha256, text=text, created_at=now, last_used_at=now)
        .on_conflict_do_nothing()
    )
    count = await connection.scalar(select(func.count()).select_from(row)) or 0
    if count > at_most:
        oldest = (
            select(col(row.sha256))
            .where(col(row.sha256) != sha256)
            .order_by(col(row.last_used_at), col(row.sha256))
            .limit(count - at_most)
        )
        await connection.execute(delete(row).where(col(row.sha256).in_(oldest)))
