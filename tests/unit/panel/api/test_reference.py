"""The OpenAPI document and the page: true, complete, and without the outside world."""

import re
from pathlib import Path

from litestar.handlers import WebsocketRouteHandler

from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.app import HANDLERS
from innkeeper.panel.api.export import exported
from tests.unit.panel.api.conftest import Asking

KEPT = Path(__file__).parents[4] / "docs" / "reference" / "openapi.json"


def test_the_document_that_is_kept_says_what_the_routes_say() -> None:
    assert KEPT.read_bytes() == exported(), f"make it anew: python -m innkeeper.panel.api.export {KEPT.name}"


async def test_every_route_is_in_the_document(ask: Asking) -> None:
    document = (await ask.nobody("GET", "/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    asked = [handler for handler in HANDLERS if not isinstance(handler, WebsocketRouteHandler)]
    assert len(operations) == len(asked)
    assert all("4XX" in operation["responses"] for operation in operations)
    assert all("security" in operation for operation in operations)
    assert {path.startswith(PREFIX) for path in document["paths"]} == {True}


async def test_the_page_needs_nothing_from_elsewhere(ask: Asking) -> None:
    page = await ask.nobody("GET", "/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        asset = await ask.nobody("GET", link.removeprefix(PREFIX))
        assert asset.status_code == 200
        assert asset.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text


async def test_nothing_but_the_page_s_own_parts_is_given_out(ask: Asking) -> None:
    for name in ("index.html", "..%2f..%2f__init__.py", "swagger-ui.css.map", "%2e%2e"):
        assert (await ask.nobody("GET", f"/docs/{name}")).status_code == 404
