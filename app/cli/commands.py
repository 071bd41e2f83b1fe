"""The commands of `orders`: their groups, and how a failure looks to the person who typed one.

What a script reads goes to standard output, everything else to standard error.
"""

import sys

import typer

from app.cli import (
    copy,
    demo,
    keys,
    legacy,
    migrate,
    products,
    scale,
    schema,
    serve,
    usage,
    users,
)
from app.cli.parity.command import parity
from app.domain.errors import AppError, Unavailable
from app.settings import SettingsError

app = typer.Typer(
    name="orders",
    help="An orders API: GraphQL and four legacy REST paths over one set of services.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)
app.command("copy")(copy.copy)
app.command("usage")(usage.usage)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(products.app, name="products")
app.add_typer(legacy.import_app, name="import")
app.add_typer(legacy.export_app, name="export")
app.add_typer(schema.app, name="schema")
app.add_typer(scale.app, name="scale")
app.command("parity")(parity)


def run() -> None:
    """Run the command line; exit 1 with one sentence on what is wrong, 2 on wrong usage."""
    try:
        app()
    except (AppError, SettingsError, RuntimeError, OSError) as error:
        said = error.reason if isinstance(error, Unavailable) else error
        print(f"orders: {said}", file=sys.stderr)  # noqa: T201 (a terminal reads it)
        sys.exit(1)
