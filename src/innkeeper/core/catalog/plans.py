"""Plans: what a server of a game may use, and what that costs, as it is sold.

A package ships some; an administrator's of the same name stands in their place. Knows no server and takes no money.
"""

import msgspec

from innkeeper.core.servers.model import Limits


class PlanResources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server of the plan may use."""

    memory_mib: int
    cpu_percent: int
    """100 is one core."""
    disk_mib: int
    backups_mib: int = 0

    def limits(self) -> Limits:
        """Return what they limit a server to."""
        return Limits(memory_mib=self.memory_mib, cpu_percent=self.cpu_percent, disk_mib=self.disk_mib)


class PlanPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan costs in one currency."""

    currency: str
    """ISO 4217."""
    hourly: int
    """Micro-units of the currency for each started hour."""
    monthly: int
    """Micro-units for a month, and the most that hours cost in a calendar month."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan of one package."""

    name: str
    package: str
    title: str
    resources: PlanResources
    prices: tuple[PlanPrice, ...] = ()
