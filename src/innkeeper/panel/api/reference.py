"""The API's reference: its OpenAPI document, and a page to read and try it with.

The document is made from the routes themselves. The page is Swagger UI from an installed package: nothing comes from
elsewhere, and its Content-Security-Policy would not let it.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Router, get
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.params import FromPath
from litestar.response import Response
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from innkeeper.kit.tasks import in_thread
from innkeeper.panel.api import PREFIX
from innkeeper.panel.api.door import GIVEN, constant
from innkeeper.panel.http.needs import Needs, open_to_all

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Innkeeper API</title>
<link rel="stylesheet" href="{PREFIX}/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="{PREFIX}/docs/favicon-32x32.png">
</head>
<body>
<div id="reference"></div>
<script src="{PREFIX}/docs/swagger-ui-bundle.js"></script>
<script src="{PREFIX}/docs/start.js"></script>
</body>
</html>
"""
_START = f"""SwaggerUIBundle({{
  url: "{PREFIX}/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
}});
"""
_DESCRIPTION = """\
Keep game servers: install, run, watch, share.

**Keys.** Send `Authorization: Bearer KEY`, with an API key (`POST /keys`) or a session's token (`POST /sessions`).

**Errors** have one shape, `{"error": {"code", "kind", "message", "data"}}`; `code` is stable.

**Lists** are `{"items": [...], "next": cursor}`; hand `next` back as `cursor` until it is null. Times are UTC.

**Operations.** What takes a while is answered with 202 and an operation; ask for it, or give `wait` seconds.

**Console stream.** `GET /servers/{server}/console/stream` is a WebSocket. Send the key in the handshake's
`Authorization` header, or a ticket (`POST /servers/{server}/console/tickets`) as `?ticket=`. `?resume_from=` continues
after a line's number, `?tail=` begins with so many of the last lines (else as many as the house is set to). Frames
are JSON texts:

| from the server | when |
| --- | --- |
| `{"type":"ready","server":id,"state":…}` | first |
| `{"type":"lines","blocks":[{"seq":first number,"time":…,"lines":[…]}]}` | lines, each once and in order |
| `{"type":"state","server":{…}}` | the server changed |
| `{"type":"skipped","count":n}` | lines were asked for that are no longer kept |
| `{"type":"done","id":…}` | a command was typed |
| `{"type":"error","id":…,"error":{…}}` | a message was refused |

Send `{"type":"command","command":"say hi","id":"optional"}`. The stream is closed with 4401, 4403, 4404 or 4410 as soon
as the right to it ends.

**Figures and management.** `GET /servers/{server}/figures/stream` (`?tick=true` asks the game for its tick time, too)
and `GET /servers/{server}/management/stream` are WebSockets of the same kind that only tell: after `ready`, frames
`{"type":"usage","usage":{…}}`, one a second, and `{"type":"notification","name":…,"data":…}`.

**Credits** are whole micro-credits, `*_micro`: 1 credit is 1,000,000. What moves credits takes a `key` of your own:
sent again with it, nothing moves again.
"""
_TAGS = (
    "sessions",
    "accounts",
    "keys",
    "roles",
    "servers",
    "power",
    "operations",
    "console",
    "players",
    "webhooks",
    "metrics",
    "management",
    "activity",
    "files",
    "grants",
    "billing",
    "catalogue",
    "nodes",
    "installation",
)
_BINARY_BODIES = {f"{PREFIX}/servers/{{server}}/files/content", f"{PREFIX}/servers/{{server}}/archive"}


def reference_routes(handlers: Sequence[ControllerRouterHandler], version: str) -> list[ControllerRouterHandler]:
    """Return the routes of the document over `handlers`, and of the page."""

    @get(f"{PREFIX}/openapi.json", opt=open_to_all(), include_in_schema=False)
    async def document() -> Response[bytes]:
        made = await in_thread(_encoded)
        return Response(made, media_type=MediaType.JSON, headers={"Cache-Control": "max-age=300"})

    @cache
    def _encoded() -> bytes:
        return msgspec.json.encode(openapi_document(handlers, version))

    return [document, page, asset]


@get(f"{PREFIX}/docs", opt=open_to_all(), include_in_schema=False)
async def page() -> Response[str]:
    """Show the page."""
    return Response(_PAGE, media_type=MediaType.HTML, headers=_HEADERS)


@get(f"{PREFIX}/docs/{{asset:str}}", opt=open_to_all(), include_in_schema=False)
async def asset(asset: FromPath[str]) -> Response[bytes]:
    """Give out what the page is made of."""
    headers = {**_HEADERS, "Cache-Control": "max-age=3600"}
    if asset == "start.js":
        return Response(_START.encode(), media_type="text/javascript; charset=utf-8", headers=headers)
    if asset not in _ASSETS:
        raise NotFoundException
    return Response(await in_thread(_asset, asset), media_type=_ASSETS[asset], headers=headers)


@cache
def _asset(name: str) -> bytes:
    with as_file(files("swagger_ui_bundle") / "vendor") as folder:
        versions = sorted(Path(folder).glob("swagger-ui-*"))
        return (versions[-1] / name).read_bytes()


def openapi_document(handlers: Sequence[ControllerRouterHandler], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of `handlers`."""
    router = Router(PREFIX, route_handlers=handlers)
    described = Litestar(
        [router],
        dependencies={name: constant(None) for name in GIVEN},
        openapi_config=OpenAPIConfig(
            title="Innkeeper",
            version=version,
            description=_DESCRIPTION,
            path="/reference",
            render_plugins=[JsonRenderPlugin()],
            tags=[Tag(name=name) for name in _TAGS],
            components=Components(
                security_schemes={
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key or a session's token.")
                }
            ),
        ),
        logging_config=None,
    )
    document: dict[str, Any] = _any_of(msgspec.json.decode(msgspec.json.encode(described.openapi_schema.to_schema())))
    for route in described.routes:
        if isinstance(route, HTTPRoute) and route.path_format in document["paths"]:
            for method, (handler, _) in route.route_handler_map.items():
                operation = document["paths"][route.path_format].get(method.lower())
                if operation is not None:
                    _complete(operation, route.path_format, method, handler.opt["needs"])
    return document


def _any_of(value: Any) -> Any:
    """Return a schema with `anyOf` for `oneOf`: a whole number is an integer and a number, which one-of forbids."""
    if isinstance(value, dict):
        return {"anyOf" if key == "oneOf" else key: _any_of(item) for key, item in value.items()}
    return [_any_of(item) for item in value] if isinstance(value, list) else value


def _complete(operation: dict[str, Any], path: str, method: str, needs: Needs) -> None:
    """Say what a route needs, how it refuses, and what its body is where that is no JSON."""
    refusal = {
        "description": "It was refused.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorView"}}},
    }
    operation["responses"].pop("400", None)
    operation["responses"] |= {"4XX": refusal, "5XX": refusal}
    if needs.of == "nobody":
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}]
        operation["x-permission"] = needs.permission
    if path in _BINARY_BODIES and method == "PUT":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
