"""exaroton's routes of the account itself."""

from litestar import Controller, Response, get

from innkeeper.panel.dialects.exaroton.replies import show
from innkeeper.panel.dialects.exaroton.views import Shown
from innkeeper.panel.http.given import Asker
from innkeeper.panel.http.needs import signed_in


class AccountRoutes(Controller):
    """What concerns the account itself."""

    @get("/account", opt=signed_in())
    async def get_account(self, actor: Asker, views: Shown) -> Response[bytes]:
        """Return the account. ref: Get account info."""
        return show(views.account(actor.account))
