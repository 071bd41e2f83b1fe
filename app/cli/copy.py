"""`orders copy`: a whole database into another one, from one engine to the other too."""

import asyncio
from typing import Annotated, Any

import typer

from app.cli.progress import progress_bars
from app.cli.work import load_settings, print_table, spare_garbage
from app.db import migrations
from app.db.engine import DatabaseOptions, is_same_database, open_database
from app.main import database_options
from app.services.copying import (
    Comparison,
    Side,
    compare_databases,
    copy_database,
)
from app.services.progress import Progress
from app.settings import checked_database_url

# As a shell says it of a program that Ctrl-C has ended.
_BROKEN_OFF = 130
_SHOWN_OF_CHECKSUM = 16


def _database_url(url: str) -> str:
    try:
        return checked_database_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def copy(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            parser=_database_url,
            metavar="URL",
            help="The database to copy, of any engine.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            parser=_database_url,
            metavar="URL",
            help="Where to: an empty database. Its tables are made where there are none.",
        ),
    ],
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a copy that was broken off. What is there must be the source's.",
        ),
    ] = False,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Copy nothing, only compare the two.")
    ] = False,
) -> None:
    """Copy a whole database: SQLite to PostgreSQL, or back, with users, keys, orders and events.

    Stop everything that writes to the source first: what is written meanwhile is not in the copy.
    URLs are those of ORDERS_DATABASE_URL. Exits 1 unless both hold the same rows at the end.

    Safe to break off: --resume goes on. Nothing in the target is ever overwritten.
    """
    if resume and verify_only:
        raise typer.BadParameter("has nothing to resume", param_hint="'--verify-only'")
    options = database_options(load_settings())
    spare_garbage()
    try:
        with progress_bars() as tell:
            done = asyncio.run(
                _run(
                    source,
                    target,
                    options,
                    Progress(tell),
                    resume=resume,
                    verify_only=verify_only,
                )
            )
    except KeyboardInterrupt:
        left = "what was copied by then stays, and --resume goes on from there"
        left = "it changes nothing" if verify_only else left
        what = "comparison" if verify_only else "copy"
        typer.echo(f"orders: the {what} was broken off; {left}", err=True)
        raise typer.Exit(_BROKEN_OFF) from None
    _print(done, verify_only=verify_only)


def _overlook_what_the_driver_leaves(
    loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Keep quiet about a lost connection that nobody can ask about.

    When a server dies in the middle of COPY, the driver leaves such a failure behind, beside the
    one that is told.
    """
    error = context.get("exception")
    if not (isinstance(error, OSError) or type(error).__module__.startswith("asyncpg.")):
        loop.default_exception_handler(context)


async def _run(
    source_url: str,
    target_url: str,
    options: DatabaseOptions,
    progress: Progress,
    *,
    resume: bool,
    verify_only: bool,
) -> Comparison:
    asyncio.get_running_loop().set_exception_handler(_overlook_what_the_driver_leaves)
    source = Side("source", open_database(source_url, options))
    target = Side("target", open_database(target_url, options))
    try:
        await _require_current(source)
        await _require_another(source, target)
        if not verify_only:
            await _make_tables(target, target_url, options)
        await _require_current(target)
        if verify_only:
            return await compare_databases(source, target, progress=progress)
        return await copy_database(source, target, resume=resume, progress=progress)
    finally:
        await source.database.dispose()
        await target.database.dispose()


async def _require_another(source: Side, target: Side) -> None:
    with target.named():
        if await target.database.exists() and await is_same_database(
            source.database, target.database
        ):
            raise RuntimeError(f"{source} and {target} are the same database")


async def _make_tables(target: Side, url: str, options: DatabaseOptions) -> None:
    with target.named():
        if await target.database.exists():
            if await migrations.current(target.database) is not None:
                return
            if names := await migrations.in_the_way(target.database):
                raise RuntimeError(f"{target} has tables of others: {', '.join(names)}")
        await migrations.migrate(url, options=options)


async def _require_current(side: Side) -> None:
    with side.named():
        if not await side.database.exists():
            raise RuntimeError(f"{side} does not exist")
        at = await migrations.current(side.database)
    if at != migrations.NEWEST:
        where = "has no tables of ours" if at is None else f"is at migration {at}"
        raise RuntimeError(
            f"{side} {where}, and must be at {migrations.NEWEST}: run `orders migrate` on it"
        )


def _print(done: Comparison, *, verify_only: bool) -> None:
    print_table(
        ("TABLE", "SOURCE", "TARGET", "SHA-256 OF SOURCE", "OF TARGET", ""),
        [
            (
                table.name,
                table.source.rows,
                table.target.rows,
                table.source.sha256[:_SHOWN_OF_CHECKSUM],
                table.target.sha256[:_SHOWN_OF_CHECKSUM],
                "same" if table.is_same else "DIFFERENT",
            )
            for table in done.tables
        ],
    )
    if not verify_only:
        typer.echo(f"Copied {done.added} rows, up to event {done.last_event} of the log.", err=True)
    if done.written_since and verify_only:
        typer.echo("The source was written to meanwhile; this is how it was before.", err=True)
    elif done.written_since:
        typer.echo(
            "The source was written to meanwhile, and that is not in the copy: stop what writes to"
            " it, and copy it anew, into an empty database.",
            err=True,
        )
    if done.different:
        raise RuntimeError(f"the databases differ in {', '.join(done.different)}")
