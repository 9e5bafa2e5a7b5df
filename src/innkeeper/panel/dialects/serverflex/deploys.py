"""What is asked when a server is deployed, in every spelling of it, as a draft of core's.

ref: Deploy a new server. The documentation's own examples say `runtnimes`, leave `billingType` out and write `EULA`;
the newest .NET client says packageName, planName and regionName. Whatever the body names that is not there, or is not
offered any more, is a fault of the body.
"""

import re
from typing import Any, Literal, cast

import msgspec

from innkeeper.core.catalog.model import Package
from innkeeper.core.servers.model import ServerDraft
from innkeeper.panel.dialects.serverflex.errors import FieldIsInvalid, about
from innkeeper.panel.product import Product

_NAME = re.compile(r"[A-Za-z0-9_\-\[\]+ :]{1,100}")
"""ref: "a-z", "A-Z", "0-9", "_", "-", "[]", "+"; the examples have spaces and colons."""


class DeployBody(msgspec.Struct):
    """The body of a deploy."""

    name: str | None = None
    billingType: str | None = None
    package: str | None = None
    packageName: str | None = None
    plan: str | None = None
    planName: str | None = None
    region: str | None = None
    regionName: str | None = None
    properties: dict[str, Any] | None = None
    runtimes: list[str] | None = None
    runtnimes: list[str] | None = None


def draft_of(product: Product, body: DeployBody) -> ServerDraft:
    """Return what is asked; raise FieldIsInvalid, naming the field."""
    selling = product.selling
    with about("package"):
        package = product.catalog.get(_required("package", body.package or body.packageName))
        selling.require_sold("package", package.name)
    with about("plan"):
        plan = selling.plan(_required("plan", body.plan or body.planName))
        if plan.package != package.name:
            raise FieldIsInvalid(f"{plan.name} is no plan of {package.name}.", field="plan")
    with about("region"):
        region = product.regions.get(_required("region", body.region or body.regionName))
    runtime, version, addons = _runtimes(package, body.runtimes or body.runtnimes or [])
    return ServerDraft(
        name=name_of(body.name) if (body.name or "").strip() else f"{package.title} server",
        package=package.name,
        runtime=runtime,
        version=version,
        addons=addons,
        properties=body.properties or {},
        plan=plan.name,
        billing_type=_billing(body.billingType),
        region=region.name,
        start=True,
    )


def name_of(text: str | None) -> str:
    """Return the name of a server; raise FieldIsInvalid for what cannot be one."""
    name = (text or "").strip()
    if not _NAME.fullmatch(name):
        raise FieldIsInvalid(
            "A server's name has 1 to 100 of these: a-z, A-Z, 0-9, _, -, [, ], +, : and spaces.", field="name"
        )
    return name


def _required(field: str, value: str | None) -> str:
    if not value:
        raise FieldIsInvalid(f"{field} is required.", field=field)
    return value


def _billing(value: str | None) -> Literal["hourly", "monthly"]:
    if not value:
        return "hourly"
    if value not in ("hourly", "monthly"):
        raise FieldIsInvalid("billingType is hourly or monthly.", field="billingType")
    return cast("Literal['hourly', 'monthly']", value)


def _runtimes(package: Package, given: list[str]) -> tuple[str | None, str | None, dict[str, str | None]]:
    """Return the runtime that runs the server with its version, and what extends it; None: the default.

    Which versions there are the catalogue knows; a game that has a choice of versions must be told a runtime.
    """
    known = {runtime.name: runtime for runtime in package.runtimes}
    base: tuple[str, str | None] | None = None
    addons: dict[str, str | None] = {}
    for item in given:
        name, _, version = (part.strip() for part in item.partition(":"))
        runtime = known.get(name)
        if runtime is None:
            raise FieldIsInvalid(f"{package.name} has no runtime {name!r}.", field="runtimes")
        if name in addons or (base is not None and not runtime.addon):
            raise FieldIsInvalid("A server has one runtime that runs it, and each addon once.", field="runtimes")
        if runtime.addon:
            addons[name] = version or None
        else:
            base = (name, version or None)
    if base is None and any(one.versions or one.index for one in package.runtimes if not one.addon):
        raise FieldIsInvalid(f"{package.title} needs a runtime, such as NAME:VERSION.", field="runtimes")
    return (*(base or (None, None)), addons)
