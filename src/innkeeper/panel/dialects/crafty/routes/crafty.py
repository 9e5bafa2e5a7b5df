"""Crafty's routes of the house itself: its settings, its hosts, who did what, and what there is to install.

What has no meaning in this house is refused by name and never swallowed.
"""

from typing import Any, NoReturn

from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.house.errors import HouseSettingIsInvalid
from innkeeper.panel.dialects.crafty import house_views
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import open_to_all, signed_in, superuser
from innkeeper.panel.dialects.crafty.errors import BodyIsNotAsDue, HasNoMeaning, Refused
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.schemas import CONFIG_PATCH
from innkeeper.panel.http.given import Asker, House

_MOST_ENTRIES = 300
"""How many entries the original keeps."""


class CraftyRoutes(Controller):
    """The house."""

    path = "/crafty"

    @get("/config", opt=superuser())
    async def get_config(self, product: House) -> Response[bytes]:
        """Return the settings that have a counterpart here."""
        return show(house_views.config(product.house.get()))

    @patch("/config", opt=superuser())
    async def change_config(self, request: Request[Any, Any, Any], actor: Asker, product: House) -> Response[bytes]:
        """Change settings, all of those named or none. ref: Modify Config.json."""
        body: dict[str, Any] = await read(request, CONFIG_PATCH)
        meaningless = next((key for key in body if key in house_views.MEANINGLESS), None)
        if meaningless is not None:
            raise HasNoMeaning(f"{meaningless}: {house_views.MEANINGLESS[meaningless]}", field=meaningless)
        try:
            await product.house.change(actor, house_views.changes(body))
        except HouseSettingIsInvalid as error:
            raise BodyIsNotAsDue(error.message) from error
        return done()

    @get("/config/customize", opt=superuser())
    async def get_pictures(self) -> Response[bytes]:
        """Return the pictures that may stand behind the page for signing in: none."""
        return show([])

    @patch("/config/customize", opt=superuser())
    async def set_picture(self) -> Response[bytes]:
        """Refuse: there is no such picture."""
        _refuse("The page for signing in has no picture behind it.")

    @delete("/config/customize", status_code=200, opt=superuser())
    async def delete_picture(self) -> Response[bytes]:
        """Refuse: there is no such picture."""
        _refuse("The page for signing in has no picture behind it.")

    @patch("/config/servers_dir", opt=superuser())
    async def move_servers(self) -> Response[bytes]:
        """Refuse: where a node keeps servers is said when it starts."""
        _refuse("Where servers are kept is said when a node is started.")

    @get("/stats", opt=signed_in())
    async def get_stats(self, product: House) -> Response[bytes]:
        """Return what the host uses: the first of the nodes that tell."""
        hosts = sorted(product.metrics.hosts().items())
        if not hosts:
            raise Refused(error="NO_STATS", status=503, error_data="No host has told yet what it uses.")
        return show(house_views.host(*hosts[0]))

    @get("/logs/audit", opt=superuser())
    async def list_activity(self, actor: Asker, product: House) -> Response[bytes]:
        """Return who did what, the newest last."""
        page = await product.activity.recent(actor, None, _MOST_ENTRIES)
        return show([house_views.entry(product, each) for each in reversed(page.items)])

    @get("/announcements", opt=signed_in())
    async def list_announcements(self) -> Response[bytes]:
        """Return what the makers announce: nobody is asked for that."""
        return show([])

    @post("/announcements", status_code=200, opt=signed_in())
    async def clear_announcement(self) -> Response[bytes]:
        """Note that one was read: as there is none, it is."""
        return done()

    @get("/JarCache", opt=superuser())
    async def refresh_versions(self, actor: Asker, product: House) -> Response[bytes]:
        """Ask the vendors again what versions there are, and return them by package and runtime; null: none known."""
        for package in product.catalog.all():
            await product.offers.refresh_package(actor, package)
        return show(house_views.versions(product))

    @get("/resetPass", opt=open_to_all())
    async def reset_password(self) -> Response[bytes]:
        """Refuse: there is no account for whoever is locked out."""
        _refuse("There is no lockout account; `innkeeper admin reset-password`, on the panel's machine, helps.")


def _refuse(why: str) -> NoReturn:
    raise HasNoMeaning(why)
