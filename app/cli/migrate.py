"""`orders migrate`: bring the database's tables to the newest version."""

import asyncio
from typing import Annotated

import typer

from app.cli.work import load_settings, require_migrated
from app.db import migrations
from app.db.engine import Database


def migrate(
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit 1 if the database is not up to date."),
    ] = False,
) -> None:
    """Make the database, or bring its tables to the newest version. Safe to repeat."""
    settings = load_settings()
    if check:
        asyncio.run(_check(settings.database_url))
        typer.echo("The database is up to date.", err=True)
        return
    asyncio.run(migrations.migrate(settings.database_url))
    typer.echo(f"The database is at migration {migrations.newest()}.", err=True)


async def _check(url: str) -> None:
    database = Database(url)
    try:
        await require_migrated(database)
    finally:
        await database.dispose()
