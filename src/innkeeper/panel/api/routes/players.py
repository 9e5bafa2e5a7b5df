"""Players: who is on a server, and its lists of them."""

from litestar import get, patch
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.servers.model import OnlinePlayer
from innkeeper.panel.api import views
from innkeeper.panel.api.params import ChangePlayerList
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server


@get("/servers/{server:uuid}/players", opt=on_server(ServerPermission.PLAYERS_READ), tags=["players"])
async def list_players(record: Reached) -> views.ListView[OnlinePlayer]:
    """List who is on a server now."""
    return views.ListView(list(record.live.players))


@get("/servers/{server:uuid}/player-lists", opt=on_server(ServerPermission.PLAYERS_READ), tags=["players"])
async def list_player_lists(product: House, actor: Asker, record: Reached) -> views.ListView[str]:
    """List the player lists that a server's game has: whitelist, operators, bans."""
    return views.ListView(product.players.names(actor, record))


@get("/servers/{server:uuid}/player-lists/{name:str}", opt=on_server(ServerPermission.PLAYERS_READ), tags=["players"])
async def read_player_list(
    product: House, actor: Asker, record: Reached, name: FromPath[str]
) -> views.ListView[ListedPlayer]:
    """Show who is on a player list."""
    return views.ListView(await product.players.entries(actor, record, name))


@patch(
    "/servers/{server:uuid}/player-lists/{name:str}", opt=on_server(ServerPermission.PLAYERS_WRITE), tags=["players"]
)
async def change_player_list(
    product: House, actor: Asker, record: Reached, name: FromPath[str], data: JSONBody[ChangePlayerList]
) -> views.ListView[ListedPlayer]:
    """Take entries off a player list, then put others on it; by the game's own commands while it runs."""
    entries: list[ListedPlayer] | None = None
    if data.remove:
        entries = await product.players.remove(actor, record, name, data.remove)
    if data.add:
        entries = await product.players.add(actor, record, name, data.add)
    return views.ListView(entries if entries is not None else await product.players.entries(actor, record, name))


HANDLERS = [list_players, list_player_lists, read_player_list, change_player_list]
