"""`orders import legacy` and `orders export legacy`: a legacy shop's data, in and out."""

import os
from pathlib import Path
from typing import Annotated

import orjson
import typer

from app.cli.progress import progress_bars
from app.cli.work import print_table, spare_garbage, with_database
from app.services.legacy.export import export_dump
from app.services.legacy.files import find_dump
from app.services.legacy.importing import RejectsFile, import_dump
from app.services.legacy.report import ImportReport
from app.services.progress import Progress

# As a shell says it of a program that Ctrl-C has ended.
_BROKEN_OFF = 130

import_app = typer.Typer(help="Bring data in from elsewhere.", no_args_is_help=True)
export_app = typer.Typer(help="Write data for elsewhere.", no_args_is_help=True)


@import_app.callback()
def import_group() -> None:
    """Bring data in from elsewhere."""


@export_app.callback()
def export_group() -> None:
    """Write data for elsewhere."""


@import_app.command("legacy")
def import_legacy(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder that mongodump or mongoexport filled, one of its files, or rejects.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would be done.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the report as JSON, too."),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Where skipped records go, to be mended and imported.",
            show_default="PATH's name with .rejects.jsonl, in this folder; none in a dry run",
        ),
    ] = None,
) -> None:
    """Import users, products and orders of a legacy shop: what is new or changed in the dump.

    Reads JSON of mongoexport and BSON of mongodump, also with gzip. Passwords stay behind.

    Safe to repeat, also after it was broken off. What was changed here since is kept.
    """
    for file in (report, rejects):
        if file is not None:
            _require_folder(file)
    if rejects is not None and rejects.exists() and rejects.samefile(path):
        raise RuntimeError(f"{rejects} is being imported: name another file with --rejects")
    dump = find_dump(path)
    spare_garbage()
    try:
        with progress_bars() as tell:
            done = with_database(
                lambda database: import_dump(
                    database,
                    dump,
                    rejects=_rejects_file(path, rejects, dry_run=dry_run),
                    dry_run=dry_run,
                    progress=Progress(tell),
                )
            )
    except KeyboardInterrupt:
        left = "what was imported by then stays, and running it again goes on from there"
        left = "a dry run imports nothing" if dry_run else left
        typer.echo(f"orders: the import was broken off; {left}", err=True)
        raise typer.Exit(_BROKEN_OFF) from None
    if report is not None:
        report.write_bytes(orjson.dumps(done.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    _print(done)


def _rejects_file(path: Path, rejects: Path | None, *, dry_run: bool) -> RejectsFile | None:
    if rejects is not None:
        return RejectsFile(rejects, overwrite=True)
    if dry_run:
        return None
    name = path.resolve().name.removesuffix(".gz")
    return RejectsFile(Path(f"{Path(name).stem or 'dump'}.rejects.jsonl"), overwrite=False)


def _require_folder(file: Path) -> None:
    # Found out now, rather than when an hour's work is to be reported.
    if not os.access(file.parent, os.W_OK):
        raise RuntimeError(f"{file} can't be written: {file.parent} is no folder that can be")


def _print(report: ImportReport) -> None:
    tallies = report.tallies
    print_table(
        ("", "READ", "WOULD IMPORT" if report.dry_run else "IMPORTED", "UNCHANGED", "SKIPPED"),
        [
            (name, tally.read, tally.imported, tally.unchanged, tally.skipped)
            for name, tally in tallies.items()
        ],
    )
    lines: list[tuple[object, ...]] = [
        # A field may have no name at all.
        (name, kind, what or '""', count)
        for name, tally in tallies.items()
        for kind, counts in (
            ("skipped", tally.reasons),
            ("warning", tally.warnings),
            ("field passed over", tally.fields),
        )
        for what, count in sorted(counts.items())
    ]
    lines += [("", "collection passed over", name, "") for name in report.passed_over]
    lines += [
        (name, "gone from the dump", "stays here", tally.gone)
        for name, tally in tallies.items()
        if tally.gone
    ]
    if lines:
        typer.echo()
        print_table(("", "KIND", "NAME", "RECORDS"), lines)
    if report.rejects is not None:
        typer.echo(
            f"{report.skipped} records were skipped. They are in {report.rejects}, with the reason"
            f" and place of each: mend them there, then `orders import legacy {report.rejects}`.",
            err=True,
        )
    if report.gone:
        typer.echo(
            f"{report.gone} records of earlier imports are not in the dump any more, and stay here;"
            " --report FILE names them.",
            err=True,
        )
    if report.dry_run:
        typer.echo("This was a dry run: nothing was imported.", err=True)


@export_app.command("legacy")
def export_legacy(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Where to write the files.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there already.")
    ] = False,
) -> None:
    """Write users.json, products.json and orders.json as mongoexport does, for mongoimport.

    Canonical Extended JSON, a document a line. Passwords and keys are not among them.
    """
    written = with_database(lambda database: export_dump(database, folder, overwrite=force))
    print_table(("FILE", "DOCUMENTS"), [(f"{name}.json", n) for name, n in written.items()])
