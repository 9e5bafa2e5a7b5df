"""What a package file says, as data.

The format is described at the top of `shipped/minecraft/package.toml`; a package of one's own is a folder with a
`package.toml` of that format.
"""

from typing import Any, Literal

import msgspec

from innkeeper.core.servers.model import PropertyValue

READY_PROOFS = frozenset({"pattern", "query", "port", "output"})


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value that a select property accepts."""

    value: str
    label: str


class WritesTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where in the game's files a property is kept."""

    file: str
    key: str


class Property(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a user may set."""

    name: str
    label: str = ""
    description: str = ""
    type: Literal["string", "integer", "float", "boolean", "select", "command"] = "string"
    default: PropertyValue | None = None
    required: bool = False
    min: float | None = None
    """Of a number its least value, of a string its least length; so too max."""
    max: float | None = None
    choices: tuple[Choice, ...] = ()
    category: str = "General"
    writes: WritesTo | None = None
    at: Literal["any", "creation"] = "any"


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the game is executed, and what proves that it runs."""

    command: tuple[str, ...]
    environment: dict[str, str] = {}
    rows: int = 40
    columns: int = 200
    timeout_s: float = 300
    ready_when: str = "pattern"
    """One of READY_PROOFS, or a placeholder that becomes one."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the game is asked to stop."""

    command: str = ""
    signal: str = "SIGTERM"
    timeout_s: float = 30
    clean_exit: tuple[int, ...] = (0,)


class Console(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Regular expressions over one console line; see the package format."""

    strip: str | None = None
    ready: str | None = None
    ready_text: str | None = None
    join: str | None = None
    leave: str | None = None
    chat: str | None = None
    saving: str | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which protocol the game can be asked how it is."""

    protocol: str


class Port(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port that the game listens on."""

    name: str
    protocol: Literal["tcp", "udp"] = "tcp"
    default: int


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of settings that the game reads."""

    path: str
    format: str
    values: dict[str, str] = {}
    """Set before every start, over the user's."""
    initial: dict[str, str] = {}
    """Set where the file has no such key."""


class PlayerList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of players that the game keeps in a file."""

    name: str
    path: str
    format: str


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the game needs."""

    memory_mib: int = 512
    minimum_memory_mib: int = 64
    disk_mib: int = 1024


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One program that can run the game, with what it has of its own in place of the package's."""

    name: str
    title: str = ""
    description: str = ""
    default: bool = False
    requires: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    install: tuple[dict[str, Any], ...] | None = None
    start: Start | None = None
    stop: Stop | None = None
    console: Console | None = None
    query: Query | None = None


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A game that can be installed."""

    name: str
    title: str
    description: str = ""
    category: str = ""
    motd_property: str | None = None
    max_players_property: str | None = None
    resources: Resources = Resources()
    runtimes: tuple[Runtime, ...]
    install: tuple[dict[str, Any], ...] = ()
    start: Start
    stop: Stop = Stop()
    console: Console = Console()
    query: Query | None = None
    ports: tuple[Port, ...] = ()
    config_files: tuple[ConfigFile, ...] = ()
    player_lists: tuple[PlayerList, ...] = ()
    properties: tuple[Property, ...] = ()

    def property_named(self, name: str) -> Property | None:
        """Return the property of that name, in any case."""
        lowered = name.lower()
        return next((item for item in self.properties if item.name.lower() == lowered), None)


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a package that one server needs, its own values filled in; what only a node knows stays open."""

    install: list[dict[str, Any]]
    argv: list[str]
    environment: dict[str, str]
    start: Start
    stop: Stop
    console: Console
    query: str | None
    config: list[ConfigFile]
