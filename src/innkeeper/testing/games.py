"""Games for `ScriptedGateway.game`: what they do with what is typed on their consoles."""

import asyncio
from collections.abc import Callable

from innkeeper.core.catalog.model import PlayerList
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.players.profiles import offline_uuid
from innkeeper.core.servers.model import Server
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.gateways import ScriptedGateway


def taking_list_commands(
    gateway: ScriptedGateway, lists: tuple[PlayerList, ...], tasks: TaskSet, *, refuses: frozenset[str] = frozenset()
) -> Callable[[Server, str], None]:
    """Return a game that does what the commands of its player lists say, a little later; `refuses` are entries."""

    async def obey(server: Server, listed: PlayerList, entry: str, *, add: bool) -> None:
        await asyncio.sleep(0)
        if add:
            player = ListedPlayer(name=entry, uuid=offline_uuid(entry) if listed.uuids else None)
            await gateway.edit_player_list(server, listed, add=[player])
        else:
            await gateway.edit_player_list(server, listed, remove=[entry])

    def take(server: Server, line: str) -> None:
        command, _, entry = line.rpartition(" ")
        for listed in lists:
            for template, add in ((listed.add, True), (listed.remove, False)):
                if template == f"{command} {{entry}}" and entry not in refuses:
                    tasks.start(obey(server, listed, entry, add=add), name=f"game: {line}", fatal=False)

    return take
