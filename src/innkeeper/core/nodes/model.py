"""What a node is."""

from datetime import datetime
from uuid import UUID

import msgspec


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a node said of its host."""

    version: str = ""
    hostname: str = ""
    system: str = ""
    cpus: int = 0
    memory_mib: int = 0
    disk_mib: int = 0
    disk_free_mib: int = 0
    runtimes: list[str] = []
    tools: dict[str, str] = {}
    isolation: list[str] = []


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A host that runs game servers."""

    id: int
    uuid: UUID
    name: str
    secret_digest: str
    """SHA-256 of what the node proves itself with."""
    address: str = "127.0.0.1"
    """Where its game servers listen, unless one says otherwise."""
    public_host: str = ""
    """What players type; empty: the address."""
    first_port: int = 25565
    last_port: int = 26064
    facts: NodeFacts = NodeFacts()
    last_seen_at: datetime | None = None
    created_at: datetime


class EnrolmentToken(msgspec.Struct, frozen=True, kw_only=True):
    """The right to add one node, once."""

    digest: str
    created_by: int | None
    expires_at: datetime
