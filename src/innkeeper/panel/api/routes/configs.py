"""Config files of a server's game, as options with a meaning."""

from typing import Annotated

from litestar import get, patch
from litestar.params import JSONBody, QueryParameter

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.files.configs import OptionValue
from innkeeper.panel.api import views
from innkeeper.panel.api.params import ChangeOptions
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server

ConfigPath = Annotated[
    str, QueryParameter(name="path", min_length=1, max_length=4096, description="A config file of the server's game.")
]


@get("/servers/{server:uuid}/config", opt=on_server(ServerPermission.FILES_READ), tags=["files"])
async def read_options(product: House, actor: Asker, record: Reached, path: ConfigPath) -> views.ListView[OptionValue]:
    """Show a config file as options."""
    return views.ListView(await product.configs.options(actor, record, path))


@patch("/servers/{server:uuid}/config", opt=on_server(ServerPermission.FILES_WRITE), tags=["files"])
async def change_options(
    product: House, actor: Asker, record: Reached, path: ConfigPath, data: JSONBody[ChangeOptions]
) -> views.ListView[OptionValue]:
    """Set options of a config file: all of them or, when one is refused, none."""
    return views.ListView(await product.configs.set(actor, record, path, data.values))


HANDLERS = [read_options, change_options]
