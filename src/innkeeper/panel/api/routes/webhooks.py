"""Webhooks of a server: who is told what happens to it, and what became of the messages."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.kit.pages import DEFAULT_PAGE
from innkeeper.panel.api import views, webhook_views
from innkeeper.panel.api.paging import page_by_id
from innkeeper.panel.api.params import ChangeWebhook, CreateWebhook, Cursor, Limit
from innkeeper.panel.api.webhook_views import DeliveryView, NewWebhookView, WebhookView
from innkeeper.panel.http.given import Asker, House, Reached
from innkeeper.panel.http.needs import on_server

_OF_SERVER = "/servers/{server:uuid}/webhooks"
_ONE = _OF_SERVER + "/{webhook:uuid}"
_READ = on_server(ServerPermission.WEBHOOKS_READ)
_WRITE = on_server(ServerPermission.WEBHOOKS_WRITE)


@get(_OF_SERVER, opt=_READ, tags=["webhooks"])
async def list_webhooks(
    product: House, actor: Asker, record: Reached, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
) -> views.ListView[WebhookView]:
    """List a server's webhooks."""
    page, following = page_by_id(await product.webhooks.of_server(actor, record), cursor, limit)
    return views.ListView([webhook_views.webhook(item) for item in page], following)


@post(_OF_SERVER, opt=_WRITE, tags=["webhooks"])
async def create_webhook(
    product: House, actor: Asker, record: Reached, data: JSONBody[CreateWebhook]
) -> NewWebhookView:
    """Make a webhook; its secret is shown this once."""
    return webhook_views.new_webhook(await product.webhooks.create(actor, record, data.draft()))


@get(_ONE, opt=_READ, tags=["webhooks"])
async def get_webhook(product: House, actor: Asker, record: Reached, webhook: FromPath[UUID]) -> WebhookView:
    """Show a webhook."""
    return webhook_views.webhook(await product.webhooks.get(actor, record, webhook))


@patch(_ONE, opt=_WRITE, tags=["webhooks"])
async def change_webhook(
    product: House, actor: Asker, record: Reached, webhook: FromPath[UUID], data: JSONBody[ChangeWebhook]
) -> WebhookView:
    """Change a webhook; messages that wait are sent as it is by then."""
    return webhook_views.webhook(await product.webhooks.change(actor, record, webhook, data.changes()))


@delete(_ONE, opt=_WRITE, tags=["webhooks"])
async def delete_webhook(product: House, actor: Asker, record: Reached, webhook: FromPath[UUID]) -> None:
    """Delete a webhook and the messages that wait."""
    await product.webhooks.delete(actor, record, webhook)


@post(_ONE + "/test", opt=_WRITE, tags=["webhooks"], status_code=200)
async def test_webhook(product: House, actor: Asker, record: Reached, webhook: FromPath[UUID]) -> DeliveryView:
    """Send a message now, once, and say what became of it."""
    return webhook_views.delivery(await product.webhooks.test(actor, record, webhook))


@post(_ONE + "/secret", opt=_WRITE, tags=["webhooks"], status_code=200)
async def renew_webhook_secret(
    product: House, actor: Asker, record: Reached, webhook: FromPath[UUID]
) -> NewWebhookView:
    """Give a webhook another secret; it is shown this once."""
    return webhook_views.new_webhook(await product.webhooks.renew_secret(actor, record, webhook))


@get(_ONE + "/deliveries", opt=_READ, tags=["webhooks"])
async def list_deliveries(
    product: House,
    actor: Asker,
    record: Reached,
    webhook: FromPath[UUID],
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
) -> views.ListView[DeliveryView]:
    """List a webhook's messages of the last week, newest first."""
    page = await product.webhooks.deliveries(actor, record, webhook, limit, cursor)
    return views.ListView([webhook_views.delivery(item) for item in page.items], page.next)


HANDLERS = [
    list_webhooks,
    create_webhook,
    get_webhook,
    change_webhook,
    delete_webhook,
    test_webhook,
    renew_webhook_secret,
    list_deliveries,
]
