"""Where on the bus each message goes.

Made by functions, so that a NATS account can be bound to the subjects of one node.
"""

from typing import Literal
from uuid import UUID

PANEL_ENROL = "innkeeper.panel.enrol"


PANEL_HELLO = "innkeeper.panel.hello"


PANEL_REPORT = "innkeeper.panel.report"


PANEL_NOTES = "innkeeper.panel.notes"


ANY_SAMPLES = "innkeeper.node.*.samples"


def node_ask(node: UUID) -> str:
    """Return the subject on which `node` answers what it is asked."""
    return f"innkeeper.node.{node}.ask"


def node_samples(node: UUID) -> str:
    """Return the subject on which `node` publishes samples."""
    return f"innkeeper.node.{node}.samples"


def node_console(node: UUID | Literal["*"], server: UUID) -> str:
    """Return the subject of the console of `server` on `node` (`*`: wherever it runs)."""
    return f"innkeeper.node.{node}.console.{server}"


def node_management(node: UUID | Literal["*"], server: UUID) -> str:
    """Return the subject of what the management server of the game `server` tells by itself."""
    return f"innkeeper.node.{node}.management.{server}"
