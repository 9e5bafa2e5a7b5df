"""Crafty's routes of webhooks: who outside is told what happens to a server."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post

from innkeeper.core.webhooks.errors import NoSuchWebhook
from innkeeper.panel.dialects.crafty.asking import read
from innkeeper.panel.dialects.crafty.auth import on_server
from innkeeper.panel.dialects.crafty.ids import number
from innkeeper.panel.dialects.crafty.masks import ServerBit
from innkeeper.panel.dialects.crafty.replies import done, show
from innkeeper.panel.dialects.crafty.server_schemas import WEBHOOK, WEBHOOK_PATCH
from innkeeper.panel.dialects.crafty.webhook_views import alone, changes_of, draft_of, listed
from innkeeper.panel.http.given import Asker, House, Reached


class WebhookRoutes(Controller):
    """Webhooks."""

    path = "/servers/{server:str}/webhook"

    @get("/", opt=on_server(ServerBit.CONFIG))
    async def list_webhooks(self, actor: Asker, record: Reached, product: House) -> Response[bytes]:
        """Return the webhooks of a server by their ids. ref: Get All Server Webhooks."""
        found = await product.webhooks.of_server(actor, record)
        return show({str(webhook.id): listed(webhook) for webhook in found})

    @post("/", status_code=200, opt=on_server(ServerBit.CONFIG))
    async def create(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Make a webhook. ref: Create A Server Webhook."""
        webhook = await product.webhooks.create(actor, record, draft_of(await read(request, WEBHOOK)))
        return show({"webhook_id": webhook.id})

    @get("/{webhook:str}", opt=on_server(ServerBit.CONFIG))
    async def get_webhook(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Return one webhook. ref: Get Webhook."""
        return show(alone(await product.webhooks.get(actor, record, _id(request))))

    @patch("/{webhook:str}", opt=on_server(ServerBit.CONFIG))
    async def change(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Change a webhook. ref: Modify A Server Webhook."""
        changes = changes_of(await read(request, WEBHOOK_PATCH))
        await product.webhooks.change(actor, record, _id(request), changes)
        return done()

    @post("/{webhook:str}", status_code=200, opt=on_server(ServerBit.CONFIG))
    async def test(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Have a webhook say something, to see whether it arrives. ref: Test A Server Webhook."""
        await product.webhooks.test(actor, record, _id(request))
        return done()

    @delete("/{webhook:str}", status_code=200, opt=on_server(ServerBit.CONFIG))
    async def remove(
        self, request: Request[Any, Any, Any], actor: Asker, record: Reached, product: House
    ) -> Response[bytes]:
        """Delete a webhook; one that is not there is deleted already. ref: Delete Webhooks."""
        try:
            await product.webhooks.delete(actor, record, _id(request))
        except NoSuchWebhook:
            return done()
        return done()


def _id(request: Request[Any, Any, Any]) -> int:
    which = number(request.path_params["webhook"])
    if which is None:
        raise NoSuchWebhook
    return which


ROUTES: tuple[type[Controller], ...] = (WebhookRoutes,)
