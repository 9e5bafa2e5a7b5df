"""The command `innkeeper`: runs panels and nodes, administers an installation, and speaks to any Innkeeper.

Imports are made inside the commands: `innkeeper servers ls` need not load a database driver.
"""

from innkeeper.cli.application import main

__all__ = ["main"]
