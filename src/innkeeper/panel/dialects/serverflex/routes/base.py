"""ServerFlex's base route: what is this, asked to see whether a key is valid."""

from litestar import Controller, Response, get

from innkeeper.panel.dialects.serverflex.replies import show
from innkeeper.panel.dialects.serverflex.shapes import BaseView
from innkeeper.panel.http.needs import signed_in

BASE = BaseView("ServerFlex API", "1.0", "https://developer.serverflex.io")


class BaseRoutes(Controller):
    """The root of all paths."""

    @get("/", opt=signed_in())
    async def get_base(self) -> Response[bytes]:
        """Say which API this is. ref: Authentication."""
        return show(BASE)
