"""Carry messages to the outside over HTTP: rendered, signed, bounded in time and size, and never towards the inside.

    204, 200 …             arrived
    307, 308               the same again there, three times at most; never from https to http
    other 3xx, other 4xx   failed: trying again cannot help
    408, 425, 429, 5xx     failed for now; `Retry-After` is honoured
    no answer              failed for now
    refused by the guard   failed: the address is no public one (see `panel.dialling`)

A 301, 302 or 303 is not followed: clients make a GET without a body of it, which tells nobody anything and looks well.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import msgspec

from innkeeper.contracts.notifier import Announcement, Notifier
from innkeeper.core.webhooks.errors import WebhookIsInvalid
from innkeeper.core.webhooks.model import TEST, Notice, Outcome, Webhook, WebhookKind
from innkeeper.kit.clock import Clock, SystemClock
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import in_thread
from innkeeper.panel.api.versions import own_version

if TYPE_CHECKING:
    import ssl

    import httpcore
    import httpx

    from innkeeper.panel.dialling import Guard, GuardedBackend

log = get_logger(__name__)

CONNECT_S, WHOLE_S = 5.0, 10.0
MAX_ANSWER = 4 * 1024
MAX_REDIRECTS = 3
_ANSWER_S = 2.0
_MAX_TOLD = 200
_AGAIN = frozenset({408, 425, 429})
_FOLLOWED = frozenset({307, 308})
_TEST_BOT = "Innkeeper Webhooks Tester"

EVENT_NAMES = {
    "started": "server started",
    "ready": "server is ready",
    "stopped": "server stopped",
    "crashed": "server crashed",
    "killed": "server was killed",
    "out_of_memory": "server is out of memory",
    "updated": "server was updated",
    "command_sent": "command sent",
    "player_joined": "player joined",
    "player_left": "player left",
    "backup_finished": "backup finished",
    "backup_failed": "backup failed",
    "backup_damaged": "backup is damaged",
    "disk_nearly_full": "disk is nearly full",
    TEST: "test",
}


class _Undeliverable(Exception):
    """The message cannot arrive, however often it is sent; the text says why."""


class HttpCourier:
    """Keeps `core.webhooks.model.Courier`; `aclose` it in the end."""

    def __init__(
        self,
        notifiers: Mapping[WebhookKind, Notifier],
        *,
        networks: tuple[str, ...] = (),
        clock: Clock | None = None,
        tls: "ssl.SSLContext | None" = None,
        patience_s: float = WHOLE_S,
    ) -> None:
        """`networks` (CIDR) may be reached though they are not public; `tls` is believed in place of the usual."""
        self._notifiers = notifiers
        self._networks = networks
        self._clock = clock or SystemClock()
        self._tls = tls
        self._patience_s = patience_s
        self._agent = f"Innkeeper/{own_version()}"
        self._backend: GuardedBackend | None = None

    async def aclose(self) -> None:
        """Carry no more."""
        if self._backend is not None:
            self._backend.close()

    def check(self, webhook: Webhook) -> None:
        """Raise WebhookIsInvalid where its URL or its body can never do."""
        from innkeeper.panel.webhook_texts import TextIsInvalid, check_text

        try:
            url = _url(webhook.url)
        except _Undeliverable as error:
            raise WebhookIsInvalid("url", str(error)) from error
        if not self._guard().permits_host(url.host):
            raise WebhookIsInvalid("url", "leads to an address that webhooks may not reach")
        try:
            check_text(webhook.body)
        except TextIsInvalid as error:
            raise WebhookIsInvalid("body", f"is no template: {error}") from error

    async def carry(self, notice: Notice) -> Outcome:
        """Try once to deliver a notice; whatever goes wrong is the outcome."""
        import httpcore

        from innkeeper.panel.dialling import AddressIsRefused
        from innkeeper.panel.webhook_texts import TextIsInvalid

        try:
            body = await in_thread(_body, notice, self._notifiers[notice.webhook.kind], self._agent)
            async with asyncio.timeout(self._patience_s):
                return await self._post(notice, body)
        except TextIsInvalid as error:
            return Outcome(arrived=False, lasting=True, reason=f"the body cannot be rendered: {error}")
        except AddressIsRefused as error:
            return Outcome(
                arrived=False, lasting=True, reason=f"{error} leads to an address that webhooks may not reach"
            )
        except _Undeliverable as error:
            return Outcome(arrived=False, lasting=True, reason=str(error))
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(arrived=False, reason=f"there was no answer within {self._patience_s:g} seconds")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            return Outcome(arrived=False, reason=_cleaned(str(error)) or "the connection failed")

    # -- within -----------------------------------------------------------------------------------------------------

    def _guard(self) -> "Guard":
        from innkeeper.panel.dialling import Guard

        return Guard(self._networks)

    def _dialler(self) -> "GuardedBackend":
        from innkeeper.panel.dialling import GuardedBackend

        if self._backend is None:
            self._backend = GuardedBackend(self._guard())
        return self._backend

    async def _trust(self) -> "ssl.SSLContext":
        if self._tls is None:
            import httpx

            self._tls = await in_thread(httpx.create_ssl_context)
        return self._tls

    async def _post(self, notice: Notice, body: bytes) -> Outcome:
        """Send `body` to where the webhook leads, and to where that leads."""
        url, headers = _url(notice.webhook.url), self._headers(notice, body)
        if url.userinfo:
            headers["Authorization"] = "Basic " + base64.b64encode(unquote_to_bytes(url.userinfo)).decode()
        for _ in range(MAX_REDIRECTS + 1):
            outcome, moved_to = await self._send(url, headers, body)
            if outcome is not None:
                return outcome
            url, before = _joined(url, moved_to), url
            if (url.scheme, url.host, url.port) != (before.scheme, before.host, before.port):
                headers.pop("Authorization", None)
        raise _Undeliverable(f"it was sent on more than {MAX_REDIRECTS} times")

    async def _send(self, url: "httpx.URL", headers: dict[str, str], body: bytes) -> tuple[Outcome | None, str]:
        """Send once; return the outcome, or None and the place that the answer names."""
        import httpcore

        from innkeeper.panel.dialling import Once

        timeouts = {"connect": CONNECT_S, "read": self._patience_s, "write": self._patience_s, "pool": CONNECT_S}
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.copy_with(fragment=None).raw_path
        )
        tls = await self._trust() if url.scheme == "https" else None
        async with (
            Once(self._dialler()) as backend,
            httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=backend) as pool,
            pool.stream(
                "POST", target, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
            ) as answer,
        ):
            said = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
            location = said.get(b"location", "")
            if answer.status in _FOLLOWED and location:
                return None, location
            if 200 <= answer.status < 300:
                return Outcome(arrived=True, status=answer.status), ""
            return self._refusal(answer.status, said, await _beginning(answer)), ""

    def _refusal(self, status: int, said: Mapping[bytes, str], text: str) -> Outcome:
        if 300 <= status < 400:
            text = "it has moved, which a message does not follow; give the webhook its new URL"
        return Outcome(
            arrived=False,
            status=status,
            reason=f"HTTP {status}: {text}" if text else f"HTTP {status}",
            lasting=300 <= status < 500 and status not in _AGAIN,
            retry_after=self._retry_after(said.get(b"retry-after", "")),
        )

    def _retry_after(self, text: str) -> timedelta | None:
        if text.isascii() and text.isdigit() and len(text) < 10:
            return timedelta(seconds=int(text))
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        return max(timedelta(0), (at if at.tzinfo else at.replace(tzinfo=UTC)) - self._clock.now())

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        headers = {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": self._agent,
            "Innkeeper-Event": str(notice.delivery.event),
            "Innkeeper-Delivery": str(notice.delivery.uuid),
        }
        if self._notifiers[notice.webhook.kind].signed:
            headers["Innkeeper-Signature"] = signature(notice.webhook.secret, body, self._clock.now())
        return headers


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Return what proves that a message is ours and of that moment: `t=SECONDS,v1=HEX`, HMAC-SHA256 of `t.body`."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def _url(text: str) -> "httpx.URL":
    """Return a webhook's URL; raise _Undeliverable, saying why it can be none."""
    import httpx

    try:
        url = httpx.URL(text)
        url.raw_host.decode("ascii")
        host, port = url.host, url.port
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise _Undeliverable("is no URL") from error
    if url.scheme not in ("http", "https") or not host or not (port is None or 0 < port < 1 << 16):
        raise _Undeliverable("is no http or https URL")
    return url


def _joined(url: "httpx.URL", location: str) -> "httpx.URL":
    import httpx

    try:
        found = _url(str(url.join(location)))
    except (_Undeliverable, httpx.InvalidURL, ValueError) as error:
        raise _Undeliverable("it was sent on to where no message can go") from error
    if url.scheme == "https" and found.scheme != "https":
        raise _Undeliverable("it was sent on from https to http")
    return found


async def _beginning(answer: "httpcore.Response") -> str:
    """Return the first words of an answer; no more of it is read than one may say."""
    import httpcore

    said = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_S):
            async for part in answer.aiter_stream():
                said += part
                if len(said) >= MAX_ANSWER:
                    break
    except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        log.info("webhook.answer.cut_off", status=answer.status, error=type(error).__name__)
    return _cleaned(said[:MAX_ANSWER].decode("utf-8", "replace"))


def _cleaned(text: str) -> str:
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return words if len(words) <= _MAX_TOLD else words[: _MAX_TOLD - 1] + "…"


def _body(notice: Notice, notifier: Notifier, footer: str) -> bytes:
    """Return the JSON of a notice as its place wants it; raise TextIsInvalid."""
    from innkeeper.panel.webhook_texts import render_text

    webhook, delivery, happening = notice.webhook, notice.delivery, notice.delivery.facts
    at = happening.at if happening else delivery.created_at
    data = happening.data if happening else {}
    values: dict[str, Any] = {
        "server": {
            "name": notice.server_name,
            "uuid": str(notice.server_uuid),
            "id": str(webhook.server_id),
        },
        "server_name": notice.server_name,
        "server_uuid": str(notice.server_uuid),
        "server_id": str(webhook.server_id),
        "event": delivery.happening,
        "event_type": delivery.happening,
        "event_name": EVENT_NAMES[delivery.happening],
        "time": at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "time_iso": at.isoformat(timespec="milliseconds"),
        "account": notice.account,
        "source": happening.via if happening else "system",
        "webhook": webhook.name,
        **{name: data.get(name, "") for name in ("player", "reason", "command", "backup")},
    }
    text = render_text(webhook.body, values, escape=notifier.escape)
    if len(text) > notifier.longest_text:
        text = text[: notifier.longest_text - 1] + "…"
    is_test = delivery.happening == TEST
    announcement = Announcement(
        title=f"Test Webhook: {webhook.name}" if is_test else webhook.name,
        text=text,
        server=notice.server_name,
        bot_name=_TEST_BOT if is_test else webhook.bot_name,
        colour=int(webhook.colour[1:], 16),
        at=at,
        footer=footer.replace("/", " "),
        facts={
            "id": str(delivery.event),
            "event": delivery.happening,
            "at": at.isoformat(timespec="milliseconds"),
            "server": {"id": str(notice.server_uuid), "name": notice.server_name},
            "account": notice.account or None,
            "source": values["source"],
            "data": data,
        },
    )
    return msgspec.json.encode(notifier.payload(announcement))
