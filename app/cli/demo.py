"""`orders demo`: a furniture shop to try the service with."""

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from app.cli.work import with_database
from app.services.demo import ensure_demo


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the keys as JSON.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Add it beside other people's data, too.")
    ] = False,
) -> None:
    """Add the demo shop, if it is not there yet, and print a customer's and an administrator's key.

    3 users, 40 products and 600 orders over 18 months, the same each time.
    """
    shop = with_database(lambda database: ensure_demo(database, beside_others=force))
    typer.echo(
        "Added the demo shop." if shop.created else "The demo shop is there already.", err=True
    )
    if as_json:
        typer.echo(orjson.dumps(asdict(shop.keys)).decode())
    else:
        typer.echo(f"customer       {shop.keys.customer}")
        typer.echo(f"administrator  {shop.keys.admin}")
