"""exaroton's routes of credit pools."""

from typing import Any

from litestar import Controller, Request, Response, get

from innkeeper.panel.dialects.exaroton.replies import reply, show
from innkeeper.panel.dialects.exaroton.views import Shown
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import signed_in


class PoolRoutes(Controller):
    """The pools that the account is a member of; any other is not there."""

    path = "/billing/pools"

    @get("/", opt=signed_in())
    async def list_pools(self, actor: Asker, product: House, views: Shown) -> Response[bytes]:
        """Return the pools. ref: List credit pools."""
        return show([views.pool(actor, standing) for standing in await product.billing.pools(actor)])

    @get("/{pool:str}", opt=signed_in())
    async def get_pool(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Return one pool. ref: Get a credit pool."""
        pool_id = views.ids.pool(request.path_params["pool"])
        return show(views.pool(actor, await product.billing.pool(actor, pool_id)))

    @get("/{pool:str}/members", opt=signed_in())
    async def list_members(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Return who has put credits into a pool. ref: List pool members."""
        pool_id = views.ids.pool(request.path_params["pool"])
        return show([views.member(stake) for stake in await product.billing.members(actor, pool_id)])

    @get("/{pool:str}/servers", opt=signed_in())
    async def list_servers(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Return the servers that a pool pays for. ref: List pool servers."""
        pool_id = views.ids.pool(request.path_params["pool"])
        return reply(views.listed(actor, await product.billing.servers_of(actor, pool_id)))
