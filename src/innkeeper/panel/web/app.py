"""The page at the root: what this is and where its APIs are. Every other path is said not to exist."""

from typing import Any

import msgspec

from innkeeper.panel.http.front import Application
from innkeeper.panel.product import Product

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Innkeeper</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.5rem }
body { color: #23303b; background: #fbfaf7 }
h1 { font-size: 2.2rem; margin-bottom: .2rem } code { background: #eee9df; padding: .1rem .35rem; border-radius: 4px }
@media (prefers-color-scheme: dark) {
  body { color: #e6e3dc; background: #1b2026 } code { background: #2b333c } a { color: #8fc1ff }
}
</style>
</head>
<body>
<h1>Innkeeper</h1>
<p>This address keeps game servers.</p>
<ul>
<li><a href="/api/innkeeper/v1/docs">Its own API, to read and to try</a></li>
<li>exaroton clients: base address <code>/v1</code></li>
<li>ServerFlex clients: base address <code>/1.0</code></li>
<li>On a terminal: <code>innkeeper servers ls</code></li>
</ul>
</body>
</html>
"""
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
]
_NOT_FOUND = msgspec.json.encode(
    {"error": {"code": "no_such_page", "kind": "not_found", "message": "There is nothing at this path.", "data": {}}}
)


def web_application(_product: Product) -> Application:
    """Return the application for every path that belongs to no API."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        found = scope["path"] in ("/", "/index.html") and scope["method"] in ("GET", "HEAD")
        body = _PAGE if found else _NOT_FOUND
        kind = b"text/html; charset=utf-8" if found else b"application/json"
        headers = [*_HEADERS, (b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False}
        )

    return application
