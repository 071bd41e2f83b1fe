"""`orders schema`: the GraphQL schema as text."""

import typer

from app.graphql.schema import build_schema

app = typer.Typer(help="The GraphQL schema.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The GraphQL schema."""


@app.command("export")
def export() -> None:
    """Print the schema, as it is committed in schema.graphql."""
    typer.echo(build_schema().sdl, nl=False)
