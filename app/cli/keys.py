"""`orders keys`: API keys."""

import re
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.work import in_transaction, print_table, reading
from app.domain import clock
from app.domain.principal import Scope
from app.services import auth
from app.services.users import User, find_user, list_users

app = typer.Typer(help="API keys.", no_args_is_help=True)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,6})([mhdw])", text.strip().lower(), re.ASCII)
    if match is None:
        raise typer.BadParameter("write a number and a unit: 30m, 12h, 90d or 4w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@app.command("create")
def create(
    user: Annotated[
        str, typer.Argument(metavar="EMAIL-OR-ID", help="Whose key.", show_default=False)
    ],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What it may do; repeat it for several. By default all that the user may.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires_in: Annotated[
        timedelta | None,
        typer.Option(parser=_duration, metavar="90d", help="How long it works: 30m, 12h, 90d, 4w."),
    ] = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""

    async def work(connection: AsyncConnection) -> str:
        owner = await find_user(connection, user)
        return await auth.create_key(
            connection, owner, scopes=scope or (), name=name, expires_in=expires_in
        )

    typer.echo(in_transaction(work))


@app.command("list")
def list_() -> None:
    """List all keys, oldest first; of each only how it begins."""

    async def work(connection: AsyncConnection) -> tuple[list[auth.ApiKey], list[User]]:
        # Keys first: whose each of them is, is there when users are read.
        return await auth.list_keys(connection), await list_users(connection)

    keys, users = reading(work)
    owners = {user.id: user.email or user.id for user in users}
    now = clock.now()
    print_table(
        ("PREFIX", "USER", "NAME", "SCOPES", "STATE", "CREATED", "LAST USED"),
        [
            (
                key.prefix,
                owners[key.user_id],
                key.name or "-",
                ",".join(key.scopes),
                "revoked"
                if key.revoked_at
                else "expired"
                if key.expires_at and key.expires_at <= now
                else f"until {clock.rfc3339(key.expires_at)}"
                if key.expires_at
                else "works",
                clock.rfc3339(key.created_at),
                clock.rfc3339(key.last_used_at) if key.last_used_at else "never",
            )
            for key in keys
        ],
    )


@app.command("revoke")
def revoke(
    prefix: Annotated[
        str, typer.Argument(help="How the key begins, as `orders keys list` shows it.")
    ],
) -> None:
    """Stop a key, within two seconds."""
    key = in_transaction(lambda connection: auth.revoke_key(connection, prefix))
    typer.echo(f"Revoked {key.prefix}.", err=True)
