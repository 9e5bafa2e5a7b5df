"""What a package file says, as data.

The format is described at the top of `shipped/minecraft/package.toml`; a package of one's own is a folder with a
`package.toml` of that format.
"""

from collections.abc import Collection
from typing import Any, Literal

import msgspec

from innkeeper.core.catalog.plans import PlanPrice, PlanResources
from innkeeper.core.catalog.versions import IndexSource
from innkeeper.core.servers.model import PropertyValue, Server

ConfigValue = str | int | float | bool | list[str]
"""A value in a config file: a list is one of plain values."""
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
    pattern: str = ""
    """What a string must match wholly, unless it is empty; `description` says the same for people."""
    category: str = "General"
    writes: WritesTo | None = None
    runtimes: tuple[str, ...] = ()
    """Only servers with one of these have it, addons too; empty: all. Another of the same name may be others'."""
    must_be: PropertyValue | None = None
    """No other value is accepted, as of a licence that must be agreed to; it is never a default. `description` says
    why."""
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
    announce: str = ""
    """The command that tells everybody on the server {text}; empty: there is none."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which protocol the game can be asked how it is."""

    protocol: str


class Port(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port that the game listens on."""

    name: str
    protocol: Literal["tcp", "udp"] = "tcp"
    default: int


class ConfigOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one key of a config file means; keys of nested files are joined by dots."""

    key: str
    label: str = ""
    description: str = ""
    type: Literal["string", "integer", "float", "boolean", "select", "multiselect"] = "string"
    min: float | None = None
    """Of a number its least value, of a string its least length; so too max."""
    max: float | None = None
    choices: tuple[Choice, ...] = ()
    """A select has one of these; a multiselect may have others, too."""


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of settings that the game reads."""

    path: str
    """Its place below the server's folder; `*` stands for any part of a name, `**` for any folders."""
    format: str
    values: dict[str, ConfigValue] = {}
    """Set before every start, over the user's."""
    initial: dict[str, ConfigValue] = {}
    """Set where the file has no such key."""
    options: tuple[ConfigOption, ...] = ()
    """What its keys mean, where no property is kept there; a key that nobody describes is shown by what it holds."""


class PlayerList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of players that the game keeps in a file."""

    name: str
    path: str
    format: str
    key: str = "name"
    """What an entry is called by in the file."""
    entry: Literal["player", "address"] = "player"
    pattern: str = r"[^\s\x00-\x1f\x7f]{1,64}"
    """What an entry must match wholly."""
    fields: dict[str, Any] = {}
    """What a new entry has besides; the text {now} becomes the present time."""
    uuids: bool = False
    """Its entries hold the player's UUID, too."""
    add: str = ""
    """The console command that adds {entry} while the game runs; empty: the file is changed then, too. So `remove`."""
    remove: str = ""


class Tick(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the game is asked for its tick time: a console command, and the expression of its answer (group `ms`)."""

    command: str
    pattern: str = ""
    text: str = ""
    """In place of `pattern`: words of the answer before the number, taken literally."""


class Management(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the game serves a management protocol, at {management_port} with {management_secret}."""

    protocol: Literal["minecraft"] = "minecraft"


class BackupRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a backup of the game is made: what is left out, and how a running game is kept from its files meanwhile."""

    exclude: tuple[str, ...] = ()
    """Patterns like those of .gitignore."""
    hold: tuple[str, ...] = ()
    """Lines for its console; `release` always follows."""
    ask: tuple[str, ...] = ()
    """Lines that are typed after those, and every two seconds again, until it says that all is saved."""
    held: str | None = None
    """The expression of the line by which it says that all is saved; None: nothing is waited for."""
    timeout_s: float = 60
    required: bool = True
    """Without that line the backup fails; false: its files are read all the same, and the backup says so."""
    release: tuple[str, ...] = ()


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
    index: IndexSource | None = None
    """Where its versions are told, in place of `versions` and `aliases`."""
    java_property: str = ""
    """The property that names the Java major, in place of the package's rules; empty there: any."""
    addon: bool = False
    """It extends a server that another runtime runs; a server may have any number of them."""
    resources: Resources | None = None
    install: tuple[dict[str, Any], ...] | None = None
    start: Start | None = None
    stop: Stop | None = None
    console: Console | None = None
    query: Query | None = None
    tick: Tick | None = None
    management: Management | None = None
    backup: BackupRule | None = None


class JavaRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Game versions from `since` on need this Java major, where the vendor does not say."""

    since: str
    major: int


class ShippedPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as a package ships it."""

    name: str
    title: str
    resources: PlanResources
    prices: tuple[PlanPrice, ...] = ()


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A game that can be installed."""

    name: str
    title: str
    description: str = ""
    category: str = ""
    log_file: str = ""
    """Where below the server's folder the game itself writes a log; empty: nowhere."""
    motd_property: str | None = None
    max_players_property: str | None = None
    verified_property: str | None = None
    """The property that says whether players' accounts are verified."""
    resources: Resources = Resources()
    plans: tuple[ShippedPlan, ...] = ()
    java: tuple[JavaRule, ...] = ()
    """Newest first."""
    runtimes: tuple[Runtime, ...]
    install: tuple[dict[str, Any], ...] = ()
    start: Start
    stop: Stop = Stop()
    console: Console = Console()
    query: Query | None = None
    tick: Tick | None = None
    management: Management | None = None
    backup: BackupRule = BackupRule()
    ports: tuple[Port, ...] = ()
    config_files: tuple[ConfigFile, ...] = ()
    player_lists: tuple[PlayerList, ...] = ()
    properties: tuple[Property, ...] = ()

    def property_named(self, name: str, runtimes: Collection[str] | None = None) -> Property | None:
        """Return the property of that name, in any case, that servers of these runtimes have; None: of any."""
        lowered = name.lower()
        items = self.properties if runtimes is None else self.properties_of(runtimes)
        return next((item for item in items if item.name.lower() == lowered), None)

    def resources_of(self, runtime: str) -> Resources:
        """Return what a server needs that the runtime of that name runs."""
        own = next((item.resources for item in self.runtimes if item.name == runtime), None)
        return own if own is not None else self.resources

    def properties_of(self, runtimes: Collection[str]) -> tuple[Property, ...]:
        """Return the properties of servers with these runtimes; no two of them have the same name."""
        return tuple(item for item in self.properties if not item.runtimes or set(item.runtimes) & set(runtimes))


def runtimes_of(server: Server) -> frozenset[str]:
    """Return the names of everything that a server consists of: the runtime that runs it, and its addons."""
    return frozenset((server.runtime, *server.addons))


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a package that one server needs, its own values filled in; what only a node knows stays open."""

    install: list[dict[str, Any]]
    argv: list[str]
    environment: dict[str, str]
    start: Start
    stop: Stop
    console: Console
    query: str | None
    tick: Tick | None
    management: bool
    config: list[ConfigFile]
    backup: BackupRule = BackupRule()
    java: int | None = None
    """The Java major that {java} must be."""
