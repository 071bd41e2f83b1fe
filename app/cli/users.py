"""`orders users`: people with accounts."""

from typing import Annotated

import typer

from app.cli.work import in_transaction, print_table, reading
from app.domain.clock import rfc3339
from app.services.users import add_user, list_users

app = typer.Typer(help="People with accounts.", no_args_is_help=True)


@app.command("add")
def add(
    email: Annotated[str, typer.Argument(help="E-mail address, unique.", show_default=False)],
    name: Annotated[str, typer.Option(help="Full name; else what stands before the @.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May act on everyone's orders.")] = False,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="HEX", help="An id of 24 hex digits from another system."),
    ] = None,
) -> None:
    """Make an account and print its id."""
    user = in_transaction(
        lambda connection: add_user(connection, email, name=name, is_admin=admin, user_id=id_)
    )
    typer.echo(user.id)


@app.command("list")
def list_() -> None:
    """List all accounts, oldest first."""
    users = reading(list_users)
    print_table(
        ("ID", "E-MAIL", "NAME", "ADMIN", "SINCE"),
        [
            (
                user.id,
                user.email or "-",
                user.name,
                "yes" if user.is_admin else "no",
                rfc3339(user.created_at),
            )
            for user in users
        ],
    )
