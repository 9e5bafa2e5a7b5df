"""What is sold: plans, regions, and what is offered no more."""

from litestar import delete, get, put
from litestar.params import FromPath, JSONBody

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.catalog.store import Sold
from innkeeper.core.nodes.model import Region
from innkeeper.panel.api import catalogue_views, selling_views, views
from innkeeper.panel.api.catalogue_views import PackageView
from innkeeper.panel.api.selling_views import PlanView, PutPlan, PutRegion, PutRetired, RegionView
from innkeeper.panel.http.given import Asker, House
from innkeeper.panel.http.needs import on_product, signed_in
from innkeeper.panel.product import Product

_SELL = on_product(ProductPermission.SELLING_WRITE)


@get("/plans", opt=signed_in(), tags=["selling"])
async def list_plans(product: House) -> views.ListView[PlanView]:
    """List all plans, those that are offered no more too."""
    return views.ListView([selling_views.plan(product, item) for item in product.selling.all_plans()])


@get("/plans/{plan:str}", opt=signed_in(), tags=["selling"])
async def get_plan(product: House, plan: FromPath[str]) -> PlanView:
    """Show a plan."""
    return selling_views.plan(product, product.selling.get(plan))


@put("/plans/{plan:str}", opt=_SELL, tags=["selling"])
async def put_plan(product: House, actor: Asker, plan: FromPath[str], data: JSONBody[PutPlan]) -> PlanView:
    """Make a plan or change it: servers that have it keep their resources, and pay the new price from now on."""
    return selling_views.plan(product, await product.selling.put_plan(actor, data.plan(plan)))


@delete("/plans/{plan:str}", opt=_SELL, tags=["selling"])
async def delete_plan(product: House, actor: Asker, plan: FromPath[str]) -> None:
    """Delete a plan that was made or changed here; one that its package ships is then as shipped."""
    await product.selling.delete_plan(actor, plan)


@put("/plans/{plan:str}/retired", opt=_SELL, tags=["selling"])
async def retire_plan(product: House, actor: Asker, plan: FromPath[str], data: JSONBody[PutRetired]) -> PlanView:
    """Offer a plan no more, or again; servers that have it keep it."""
    found = product.selling.get(plan)
    await _retire(product, actor, "plan", plan, data)
    return selling_views.plan(product, found)


@get("/regions", opt=signed_in(), tags=["selling"])
async def list_regions(product: House) -> views.ListView[RegionView]:
    """List all regions, those that are offered no more and those without nodes too."""
    return views.ListView([selling_views.region(product, item) for item in product.regions.all()])


@get("/regions/{region:str}", opt=signed_in(), tags=["selling"])
async def get_region(product: House, region: FromPath[str]) -> RegionView:
    """Show a region."""
    return selling_views.region(product, product.regions.find(region))


@put("/regions/{region:str}", opt=_SELL, tags=["selling"])
async def put_region(product: House, actor: Asker, region: FromPath[str], data: JSONBody[PutRegion]) -> RegionView:
    """Make a region, or say otherwise where it is."""
    return selling_views.region(product, await product.regions.put(actor, data.region(region)))


@delete("/regions/{region:str}", opt=_SELL, tags=["selling"])
async def delete_region(product: House, actor: Asker, region: FromPath[str]) -> None:
    """Delete a region that has no nodes."""
    await product.regions.delete(actor, region)


@put("/regions/{region:str}/retired", opt=_SELL, tags=["selling"])
async def retire_region(product: House, actor: Asker, region: FromPath[str], data: JSONBody[PutRetired]) -> RegionView:
    """Offer a region no more, or again; servers that are there stay."""
    found: Region = product.regions.find(region)
    await _retire(product, actor, "region", region, data)
    return selling_views.region(product, found)


@put("/packages/{package:str}/retired", opt=_SELL, tags=["selling"])
async def retire_package(
    product: House, actor: Asker, package: FromPath[str], data: JSONBody[PutRetired]
) -> PackageView:
    """Offer a game no more, or again; servers of it stay."""
    found = product.catalog.get(package)
    await _retire(product, actor, "package", package, data)
    return catalogue_views.package(product, found)


async def _retire(product: Product, actor: Actor, noun: Sold, name: str, wanted: PutRetired) -> None:
    if wanted.retired:
        await product.selling.retire(actor, noun, name)
    else:
        await product.selling.unretire(actor, noun, name)


HANDLERS = [
    list_plans,
    get_plan,
    put_plan,
    delete_plan,
    retire_plan,
    list_regions,
    get_region,
    put_region,
    delete_region,
    retire_region,
    retire_package,
]
