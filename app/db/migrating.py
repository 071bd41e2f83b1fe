"""Carries migrations out, by Alembic, which nothing else here needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

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


def run(connection: Connection, revision: str) -> None:
    """Bring the database to a migration, within the connection's transaction.

    Raises:
        RuntimeError: the data would break a foreign key, or the database is of a newer version.
    """
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
