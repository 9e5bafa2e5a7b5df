"""The commands and what they are called."""

import typer

from innkeeper.cli.admin import admin, database
from innkeeper.cli.serving import node, panel, serve

app = typer.Typer(
    name="innkeeper",
    help="Keeps game servers: installs, starts, watches and shares them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(panel)
app.command()(node)
app.add_typer(database, name="db")
app.add_typer(admin, name="admin")


def main() -> None:
    """Run the command line."""
    app()
