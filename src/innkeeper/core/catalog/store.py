"""What selling needs of storage."""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from innkeeper.core.catalog.plans import Plan
from innkeeper.core.nodes.model import Region

Sold = Literal["package", "plan", "region"]
"""What can be retired."""


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """Something is sold no more; who has it keeps it."""

    noun: Sold
    name: str
    at: datetime


class SellingStore(Protocol):
    """Plans of an administrator's, regions and retirements, at rest."""

    async def plans(self) -> list[Plan]:
        """Return the plans that were made or changed here, by name."""
        ...

    async def hold_plan(self, name: str) -> Plan | None:
        """Return a plan that was made or changed here; until the transaction's end nobody else changes it."""
        ...

    async def put_plan(self, plan: Plan) -> None:
        """Keep a plan, in place of the one of its name."""
        ...

    async def delete_plan(self, name: str) -> bool:
        """Delete a plan; say whether there was one."""
        ...

    async def regions(self) -> list[Region]:
        """Return the regions that were made or described here, by name."""
        ...

    async def hold_region(self, name: str) -> Region | None:
        """Return a region; until the transaction's end nobody else changes it."""
        ...

    async def put_region(self, region: Region) -> None:
        """Keep a region, in place of the one of its name."""
        ...

    async def delete_region(self, name: str) -> bool:
        """Delete a region; say whether there was one."""
        ...

    async def retirements(self) -> list[Retirement]: ...

    async def retire(self, retirement: Retirement) -> None:
        """Keep a retirement; of something that is retired already the first moment stays."""
        ...

    async def unretire(self, noun: Sold, name: str) -> None: ...
