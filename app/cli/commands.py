"""The commands of `orders`: their groups, and how a failure looks to the person who typed one.

What a script reads goes to standard output, everything else to standard error.
"""

import sys
from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from app.cli.program import ended_by_interrupts, no_search_for_garbage
from app.domain.errors import AppError, Unavailable
from app.settings import SettingsError

COMMANDS = {
    "serve": "app.cli.serve:serve",
    "migrate": "app.cli.migrate:migrate",
    "demo": "app.cli.demo:demo",
    "copy": "app.cli.copy:copy",
    "usage": "app.cli.usage:usage",
    "parity": "app.cli.parity.command:parity",
    "users": "app.cli.users:app",
    "keys": "app.cli.keys:app",
    "products": "app.cli.products:app",
    "import": "app.cli.legacy:import_app",
    "export": "app.cli.legacy:export_app",
    "schema": "app.cli.schema:app",
    "scale": "app.cli.scale:app",
}
"""Where each command is, or the group of commands that goes by a name."""


class _Commands(UserDict[str, Any]):
    """The commands by name. The module of one is imported when it is asked for.

    A server should not wait for what only the other commands need, nor keep it in memory.
    """

    def __getitem__(self, name: str) -> Any:
        command = self.data[name]
        if isinstance(command, str):
            command = self.data[name] = _loaded(name, command)
        return command


class _Program(TyperGroup):
    """`orders` itself."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands(COMMANDS)


def _loaded(name: str, place: str) -> object:
    module, _, attribute = place.partition(":")
    with ended_by_interrupts(), no_search_for_garbage():
        found = getattr(import_module(module), attribute)
    around = typer.Typer()
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    return get_group(around).commands[name]


app = typer.Typer(
    name="orders",
    cls=_Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def orders() -> None:
    """An orders API: GraphQL and four legacy REST paths over one set of services."""


def run() -> None:
    """Run the command line; exit 1 with one sentence on what is wrong, 2 on wrong usage."""
    try:
        app()
    except (AppError, SettingsError, RuntimeError, OSError) as error:
        said = error.reason if isinstance(error, Unavailable) else error
        print(f"orders: {said}", file=sys.stderr)  # noqa: T201 (a terminal reads it)
        sys.exit(1)
