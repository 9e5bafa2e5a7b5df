"""ServerFlex's routes of packages, and of what can be set on their servers."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get

from innkeeper.core.catalog.model import Package
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.serverflex.paging import place_of, results
from innkeeper.panel.dialects.serverflex.replies import reply, show
from innkeeper.panel.dialects.serverflex.views import Shown
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import signed_in
from innkeeper.panel.product import Product


class PackageRoutes(Controller):
    """The games that are offered."""

    path = "/package"

    @get("/", opt=signed_in())
    async def list_packages(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Return the packages. ref: List Packages."""
        place, found = place_of(request), views.catalogue.packages()
        on_page = found[place.span]
        await product.offers.look(*on_page)
        shown = [views.catalogue.package(package, actor.account) for package in on_page]
        return reply(await in_thread(lambda: results([msgspec.json.encode(view) for view in shown], len(found), place)))

    @get("/{name:str}", opt=signed_in())
    async def get_package(
        self, request: Request[Any, Any, Any], actor: Asker, product: House, views: Shown
    ) -> Response[bytes]:
        """Return one package; one that is offered no more is gone. ref: Get a Package."""
        package = _offered(product, request)
        await product.offers.look(package)
        return show(views.catalogue.package(package, actor.account))

    @get("/{name:str}/properties", opt=signed_in())
    async def list_properties(self, request: Request[Any, Any, Any], product: House, views: Shown) -> Response[bytes]:
        """Return what may be set when a server is made. ref: Get Properties for a Package."""
        return show(views.catalogue.properties(_offered(product, request)))


def _offered(product: Product, request: Request[Any, Any, Any]) -> Package:
    """Return the package in the path; raise NoSuchPackage, IsRetired."""
    package = product.catalog.get(request.path_params["name"])
    product.selling.require_sold("package", package.name)
    return package
