"""The commands and what they are called."""

import typer

from innkeeper.cli import backup_stores, console, deleted, power, session, usage
from innkeeper.cli.admin import admin, database
from innkeeper.cli.backups import backups
from innkeeper.cli.billing import billing
from innkeeper.cli.credits import credits_, pools
from innkeeper.cli.files import files
from innkeeper.cli.games import config, players
from innkeeper.cli.house import nodes, operations, packages
from innkeeper.cli.house import register as register_house
from innkeeper.cli.people import accounts, keys, roles
from innkeeper.cli.schedules import schedules
from innkeeper.cli.second_factor import second_factor
from innkeeper.cli.selling import plans, regions
from innkeeper.cli.servers import servers
from innkeeper.cli.serving import node, panel, serve
from innkeeper.cli.settings import house
from innkeeper.cli.webhooks import webhooks

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

session.register(app)
register_house(app)
for group, name in (
    (servers, "servers"),
    (files, "files"),
    (backups, "backups"),
    (config, "config"),
    (players, "players"),
    (schedules, "schedules"),
    (webhooks, "webhooks"),
    (billing, "billing"),
    (credits_, "credits"),
    (pools, "pools"),
    (packages, "packages"),
    (plans, "plans"),
    (regions, "regions"),
    (nodes, "nodes"),
    (house, "house"),
    (operations, "operations"),
    (accounts, "accounts"),
    (keys, "keys"),
    (roles, "roles"),
    (second_factor, "second-factor"),
):
    app.add_typer(group, name=name)

__all__ = ["app", "backup_stores", "console", "deleted", "main", "power", "usage"]
"""Modules are named for what importing them does: they add their commands."""


def main() -> None:
    """Run the command line."""
    app()
