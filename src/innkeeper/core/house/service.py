"""Changing what the house is set to, while it runs."""

import msgspec
from msgspec import UNSET

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.house.directory import PREFIX, HouseDirectory
from innkeeper.core.house.errors import HouseSettingIsInvalid
from innkeeper.core.house.model import HouseChanges, HouseSettings
from innkeeper.core.work import Works


class HouseService:
    """The settings of the house, for those who may see and change them."""

    def __init__(self, *, works: Works, directory: HouseDirectory, activity: ActivityService) -> None:
        self._works = works
        self._directory = directory
        self._activity = activity

    def get(self) -> HouseSettings:
        """Return the settings of now, from memory, for the house itself."""
        return self._directory.get()

    def see(self, actor: Actor) -> HouseSettings:
        """Return the settings of now; needs `house.read`."""
        require(actor, ProductPermission.HOUSE_READ)
        return self._directory.get()

    async def change(self, actor: Actor, changes: HouseChanges) -> HouseSettings:
        """Set something otherwise, for every panel and from now on; needs `house.write`.

        Raises HouseSettingIsInvalid, with the setting's name, where a value is not within its bounds: then nothing is
        changed.
        """
        require(actor, ProductPermission.HOUSE_WRITE)
        given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
        for name, value in given.items():
            _check(name, value)
        async with self._works() as work:
            for name, value in given.items():
                await work.settings.put(PREFIX + name, msgspec.json.encode(value).decode())
            work.changed("house", 0)
            await self._activity.note(work, actor, "house.changed", data=given)
        return msgspec.structs.replace(self._directory.get(), **given)


def _check(name: str, value: object) -> None:
    """Raise HouseSettingIsInvalid where a setting cannot have that value."""
    try:
        msgspec.convert({name: value}, HouseSettings)
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at `$")[0]
        raise HouseSettingIsInvalid(f"{name}: {reason}", setting=name, reason=reason) from error
