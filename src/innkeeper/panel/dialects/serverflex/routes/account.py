"""ServerFlex's routes of the account that asks: who it is, and what it has."""

from litestar import Controller, Response, get

from innkeeper.panel.dialects.serverflex.replies import show
from innkeeper.panel.dialects.serverflex.shapes import ReferralsView
from innkeeper.panel.dialects.serverflex.views import Shown
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import signed_in


class AccountRoutes(Controller):
    """The account's own things."""

    path = "/account"

    @get("/", opt=signed_in())
    async def get_account(self, actor: Asker, views: Shown) -> Response[bytes]:
        """Return the account. ref: Get basic account information."""
        return show(views.user(actor.account))

    @get("/balance", opt=signed_in())
    async def get_balances(self, actor: Asker, product: House, views: Shown) -> Response[bytes]:
        """Return what the account has, by currency; in its own it may have nothing. ref: Get balances."""
        own = views.catalogue.currency_of(actor.account)
        balances = {own: 0} | product.billing.balances(actor.account.id)
        return show([views.balance(currency, micro) for currency, micro in sorted(balances.items())])

    @get("/referral_overview", opt=signed_in())
    async def get_referrals(self, actor: Asker, product: House, views: Shown) -> Response[bytes]:
        """Return how many accounts this one brought; nothing is paid for that. ref: the .NET client."""
        count = product.accounts.referrals(actor.account.id)
        return show(ReferralsView(count, views.catalogue.currency_of(actor.account), 0.0))
