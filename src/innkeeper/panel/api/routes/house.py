"""What the house is set to, seen and changed while it runs."""

from litestar import get, patch
from litestar.params import JSONBody

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.house.model import HouseChanges, HouseSettings
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product


@get("/house", opt=on_product(ProductPermission.HOUSE_READ), tags=["installation"])
async def get_house(product: House, actor: Asker) -> HouseSettings:
    """Show what the house is set to."""
    return product.house.see(actor)


@patch("/house", opt=on_product(ProductPermission.HOUSE_WRITE), tags=["installation"])
async def change_house(product: House, actor: Asker, data: JSONBody[HouseChanges]) -> HouseSettings:
    """Set something otherwise, for every panel and from now on; what is not named stays."""
    return await product.house.change(actor, data)


HANDLERS = [get_house, change_house]
