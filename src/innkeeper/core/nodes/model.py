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
    backups_path: str = ""
    """Where its backups are kept: a folder there, or the address of a store."""
    servers_path: str = ""
    """The folder there in which each server has its own; empty: a node of before did not say."""
    javas: list[int] = []
    """The majors of the Java runtimes found there."""


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
    region: str = "local"
    memory_mib: int | None = None
    """Promised to its servers at most; None: what the host has, for servers with a plan, and no bound for others."""
    disk_mib: int | None = None
    most_servers: int | None = None
    facts: NodeFacts = NodeFacts()
    last_seen_at: datetime | None = None
    created_at: datetime


LOCAL = "local"
"""The region that there is from the start."""


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """Where nodes stand, as customers choose it."""

    name: str
    country: str = ""
    city: str = ""


class Commitment(msgspec.Struct, frozen=True, kw_only=True):
    """What the servers of a node have been promised, those that are deleted but kept included."""

    servers: int
    memory_mib: int
    disk_mib: int


class EnrolmentToken(msgspec.Struct, frozen=True, kw_only=True):
    """The right to add one node, once."""

    digest: str
    created_by: int | None
    expires_at: datetime
