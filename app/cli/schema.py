"""`orders schema`: the GraphQL schema as text, and what changed in it."""

from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError

from app.graphql.schema import build_schema
from app.graphql.schema_changes import schema_changes

app = typer.Typer(help="The GraphQL schema.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The GraphQL schema."""


@app.command("export")
def export() -> None:
    """Print the schema, as it is committed in schema.graphql."""
    typer.echo(build_schema().sdl, nl=False)


@app.command("changes")
def changes(
    earlier: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="An earlier schema, such as /schema.graphql of the version that you run.",
        ),
    ],
) -> None:
    """List what this version's schema changes that callers may notice. Exit 1 if it breaks any.

    What was deprecated in the earlier schema may be missing here.
    """
    try:
        found = schema_changes(earlier.read_text(encoding="utf-8"), build_schema().sdl)
    except UnicodeDecodeError:
        raise RuntimeError(f"{earlier} is not in UTF-8") from None
    except GraphQLError as error:
        raise RuntimeError(f"{earlier} is not a GraphQL schema: {error.message}") from None
    for sentence in found.breaking:
        typer.echo(f"breaking: {sentence}")
    for sentence in found.dangerous:
        typer.echo(f"dangerous: {sentence}")
    if found.breaking:
        raise RuntimeError("this breaks callers: what is to go must be deprecated for a release")
