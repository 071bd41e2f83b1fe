"""The schema's versions: bring a database to the newest, and tell whether it is there."""

from sqlalchemy import Connection, column, inspect, select, table

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.engine import DatabaseOptions, open_database

NEWEST = "0006"
"""The id of the newest migration, which is the one that the tables in code need."""

# Alembic's own table, with a row once a migration was carried out.
_VERSION = table("alembic_version", column("version_num"))


async def current(database: Database, until: Deadline | None = None) -> str | None:
    """The id of the migration that the database is at; None when it has none of the tables.

    Raises:
        Unavailable: the database can't be reached.
        TimedOut: it did not answer by the deadline.
    """
    async with database.read(until) as connection:
        return await connection.run_sync(_current)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    at: str | None = connection.scalar(select(_VERSION.c.version_num))
    return at


async def in_the_way(database: Database) -> list[str]:
    """The names of tables that are there and that a migration of an empty database would make.

    Raises:
        Unavailable: the database can't be reached.
    """
    async with database.read() as connection:
        there = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    return sorted({*there} & {*tables.metadata.tables})


async def migrate(
    url: str, revision: str = "head", *, options: DatabaseOptions | None = None
) -> None:
    """Bring the database to a migration, all of the way or not at all.

    A database that is there already is only read. Two processes that do this at once take turns.
    SQLite alters a table by making it anew, and dropping the old one would delete what refers to
    it; so foreign keys are off on this connection and are checked before the commit.

    Args:
        url: The database; its folder and file are made where there are none.
        revision: `head`, or the id of a migration; one that is older than the database's undoes
            what came since.
        options: How the database is used.

    Raises:
        Unavailable: the database can't be reached.
        RuntimeError: the data would break a foreign key, or the database is of a newer version;
            nothing is changed.
    """
    database = open_database(url, options, foreign_keys=False)
    target = NEWEST if revision == "head" else revision
    try:
        if await database.exists() and await current(database) == target:
            return
        # Here, as no server that starts has anything to migrate, and Alembic takes a while to load.
        from app.db.migrating import run  # noqa: PLC0415

        await database.create()
        async with database.transaction() as connection:
            await connection.run_sync(run, target)
    finally:
        await database.dispose()
