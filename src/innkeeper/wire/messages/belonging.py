"""Who belongs: how a node is made known and greets, and what panels tell each other."""

from uuid import UUID

from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.observed import ObservedServer


class NodeFacts(Message, frozen=True, kw_only=True):
    """What a node is."""

    version: str
    hostname: str
    system: str
    cpus: int
    memory_mib: int
    disk_mib: int
    disk_free_mib: int
    runtimes: list[str]
    tools: dict[str, str]
    """Name → version of what games need (node, java)."""
    isolation: list[str] = []
    backups_path: str = ""
    """Where its backups are kept: a folder there, or the address of a store."""
    servers_path: str = ""
    """The folder there in which each server has its own; empty: a node of before did not say."""
    javas: list[int] = []
    """The majors of the Java runtimes found here."""
    """How servers are held apart on this host, for people."""


class Enrol(Message, frozen=True, kw_only=True):
    """A new node asks to belong, with a token used once."""

    token: str
    name: str
    facts: NodeFacts
    address: str = "127.0.0.1"
    """Where its game servers listen, unless one says otherwise."""
    public_host: str = ""
    """What players type to reach it; empty: the address."""


class Enrolled(Message, frozen=True, kw_only=True):
    """The node belongs; `secret` is shown this once and proves it from now on."""

    node: UUID
    secret: str


class Hello(Message, frozen=True, kw_only=True):
    """A node is there (again): it is then sent everything it should keep."""

    node: UUID
    secret: str
    session: str
    facts: NodeFacts


class Welcome(Message, frozen=True, kw_only=True):
    """The panel knows the node."""


class Acknowledged(Message, frozen=True, kw_only=True):
    """Kept: the node may forget it."""


class PanelNote(Message, frozen=True, kw_only=True):
    """What one panel learned and the others must: rows to be read again, and what a node reported."""

    origin: str
    changes: list[tuple[str, int]] = []
    node: UUID | None = None
    servers: list[ObservedServer] = []
