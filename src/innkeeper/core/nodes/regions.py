"""Regions: where nodes stand, as customers choose it.

The region `local` is there from the start; nodes join in it. Knows neither plan nor price.
"""

import re

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.errors import NoSuchRegion, RegionIsInvalid
from innkeeper.core.catalog.selling import Selling
from innkeeper.core.nodes.errors import RegionHasNodes
from innkeeper.core.nodes.model import LOCAL, Region
from innkeeper.core.nodes.service import NodeService
from innkeeper.core.work import Works

MAX_PLACE = 100
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Regions:
    """The regions of this installation, in memory; announcements of "selling" keep them true."""

    def __init__(self, *, works: Works, selling: Selling, nodes: NodeService, activity: ActivityService) -> None:
        self._works = works
        self._selling = selling
        self._nodes = nodes
        self._activity = activity
        self._regions: dict[str, Region] = {LOCAL: Region(name=LOCAL)}
        self.version = 0
        """Grows when what is shown of a region changes."""

    async def load(self) -> None:
        """Read the regions from storage."""
        async with self._works() as work:
            kept = await work.selling.regions()
        self._regions = {LOCAL: Region(name=LOCAL)} | {region.name: region for region in kept}
        self.version += 1

    def all(self) -> list[Region]:
        """Return every region, retired ones too, by name."""
        return sorted(self._regions.values(), key=lambda region: region.name)

    def with_nodes(self) -> list[Region]:
        """Return the regions that are offered and have a node, by name."""
        peopled = {node.region for node in self._nodes.known()}
        return [
            region
            for region in self.all()
            if region.name in peopled and not self._selling.is_retired("region", region.name)
        ]

    def find(self, name: str) -> Region:
        """Return a region, retired or not; raise NoSuchRegion."""
        try:
            return self._regions[name]
        except KeyError:
            raise NoSuchRegion(f"There is no region {name!r}.", region=name) from None

    def get(self, name: str) -> Region:
        """Return a region that is offered; raise NoSuchRegion, IsRetired."""
        found = self.find(name)
        self._selling.require_sold("region", name)
        return found

    async def put(self, actor: Actor, region: Region) -> Region:
        """Make a region, or say otherwise where it is; needs `selling.write`; raise RegionIsInvalid."""
        require(actor, ProductPermission.SELLING_WRITE)
        if not _NAME.fullmatch(region.name):
            raise RegionIsInvalid
        if any(len(text) > MAX_PLACE or not text.isprintable() for text in (region.country, region.city)):
            raise RegionIsInvalid(f"A country or city has at most {MAX_PLACE} printable characters.")
        async with self._works() as work:
            await work.selling.put_region(region)
            work.changed("selling", 0)
            await self._activity.note(work, actor, "region.put", data={"name": region.name})
        return region

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete a region without nodes; needs `selling.write`; raise NoSuchRegion, RegionHasNodes, RegionIsInvalid."""
        require(actor, ProductPermission.SELLING_WRITE)
        if name == LOCAL:
            raise RegionIsInvalid("The region local is always there; it can be retired.")
        async with self._works() as work:
            if not await work.selling.delete_region(name):
                raise NoSuchRegion(f"There is no region {name!r}.", region=name)
            # The row is held by now: no node joins the region while it is looked whether it has any.
            if any(node.region == name for node in await work.nodes.all()):
                raise RegionHasNodes(region=name)
            await work.selling.unretire("region", name)
            work.changed("selling", 0)
            await self._activity.note(work, actor, "region.deleted", data={"name": name})
