"""Telling players on the console that their server stops soon, and why. Some games have no command for that."""

import math

from innkeeper.core.catalog.errors import NoSuchPackage, PackageIsBroken
from innkeeper.core.catalog.model import Blueprint
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

WARNED_AT_S = (300.0, 60.0)
"""Players are warned when so long is left, and again."""


def warnings_by(left_s: float) -> int:
    """Return how many warnings players must have had when so many seconds are left."""
    return sum(left_s < limit for limit in WARNED_AT_S)


class Announcements:
    """Says things on the consoles of games."""

    def __init__(self, *, catalog: Catalog, gateway: NodeGateway) -> None:
        self._catalog = catalog
        self._gateway = gateway

    def blueprint(self, record: Record) -> Blueprint | None:
        """Return how a server's game is run; None where its package is not there."""
        try:
            return self._catalog.blueprint(record.server)
        except (NoSuchPackage, PackageIsBroken) as error:
            log.warning("billing.blueprint.failed", server=str(record.server.uuid), error=str(error))
            return None

    async def warn(self, record: Record, left_s: float, reason: str) -> bool:
        """Tell the players that their server stops in so many seconds; false where that must be tried again."""
        blueprint = self.blueprint(record)
        if blueprint is None or not blueprint.console.announce:
            return True
        minutes = max(1, math.ceil(left_s / 60))
        text = f"This server stops in {minutes} minute{'' if minutes == 1 else 's'}: {reason}."
        try:
            await self._gateway.send_line(record.server, blueprint.console.announce.replace("{text}", text))
        except CoreError as error:
            log.info("billing.warning.unheard", server=str(record.server.uuid), error=str(error))
            return False
        return True
