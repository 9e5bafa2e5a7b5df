"""The pages of figures, in the text formats of OpenMetrics and of Prometheus.

    GET /metrics                  everything: needs house.read
    GET /metrics/host             the hosts: needs house.read
    GET /metrics/servers/{id}     one server, by its number or its UUID: needs metrics.read on it

Whoever may not is told so in Crafty's words, whose addresses these are; whether there is such a server they do not
learn. The page of everything is made once a second at most, however many ask.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import msgspec
from litestar.types import HTTPScope

from innkeeper.core.access.errors import KeyIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission, ServerPermission
from innkeeper.core.access.service import require
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.api.versions import own_version
from innkeeper.panel.http.fast import key_of
from innkeeper.panel.http.front import Application
from innkeeper.panel.product import Product

log = get_logger(__name__)

PREFIX = "/metrics"
FRESH_S = 1.0
Authenticate = Callable[[HTTPScope], Actor]
"""Returns who asks; raises what core raises of keys that are missing, wrong or ended."""
_ACCESS_DENIED = msgspec.json.encode(
    {"status": "error", "error": "ACCESS_DENIED", "info": "An error occured while authenticating the user"}
)
_NOT_FOUND = msgspec.json.encode({"status": "error", "error": "API_HANDLER_NOT_FOUND"})
_NOT_ALLOWED = msgspec.json.encode({"status": "error", "error": "METHOD_NOT_ALLOWED"})
_FAULT = msgspec.json.encode({"status": "error", "error": "INTERNAL_ERROR"})
_JSON = "application/json"
Answer = tuple[int, bytes, str]


def own_keys(product: Product) -> Authenticate:
    """Return what takes our own keys, as `Authorization: Bearer KEY`."""

    def authenticate(scope: HTTPScope) -> Actor:
        key = key_of(scope)
        if key is None:
            raise KeyIsMissing
        return product.authority.authenticate(key[0], "api", key[1])

    return authenticate


class Metrics:
    """Answers for the pages."""

    def __init__(self, product: Product, authenticate: Authenticate) -> None:
        self._product = product
        self._authenticate = authenticate
        self._made: dict[str, tuple[float, bytes, str]] = {}
        """The page of everything by what was accepted, and when it was made."""

    async def answer(self, scope: HTTPScope) -> Answer:
        """Return status, body and content type."""
        page = scope["path"].removeprefix(PREFIX).strip("/").split("/")
        if page not in ([""], ["host"]) and not (len(page) == 2 and page[0] == "servers"):
            return 404, _NOT_FOUND, _JSON
        if scope["method"] not in ("GET", "HEAD"):
            return 405, _NOT_ALLOWED, _JSON
        try:
            actor = self._authenticate(scope)
            record = self._reach(actor, page)
        except CoreError as error:
            log.info("metrics.refused", path=scope["path"], reason=error.code)
            return 403, _ACCESS_DENIED, _JSON
        body, content_type = await self._page(page[0], record, _accepted(scope))
        return 200, body, content_type

    def _reach(self, actor: Actor, page: list[str]) -> Record | None:
        """Return the server that the page is of, None for those of the house; raise what keeps the actor out."""
        if page[0] == "servers":
            return self._product.directory.reach(actor, self._find(page[1]), ServerPermission.METRICS_READ)
        require(actor, ProductPermission.HOUSE_READ)
        return None

    def _find(self, text: str) -> Record:
        if text.isascii() and text.isdigit() and len(text) < 19:
            return self._product.directory.get(int(text))
        try:
            return self._product.directory.find(UUID(text))
        except ValueError:
            raise NoSuchServer from None

    async def _page(self, name: str, record: Record | None, accepted: str) -> tuple[bytes, str]:
        await in_thread(import_module, "innkeeper.panel.metrics.families")  # the first time, that is long
        from innkeeper.panel.metrics import families

        if record is not None:
            return families.of_server(self._product, record).encode(accepted)
        if name == "host":
            return families.of_hosts(self._product).encode(accepted)
        now = self._product.clock.monotonic()
        made = self._made.get(accepted)
        if made is None or now - made[0] >= FRESH_S:
            # What is gathered stands still; putting it into words takes the longer part, and holds up nobody else.
            body, content_type = await in_thread(families.everything(self._product, own_version()).encode, accepted)
            if len(self._made) > 20:
                self._made.clear()
            made = self._made[accepted] = (now, body, content_type)
        return made[1], made[2]


def _accepted(scope: HTTPScope) -> str:
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return ",".join(found)[:1000]


def metrics_application(product: Product, authenticate: Authenticate | None = None) -> Application:
    """Return the application for paths below `/metrics`; `authenticate` says who asks, by our own keys if left out."""
    metrics = Metrics(product, authenticate or own_keys(product))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        try:
            status, body, content_type = await metrics.answer(scope)
        except Exception:
            log.exception("metrics.failed", path=scope["path"])
            status, body, content_type = 500, _FAULT, _JSON
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False}
        )

    return application
