"""The settings of the house, in memory: read by everybody who obeys them, kept true by announcements.

Each setting is kept by itself, so that two who change different ones do not undo each other. What an older or a newer
release kept and this one cannot read is left where it is, with a log event, and the default holds.
"""

import asyncio
from typing import Any

import msgspec

from innkeeper.core.house.model import HouseSettings
from innkeeper.core.work import Works
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

PREFIX = "house."
_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(HouseSettings)}


class HouseDirectory:
    """What the house is set to now; the defaults until it is loaded."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._reading = asyncio.Lock()
        """Two reads must not be taken in in the other order."""
        self._settings = HouseSettings()

    def get(self) -> HouseSettings:
        """Return the settings of now. Do not keep them: they change."""
        return self._settings

    async def load(self) -> None:
        """Read all settings from storage."""
        async with self._reading:
            async with self._works() as work:
                kept = await work.settings.starting(PREFIX)
            found = {}
            for name, text in kept.items():
                field = name.removeprefix(PREFIX)
                try:
                    found[field] = msgspec.json.decode(text, type=_TYPES[field])
                except (KeyError, msgspec.DecodeError) as error:
                    log.warning("house.setting.unreadable", setting=field, error=str(error))
            self._settings = HouseSettings(**found)
