"""How migrations reach the database: on a connection that the program hands over, or by settings.

`orders migrate` hands one over, in a transaction. The `alembic` command has none and opens one.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection

from app.db import search, tables
from app.db.engine import DatabaseOptions, open_database
from app.settings import Settings


def run(connection: Connection) -> None:
    """Run the migrations that the command asks for."""
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        include_name=search.is_no_index,
        render_as_batch=True,
        compare_type=True,
        compare_server_default=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_by_settings() -> None:
    """Run them on the database that the settings name."""
    settings = Settings.load()
    options = DatabaseOptions(pgbouncer=settings.database_pgbouncer)
    database = open_database(settings.database_url, options, foreign_keys=False)
    await database.create()
    async with database.transaction() as connection:
        await connection.run_sync(run)
    await database.dispose()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    asyncio.run(run_by_settings())
