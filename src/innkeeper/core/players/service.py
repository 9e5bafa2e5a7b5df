"""Player lists: whitelists, operators, bans, as their files hold them.

A list and its file are one. A game that runs keeps its lists in memory and would write over what is put into the file:
it is told by its own commands, and the change stands once the file shows it. A file that nobody has open is changed by
the node.
"""

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.catalog.model import PlayerList
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.players.errors import (
    ListChangeWasNotTaken,
    NoSuchPlayerList,
    PlayerIsUnknown,
    PlayerNameIsInvalid,
    TooManyEntries,
)
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.players.profiles import Profiles, offline_uuid
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerIsBusy, ServerIsNotRunning, ServerIsSuspended
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Server
from innkeeper.core.work import Works
from innkeeper.kit.lines import NOT_IN_A_LINE
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

MAX_ENTRIES = 500
"""How many may be added or removed at once."""
_PATIENCE = timedelta(seconds=5)
_LOOK_AGAIN_S = 0.1
_ASKED_AT_ONCE = 8
"""Accounts that are looked up at the same time."""

Change = Literal["add", "remove"]


class PlayerListService:
    """The player lists of servers, for those who may. `profiles` is None where nobody is asked for accounts."""

    def __init__(
        self,
        *,
        works: Works,
        gateway: NodeGateway,
        servers: ServerDirectory,
        catalog: Catalog,
        activity: ActivityService,
        profiles: Profiles | None = None,
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._works = works
        self._gateway = gateway
        self._servers = servers
        self._catalog = catalog
        self._activity = activity
        self._profiles = profiles
        self._patience = patience

    def names(self, actor: Actor, record: Record) -> list[str]:
        """Return the names of the lists that the game has; needs `players.read`."""
        self._reach(actor, record, ServerPermission.PLAYERS_READ)
        return [listed.name for listed in self._catalog.player_lists(record.server)]

    async def entries(self, actor: Actor, record: Record, name: str) -> list[ListedPlayer]:
        """Return a list, in its file's order; needs `players.read`. Raises NoSuchPlayerList, ConfigIsUnreadable."""
        self._reach(actor, record, ServerPermission.PLAYERS_READ)
        return await self._gateway.edit_player_list(record.server, self._list(record.server, name))

    async def add(self, actor: Actor, record: Record, name: str, entries: Sequence[str]) -> list[ListedPlayer]:
        """Put entries on a list and return it; one that stands already is no error. Needs `players.write`.

        Raises NoSuchPlayerList, PlayerNameIsInvalid, TooManyEntries, PlayerIsUnknown, ProfilesAreUnavailable,
        ServerIsBusy while the game starts or stops, ListChangeWasNotTaken, ConfigIsUnreadable.
        """
        return await self._change(actor, record, name, entries, "add")

    async def remove(self, actor: Actor, record: Record, name: str, entries: Sequence[str]) -> list[ListedPlayer]:
        """Take entries off a list and return it; one that is not there is no error. Needs `players.write`.

        Raises as `add`.
        """
        return await self._change(actor, record, name, entries, "remove")

    async def _change(
        self, actor: Actor, record: Record, name: str, entries: Sequence[str], change: Change
    ) -> list[ListedPlayer]:
        self._reach(actor, record, ServerPermission.PLAYERS_WRITE)
        server = record.server
        listed = self._list(server, name)
        wanted = _checked(listed, entries)
        standing = await self._gateway.edit_player_list(server, listed)
        open_ = _missing(wanted, standing, change)
        if not open_:
            return standing
        standing = await self._perform(server, listed, open_, change)
        refused = _missing(open_, standing, change)
        if taken := [entry for entry in open_ if entry not in refused]:
            async with self._works() as work:
                action = "players.listed" if change == "add" else "players.unlisted"
                data = {"list": listed.name, "entries": taken}
                await self._activity.note(work, actor, action, server_id=server.id, data=data)
        if refused:
            raise ListChangeWasNotTaken(f"The game did not take {', '.join(refused[:10])}.", entries=refused)
        return standing

    async def _perform(
        self, server: Server, listed: PlayerList, entries: list[str], change: Change
    ) -> list[ListedPlayer]:
        """Make the change by the way that the server's present state asks for, and return the list as it is then."""
        command = listed.add if change == "add" else listed.remove
        state = self._servers.get(server.id).live.state
        if command and state is State.RUNNING:
            try:
                return await self._tell_game(server, listed, command, entries, change)
            except ServerIsNotRunning:
                log.info("players.game_has_ended", server=str(server.uuid), list=listed.name)
        elif command and state in ALIVE:
            raise ServerIsBusy("The game starts or stops just now: its lists can be changed in a moment.")
        if change == "remove":
            return await self._gateway.edit_player_list(server, listed, remove=entries)
        players: list[ListedPlayer] = []
        for start in range(0, len(entries), _ASKED_AT_ONCE):
            some = entries[start : start + _ASKED_AT_ONCE]
            uuids = await asyncio.gather(*(self._uuid(server, listed, entry) for entry in some))
            players += [ListedPlayer(name=entry, uuid=uuid) for entry, uuid in zip(some, uuids, strict=True)]
        return await self._gateway.edit_player_list(server, listed, add=players)

    async def _tell_game(
        self, server: Server, listed: PlayerList, command: str, entries: list[str], change: Change
    ) -> list[ListedPlayer]:
        """Type the game's own commands, and return the list once the file shows what they did, or patience ends."""
        for entry in entries:
            await self._gateway.send_line(server, command.replace("{entry}", entry))
        clock = asyncio.get_running_loop()
        deadline = clock.time() + self._patience.total_seconds()
        while True:
            standing = await self._gateway.edit_player_list(server, listed)
            if not _missing(entries, standing, change) or clock.time() >= deadline:
                return standing
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _uuid(self, server: Server, listed: PlayerList, name: str) -> UUID | None:
        if not listed.uuids:
            return None
        if self._profiles is None or not self._catalog.verifies_accounts(server):
            return offline_uuid(name)
        found = await self._profiles.find(name)
        if found is None:
            raise PlayerIsUnknown(f"There is no player called {name}.", entry=name)
        return found

    def _list(self, server: Server, name: str) -> PlayerList:
        for listed in self._catalog.player_lists(server):
            if listed.name == name:
                return listed
        raise NoSuchPlayerList(f"The game has no player list {name!r}.", list=name)

    def _reach(self, actor: Actor, record: Record, permission: ServerPermission) -> None:
        self._servers.reach(actor, record, permission)
        if record.server.suspended and ServerPermission.SUSPEND not in actor.everywhere:
            raise ServerIsSuspended


def _checked(listed: PlayerList, entries: Sequence[str]) -> list[str]:
    """Return the entries as the list writes them, each once; raise PlayerNameIsInvalid, TooManyEntries."""
    if len(entries) > MAX_ENTRIES:
        raise TooManyEntries(f"At most {MAX_ENTRIES} entries can be changed at once.", limit=MAX_ENTRIES)
    found: dict[str, str] = {}
    for entry in entries:
        # A command is made of it: the pattern decides, and no pattern of any package lets a line break through.
        if len(entry) > 256 or NOT_IN_A_LINE.search(entry) or not re.fullmatch(listed.pattern, entry):
            raise PlayerNameIsInvalid(f"{entry[:64]!r} cannot stand on the list {listed.name}.", entry=entry[:64])
        if listed.entry == "address":
            entry = _address(entry)
        found.setdefault(entry.casefold(), entry)
    return list(found.values())


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise PlayerNameIsInvalid(f"{text!r} is no IP address.", entry=text) from None


def _missing(entries: Sequence[str], standing: Sequence[ListedPlayer], change: Change) -> list[str]:
    """Return the entries of which the change does not show."""
    names = {player.name.casefold() for player in standing}
    return [entry for entry in entries if (entry.casefold() in names) is not (change == "add")]
