"""Shapes of what requests say of servers that are made or changed; what is left out is somebody else's choice.

Bounds that keep nonsense out; what may be is core's to say.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from innkeeper.core.servers.model import CrashPolicy, Handling, Limits, ServerChanges, ServerDraft
from innkeeper.panel.api.params import Host, Line, Text, Whole


class LimitsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a server may use; null: not limited."""

    memory_mib: Whole | None = None
    cpu_percent: Whole | None = None
    """100 is one core."""
    disk_mib: Whole | None = None

    def limits(self) -> Limits:
        """Return the same as core's."""
        return Limits(memory_mib=self.memory_mib, cpu_percent=self.cpu_percent, disk_mib=self.disk_mib)


class CrashBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a crashed server is started again, and after how many crashes within ten minutes no more."""

    restart: bool = True
    limit: Annotated[int, Meta(ge=1, le=100)] = 5

    def policy(self) -> CrashPolicy:
        """Return the same as core's."""
        return CrashPolicy(restart=self.restart, limit=self.limit)


class HandlingBody(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is handled where that is not left to its package."""

    stop_command: Annotated[str, Meta(max_length=4096)] | None = None
    """The line that stops the game; null: its package's."""
    stop_timeout_s: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    """After so long a stop becomes a kill; null: as its package says."""
    clean_exits: Annotated[list[Annotated[int, Meta(ge=-64, le=255)]], Meta(max_length=64)] | None = None
    """Exit codes that are no crash, a negative one the number of a signal; null: as its package says."""
    autostart_delay_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    """After a reboot of its host it is started so much later than it could be."""
    show_status: bool = False
    """Everybody may see whether it runs and how many play on it, without signing in."""

    def handling(self) -> Handling:
        """Return the same as core's."""
        exits = None if self.clean_exits is None else tuple(self.clean_exits)
        return Handling(
            stop_command=self.stop_command,
            stop_timeout_s=self.stop_timeout_s,
            clean_exits=exits,
            autostart_delay_s=self.autostart_delay_s,
            show_status=self.show_status,
        )


class CreateServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server to be made; what is left out is the package's or the house's choice."""

    name: Line
    package: Line
    runtime: Line | None = None
    version: Line | None = None
    description: Text = ""
    properties: dict[str, Any] = {}
    address: Host | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    limits: LimitsBody = LimitsBody()
    crash: CrashBody = CrashBody()
    autostart: bool = True
    handling: HandlingBody = HandlingBody()
    idle_stop_minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    """Stop it after so long without players; null: never."""
    node: UUID | None = None
    region: Line | None = None
    """Null: any that is offered."""
    plan: Line | None = None
    """Its resources are those of the plan; `limits` must then be left out."""
    billing_type: Literal["hourly", "monthly"] = "hourly"
    """How its plan is paid for."""
    addons: Annotated[dict[str, Line | None], Meta(max_length=50)] = {}
    """Further runtimes by name, each with a version or alias; null: its default."""
    owner: UUID | None = None
    start: bool = False
    """Start it once it is installed."""

    def draft(self) -> ServerDraft:
        """Return the same as core's."""
        return ServerDraft(
            name=self.name,
            package=self.package,
            runtime=self.runtime,
            version=self.version,
            description=self.description,
            properties=self.properties,
            address=self.address,
            port=self.port,
            limits=self.limits.limits(),
            crash=self.crash.policy(),
            autostart=self.autostart,
            handling=self.handling.handling(),
            idle_stop_minutes=self.idle_stop_minutes,
            node=self.node,
            region=self.region,
            plan=self.plan,
            billing_type=self.billing_type,
            addons=self.addons,
            owner=self.owner,
            start=self.start,
        )


class ChangeServer(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a server; what is left out stays."""

    name: Line | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType = UNSET
    """Only the named properties change."""
    port: Annotated[int, Meta(ge=1, le=65535)] | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    crash: CrashBody | UnsetType = UNSET
    autostart: bool | UnsetType = UNSET
    handling: HandlingBody | UnsetType = UNSET
    """All of it: what is left out of it is as for a new server."""
    idle_stop_minutes: Annotated[int, Meta(ge=1, le=10_080)] | UnsetType | None = UNSET
    """Stop it after so long without players; null: never."""

    def changes(self) -> ServerChanges:
        """Return the same as core's."""
        return ServerChanges(
            name=self.name,
            description=self.description,
            properties=self.properties,
            port=self.port,
            limits=UNSET if isinstance(self.limits, UnsetType) else self.limits.limits(),
            crash=UNSET if isinstance(self.crash, UnsetType) else self.crash.policy(),
            autostart=self.autostart,
            handling=UNSET if isinstance(self.handling, UnsetType) else self.handling.handling(),
            idle_stop_minutes=self.idle_stop_minutes,
        )
