"""ServerFlex's routes of regions."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get

from innkeeper.panel.dialects.serverflex.paging import place_of, results
from innkeeper.panel.dialects.serverflex.replies import reply, show
from innkeeper.panel.dialects.serverflex.views import Shown
from innkeeper.panel.http.given import House
from innkeeper.panel.http.needs import signed_in


class RegionRoutes(Controller):
    """Where servers can be."""

    path = "/region"

    @get("/", opt=signed_in())
    async def list_regions(self, request: Request[Any, Any, Any], product: House, views: Shown) -> Response[bytes]:
        """Return the regions that have nodes. ref: List Regions."""
        place, found = place_of(request), product.regions.with_nodes()
        shown = [msgspec.json.encode(views.catalogue.region(region)) for region in found[place.span]]
        return reply(results(shown, len(found), place))

    @get("/{name:str}", opt=signed_in())
    async def get_region(self, request: Request[Any, Any, Any], product: House, views: Shown) -> Response[bytes]:
        """Return one region; one that is offered no more is gone. ref: Get Region."""
        return show(views.catalogue.region(product.regions.get(request.path_params["name"])))
