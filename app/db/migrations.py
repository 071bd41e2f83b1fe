"""The schema's versions: bring a database to the newest, and tell whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.engine import DatabaseOptions, open_database

# A number that nobody else locks: "orders" in a telephone's letters.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(673377)"
# A table that is to be altered waits for whoever reads it, and everybody else waits behind that.
_DO_NOT_BLOCK = "SET LOCAL lock_timeout = '10s'"
_PACKAGE = Path(__file__).resolve().parent.parent


def scripts_folder() -> Path:
    """Where the migrations are: in the installed package, else in the checkout beside it."""
    installed = _PACKAGE / "_alembic"
    return installed if installed.is_dir() else _PACKAGE.parent / "alembic"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def newest() -> str:
    """The id of the newest migration."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {scripts_folder()}")
    return head


async def current(database: Database, until: Deadline | None = None) -> str | None:
    """The id of the migration that the database is at; None when it has none of the tables.

    Raises:
        Unavailable: the database can't be reached.
        TimedOut: it did not answer by the deadline.
    """
    async with database.read(until) as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


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
    target = newest() if revision == "head" else revision
    try:
        if await database.exists() and await current(database) == target:
            return
        await database.create()
        async with database.transaction() as connection:
            await connection.run_sync(_run, target)
    finally:
        await database.dispose()


def _run(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_TAKE_TURNS)
        connection.exec_driver_sql(_DO_NOT_BLOCK)
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    at = MigrationContext.configure(connection).get_current_revision()
    if at == revision:
        return  # another process was faster
    if at is not None and at not in {step.revision for step in script.walk_revisions()}:
        raise RuntimeError(f"the database is at migration {at}, which only a newer version knows")
    applied = {step.revision for step in script.walk_revisions("base", at)} if at else set()
    if revision == "base" or revision in applied:
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"{len(broken)} rows would refer to rows that are missing")
