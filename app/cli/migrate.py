"""`orders migrate`: bring the database's tables to the newest version."""

import asyncio
from typing import Annotated

import typer

from app.cli.work import load_settings, reach, require_migrated
from app.db import migrations
from app.db.engine import open_database
from app.main import database_options
from app.settings import Settings


def migrate(
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit 1 if the database is not up to date."),
    ] = False,
) -> None:
    """Make the database, or bring its tables to the newest version. Safe to repeat."""
    settings = load_settings()
    if check:
        asyncio.run(_check(settings))
        typer.echo("The database is up to date.", err=True)
        return
    asyncio.run(_migrate(settings))
    typer.echo(f"The database is at migration {migrations.NEWEST}.", err=True)


async def _migrate(settings: Settings) -> None:
    options = database_options(settings)
    database = open_database(settings.database_url, options)
    try:
        await reach(database, settings)
    finally:
        await database.dispose()
    await migrations.migrate(settings.database_url, options=options)


async def _check(settings: Settings) -> None:
    database = open_database(settings.database_url, database_options(settings))
    try:
        await reach(database, settings)
        await require_migrated(database)
    finally:
        await database.dispose()
