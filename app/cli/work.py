"""What every command needs: the settings, the database for the length of a command, tables."""

import asyncio
import gc
import unicodedata
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import stamina
import typer
from sqlalchemy.ext.asyncio import AsyncConnection
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from app.db import migrations
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.engine import open_database
from app.domain.errors import Fault, TimedOut, Unavailable
from app.main import database_options
from app.settings import Settings
from app.telemetry import configure_logging

T = TypeVar("T")

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
_LOOK_THERE = "look whether the server is overloaded, or in PgBouncer's log if there is one"


def load_settings(**overrides: object) -> Settings:
    """The settings, with logging set up by them.

    Raises:
        SettingsError: a setting is wrong or unknown.
    """
    settings = Settings.load(**overrides)
    configure_logging(settings.log_level, settings.log_format)
    return settings


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run work on the database of the settings, which must be at the newest migration.

    Raises:
        RuntimeError: there is no such database, or it must be migrated first.
    """
    settings = load_settings()

    async def run() -> T:
        database = open_database(settings.database_url, database_options(settings))
        try:
            # Who types a command wants to know at once.
            await reach(database, settings, wait_s=0)
            await require_migrated(database)
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def in_transaction(work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run work in one transaction.

    Raises:
        RuntimeError: as for `with_database`.
    """

    async def run(database: Database) -> T:
        return await database.write(work)

    return with_database(run)


def reading(work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run work that only reads: it waits for nobody who writes, and needs no right to.

    Raises:
        RuntimeError: as for `with_database`.
    """

    async def run(database: Database) -> T:
        async with database.read() as connection:
            return await work(connection)

    return with_database(run)


async def reach(database: Database, settings: Settings, *, wait_s: float | None = None) -> None:
    """Have the database's server answer; one that is starting is waited for, and that is said.

    Args:
        database: The database of the settings.
        settings: Say how long to wait, and how long a single try may take.
        wait_s: How long to wait instead; 0 for a single try.

    Raises:
        Unavailable: it does not answer, or refuses in a way that waiting does not change.
    """
    wait_s = settings.database_connect_wait_s if wait_s is None else wait_s
    told = False

    async def ask() -> None:
        try:
            await database.exists(Deadline(settings.database_connect_timeout_s))
        except TimedOut as error:
            raise Unavailable(
                Fault(database.place, f"no answer for {error.limit_s:g} s", advice=_LOOK_THERE)
            ) from error

    def is_worth_another(error: Exception) -> bool:
        nonlocal told
        if not (isinstance(error, Unavailable) and error.fault and error.fault.can_pass):
            return False
        if not told:
            told = True
            reason = error.fault.reason
            typer.echo(f"waiting for the database at {database.place}: {reason}", err=True)
        return True

    if not wait_s:
        await ask()
        return
    with _retries_untold():
        async for attempt in stamina.retry_context(
            on=is_worth_another,
            attempts=None,
            timeout=wait_s,
            wait_initial=_FIRST_WAIT_S,
            wait_max=_LONGEST_WAIT_S,
            wait_jitter=_FIRST_WAIT_S,
        ):
            with attempt:
                await ask()


@contextmanager
def _retries_untold() -> Generator[None]:
    """Keep the log free of a line for each attempt."""
    before = get_on_retry_hooks()
    set_on_retry_hooks([])
    try:
        yield
    finally:
        set_on_retry_hooks(before)


async def require_migrated(database: Database) -> None:
    """Make sure that the database is there and up to date.

    Raises:
        RuntimeError: it is not; the message says what to do.
        Unavailable: it can't be read.
    """
    if not await database.exists():
        raise RuntimeError(f"there is no database at {database.place}: run `orders migrate` first")
    at = await migrations.current(database)
    if at != migrations.NEWEST:
        raise RuntimeError(
            f"the database at {database.place} is not up to date: run `orders migrate` first"
        )


def spare_garbage() -> None:
    """Look for garbage less often: the process is this command's alone.

    What it consists of is not looked through again and again, while records come and go that hold
    no cycles: a tenth of an import's time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write aligned columns to standard output, none of them cut, each row on one line."""
    lines = [[*header], *([_visible(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _visible(text: str) -> str:
    r"""The text with what would steer a terminal, or not be seen, spelled as `\n` or `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        # Python counts a space that is not ASCII's as unprintable, too.
        letter
        if letter.isprintable() or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
