"""`orders scale`: past one machine."""

import typer

from app.db.citus import distribution_script

app = typer.Typer(help="Past one machine (docs/scale.md).", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Past one machine (docs/scale.md)."""


@app.command("citus")
def citus() -> None:
    """Print the SQL that spreads the tables over a Citus cluster, for psql. It runs nothing."""
    typer.echo(distribution_script(), nl=False)
