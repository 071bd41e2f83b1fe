"""The commands of `orders`: their groups, and how a failure looks to the person who typed one.

What a script reads goes to standard output, everything else to standard error.
"""

import sys

import typer

from app.cli import demo, keys, legacy, migrate, products, schema, serve, usage, users
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
app.command("usage")(usage.usage)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(products.app, name="products")
app.add_typer(legacy.import_app, name="import")
app.add_typer(legacy.export_app, name="export")
app.add_typer(schema.app, name="schema")
app.command("parity")(parity)


def run() -> None:
    """Run the command line; exit 1 with one sentence on what is wrong, 2 on wrong usage."""
    try:
        app()
    except Unavailable as error:
        reason = error.reason
        if "unable to open" in reason or "readonly" in reason:
            # What SQLite says names neither the file nor those that it keeps beside it.
            reason += " (to read, its folder must be writable; to write, the file too)"
        print(f"orders: the database can't be used: {reason}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except (AppError, SettingsError, RuntimeError, OSError) as error:
        print(f"orders: {error}", file=sys.stderr)  # noqa: T201 (a terminal reads it)
        sys.exit(1)
