"""The bus between hosts: core NATS, no streams.

Everything travels beneath one prefix, so that several installations may share a server and its permissions can be
written down: `<prefix>.m.<subject>` carries messages, `<prefix>.q.<subject>` requests, `<prefix>.i.…` answers.

It refuses to keep anything while disconnected: the promise is at most once. It reconnects for as long as it is open.
Reconnection is ours and not the client library's, which gives up for good when the server turns it away (a changed
password, a server that is full) and sends what it had buffered to whichever server comes next: each connection here is
a new client on which every subscription is made again before anybody is told of it.

    connecting ──▶ connected ──lost──▶ connecting ──▶ …        aclose() ends it from either
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import structlog
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from innkeeper.bus.delivery import CLOSE_PATIENCE, Asks, Pump, Responder, StateCallbacks, drain_all
from innkeeper.kit.tasks import TaskSet
from innkeeper.wire.bus import (
    MAX_PAYLOAD_BYTES,
    MAX_REQUESTS_AT_ONCE,
    BusError,
    BusIsDown,
    GapCallback,
    Message,
    MessageHandler,
    NoResponder,
    PayloadTooLarge,
    PendingLimit,
    RequestHandler,
    StateCallback,
    Subscription,
    check_pattern,
    check_payload,
    check_subject,
)

log = structlog.get_logger(__name__)

FAILURE_HEADER = "Innkeeper-Failure"
NO_RESPONDERS = "503"
CLOSE_WITHIN_S = 2
FLUSH_WITHIN_S = 5
HEALTH_CHECK_S = 5.0

_TRANSPORT_ERRORS = (OSError, TimeoutError, nats_errors.Error, EOFError)


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """How to reach NATS, and how patiently.

    `servers` are URLs (`nats://`, `tls://`, `ws://`, `wss://`), tried in turn. Credentials come in the URL, as `user`
    and `password`, as `token`, as the path of a `.creds` file or of an nkey seed file. None of them is ever logged.
    `tls` is the context for `tls://`; without one the system's authorities are trusted.
    """

    servers: tuple[str, ...]
    name: str = "innkeeper"
    prefix: str = "innkeeper"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: Path | None = None
    nkey_seed: Path | None = None
    tls: ssl.SSLContext | None = None
    tls_hostname: str | None = None
    connect_timeout: timedelta = timedelta(seconds=3)
    retry_first: timedelta = timedelta(milliseconds=50)
    retry_most: timedelta = timedelta(seconds=2)
    ping_interval: timedelta = timedelta(seconds=5)
    close_patience: timedelta = CLOSE_PATIENCE


class _Channel:
    """One subject we listen to, whatever connection we have."""

    def __init__(self, subject: str, queue: str, callback: Callable[[Msg], Any]) -> None:
        self.subject = subject
        self.queue = queue
        self.callback = callback
        self.client: Client | None = None  # the one it was made on, or is being made on
        self.subscription: NatsSubscription | None = None


class NatsBus:
    """A `Bus` over core NATS. Make one with `NatsBus.connect`; end it with `aclose()`."""

    def __init__(self, options: NatsOptions) -> None:
        check_subject(options.prefix)
        if not options.servers:
            raise ValueError("name at least one NATS server")
        self._options = options
        self._servers = tuple(redact(server) for server in options.servers)
        self._messages = f"{options.prefix}.m."
        self._requests = f"{options.prefix}.q."
        self._inbox = f"{options.prefix}.i.{secrets.token_hex(11)}."
        self._tasks = TaskSet("nats bus").start_set()
        self._channels: dict[Pump | Responder | None, _Channel] = {
            None: _Channel(f"{self._inbox}*", "", self._answered)
        }
        self._client: Client | None = None  # only while every channel is open on it
        self._opening: Client | None = None
        self._asks = Asks()
        self._states = StateCallbacks()
        self._up = asyncio.Event()
        self._closing = False
        self._closed = False

    @classmethod
    async def connect(
        cls, servers: str | Sequence[str] | NatsOptions, *, within: timedelta | None = timedelta(seconds=10)
    ) -> Self:
        """Return a bus once it is connected; it then stays so, or comes back, until `aclose()`.

        Raises `BusIsDown` when no server could be reached `within` that time. With None it returns at once, connected
        or not, and keeps trying.
        """
        if not isinstance(servers, NatsOptions):
            servers = NatsOptions((servers,) if isinstance(servers, str) else tuple(servers))
        bus = cls(servers)
        bus._tasks.start(bus._stay_connected(), name=f"nats connection to {', '.join(bus._servers)}", fatal=False)
        if within is not None:
            try:
                async with asyncio.timeout(within.total_seconds()):
                    await bus._up.wait()
            except TimeoutError:
                await bus.aclose()
                raise BusIsDown(f"no connection to {', '.join(bus._servers)} in {within.total_seconds():g} s") from None
            except asyncio.CancelledError:
                await bus.aclose()
                raise
        return bus

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    def on_state(self, callback: StateCallback) -> Callable[[], None]:
        return self._states.add(callback)

    async def publish(self, subject: str, payload: bytes) -> None:
        check_subject(subject)
        if payload.__class__ is not bytes or len(payload) > MAX_PAYLOAD_BYTES:
            check_payload(payload)
        await self._send(self._messages + subject, payload)

    async def subscribe(
        self,
        subject: str,
        handler: MessageHandler,
        *,
        name: str,
        on_gap: GapCallback | None = None,
        pending: PendingLimit | None = None,
    ) -> Subscription:
        check_pattern(subject)
        self._refuse_if_closing()
        pump = Pump(
            subject,
            handler,
            name=name,
            tasks=self._tasks,
            forget=self._forget,
            on_gap=on_gap,
            limit=pending,
            patience=self._options.close_patience,
        )
        skip = len(self._messages)

        async def arrived(msg: Msg) -> None:
            pump.offer(Message(msg.subject[skip:], msg.data))

        await self._listen(pump, _Channel(self._messages + subject, "", arrived))
        return pump

    async def request(self, subject: str, payload: bytes, timeout: timedelta) -> bytes:
        check_subject(subject)
        check_payload(payload)
        number = self._asks.open(subject)
        try:
            await self._send(self._requests + subject, payload, reply=f"{self._inbox}{number}")
        except BaseException:
            self._asks.forget(number)
            raise
        return await self._asks.wait(number, timeout)

    async def serve(
        self,
        subject: str,
        handler: RequestHandler,
        *,
        name: str,
        group: str | None = None,
        at_once: int = MAX_REQUESTS_AT_ONCE,
    ) -> Subscription:
        check_subject(subject)
        if group is not None:
            check_subject(group)
        self._refuse_if_closing()
        responder = Responder(
            subject,
            handler,
            name=name,
            tasks=self._tasks,
            forget=self._forget,
            at_once=at_once,
            patience=self._options.close_patience,
        )

        async def arrived(msg: Msg) -> None:
            reply = msg.reply

            async def answer(result: bytes, reason: str | None) -> None:
                try:
                    await self._send(reply, result, headers=None if reason is None else {FAILURE_HEADER: reason})
                except BusError as error:
                    log.warning("bus.answer.lost", responder=name, subject=subject, error=str(error))

            if reply:
                await responder.offer(msg.data, answer)

        await self._listen(responder, _Channel(self._requests + subject, group or "", arrived))
        return responder

    async def aclose(self) -> None:
        if self._closing:
            await self._tasks.aclose()
            return
        self._closing = True
        await drain_all([receiver for receiver in self._channels if receiver is not None])
        self._closed = True
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            try:
                await client.flush(timeout=CLOSE_WITHIN_S)
            except (*_TRANSPORT_ERRORS, ValueError) as error:
                log.warning("bus.nats.flush_failed", error=str(error))
        self._fail_asks("closed")
        await self._tasks.aclose()

    # -- sending ----------------------------------------------------------------------------------------------------

    async def _send(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        client = self._client
        if client is None or not client.is_connected:
            raise BusIsDown("closed" if self._closed else f"not connected to {', '.join(self._servers)}")
        task = asyncio.current_task()
        cancellations = task.cancelling() if task is not None else 0
        try:
            await client.publish(subject, payload, reply, headers)
        except nats_errors.MaxPayloadError as error:
            raise PayloadTooLarge(f"{len(payload)} bytes; this server takes {client.max_payload}") from error
        except _TRANSPORT_ERRORS as error:
            raise BusIsDown(f"lost the connection to {', '.join(self._servers)}") from error
        if task is not None and task.cancelling() > cancellations:
            # The client swallows a cancellation while it waits for a full buffer.
            raise asyncio.CancelledError

    async def _answered(self, msg: Msg) -> None:
        token = msg.subject[len(self._inbox) :]
        if not token.isdecimal():
            return
        number = int(token)
        if msg.headers:
            if msg.headers.get("Status") == NO_RESPONDERS:
                self._asks.fail(number, NoResponder())
                return
            if (reason := msg.headers.get(FAILURE_HEADER)) is not None:
                self._asks.settle(number, b"", reason)
                return
        self._asks.settle(number, msg.data, None)

    def _fail_asks(self, why: str) -> None:
        self._asks.fail_all(lambda subject: BusIsDown(f"{why} before {subject} was answered"))

    # -- listening --------------------------------------------------------------------------------------------------

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise BusIsDown("closed")

    async def _listen(self, receiver: Pump | Responder, channel: _Channel) -> None:
        self._channels[receiver] = channel
        client = self._opening or self._client
        if client is None or not client.is_connected:
            return
        try:
            await self._open_channel(client, channel)
            await _confirm(client)
        except (*_TRANSPORT_ERRORS, ValueError) as error:
            # The next connection makes it again, as it does all the others.
            log.info("bus.nats.subscription_postponed", subject=channel.subject, error=str(error))

    async def _open_channel(self, client: Client, channel: _Channel) -> None:
        if channel.client is client:
            return
        channel.client = client
        channel.subscription = await client.subscribe(
            channel.subject,
            queue=channel.queue,
            cb=channel.callback,
            pending_msgs_limit=0,  # the bound is the pump's, which says what it drops
            pending_bytes_limit=0,
        )

    async def _forget(self, receiver: Pump | Responder) -> None:
        channel = self._channels.pop(receiver)
        client, subscription = channel.client, channel.subscription
        if client is None or subscription is None or not client.is_connected:
            return
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                # What is on its way meanwhile still arrives. The library's own drain asks for a receipt that may
                # overtake the withdrawal (see `_confirm`), so it is withdrawn, and confirmed once, before.
                await client._send_unsubscribe(subscription._id)
                await client.flush(timeout=CLOSE_WITHIN_S)
                await subscription.drain()  # type: ignore[no-untyped-call]
        except (*_TRANSPORT_ERRORS, ValueError) as error:
            log.info("bus.nats.unsubscribe_failed", subject=channel.subject, error=str(error))

    # -- staying connected ------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        wait = self._options.retry_first
        # The library swallows a cancellation here and there, so being closed is looked at as well.
        while not self._is_over():
            lost = asyncio.Event()
            client = await self._connect_once(lost)
            if client is None:
                if self._is_over():
                    return
                await asyncio.sleep(wait.total_seconds() * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the herd
                wait = min(wait * 2, self._options.retry_most)
                continue
            wait = self._options.retry_first
            try:
                await self._until_lost(client, lost)
            finally:
                self._client = None
                self._up.clear()
                await self._discard(client)
            if self._is_over():
                return
            log.warning("bus.nats.disconnected", servers=self._servers)
            self._fail_asks("the connection was lost")
            self._states.tell(False)

    async def _until_lost(self, client: Client, lost: asyncio.Event) -> None:
        if self._is_over():
            return
        log.info("bus.nats.connected", server=_url_of(client))
        self._client = client
        self._up.set()
        self._states.tell(True)
        while client.is_connected and not lost.is_set():
            # The library forgets its callbacks when closing fails half-way; a look now and then makes up for that.
            try:
                async with asyncio.timeout(HEALTH_CHECK_S):
                    await lost.wait()
            except TimeoutError:
                continue

    def _is_over(self) -> bool:
        return self._closed

    async def _connect_once(self, lost: asyncio.Event) -> Client | None:
        """Return a client on which every channel is open, or None when that failed."""
        client = Client()

        async def gone() -> None:
            lost.set()

        try:
            async with asyncio.timeout(self._options.connect_timeout.total_seconds() * len(self._servers)):
                await client.connect(**self._client_options(), disconnected_cb=gone, closed_cb=gone)
            await self._open_all(client)
        except (*_TRANSPORT_ERRORS, ValueError) as error:
            log.warning(
                "bus.nats.unreachable", servers=self._servers, error=redact_text(str(error)) or type(error).__name__
            )
        except asyncio.CancelledError:
            await self._discard(client)
            raise
        except Exception as error:  # noqa: BLE001 - an unreadable key file, a bad certificate: nothing ends the retrying
            log.error(
                "bus.nats.connect_failed",
                servers=self._servers,
                kind=type(error).__name__,
                error=redact_text(str(error)),
            )
        else:
            if not lost.is_set():
                return client
        await self._discard(client)
        return None

    async def _open_all(self, client: Client) -> None:
        self._opening = client
        try:
            while waiting := [channel for channel in self._channels.values() if channel.client is not client]:
                for channel in waiting:
                    await self._open_channel(client, channel)
            await _confirm(client)
        finally:
            self._opening = None

    async def _discard(self, client: Client) -> None:
        """Close a client for good; whatever it raises, the next one is made."""
        # What a lost client still holds goes nowhere, and writing it to a transport that is gone raises half-way
        # through closing: subscriptions would stay behind.
        client._pending.clear()
        client._pending_data_size = 0
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await client.close()
        except Exception as error:  # noqa: BLE001 - the library and both loops raise all kinds here; nothing ends the retrying
            log.info("bus.nats.close_failed", error=redact_text(str(error)) or type(error).__name__)

    def _client_options(self) -> dict[str, Any]:
        options = self._options

        async def failed(error: Exception) -> None:
            log.info("bus.nats.error", error=redact_text(str(error)) or type(error).__name__)

        return {
            "servers": list(options.servers),
            "name": options.name,
            "error_cb": failed,
            "user": options.user,
            "password": options.password,
            "token": options.token,
            "user_credentials": str(options.credentials) if options.credentials else None,
            "nkeys_seed": str(options.nkey_seed) if options.nkey_seed else None,
            "tls": options.tls,
            "tls_hostname": options.tls_hostname,
            "connect_timeout": options.connect_timeout.total_seconds(),
            "reconnect_time_wait": 0.05,
            "max_reconnect_attempts": 1,
            "ping_interval": options.ping_interval.total_seconds(),
            "max_outstanding_pings": 2,
            "flush_timeout": FLUSH_WITHIN_S,
        }


async def _confirm(client: Client) -> None:
    """Return when the server has acted on every subscription made so far.

    Twice, because the library sends a ping past the commands it still has queued: the first answer only says that
    these have been written, the second comes after them.
    """
    await client.flush(timeout=FLUSH_WITHIN_S)
    await client.flush(timeout=FLUSH_WITHIN_S)


def redact(url: str) -> str:
    """Return `url` without its user's password or token."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}:***" if ":" in user else "***"  # a lone user name is a token
    return urlunsplit(parts._replace(netloc=f"{shown}@{host}"))


def redact_text(text: str) -> str:
    """Return `text` with every URL in it redacted."""
    return " ".join(redact(word) if "://" in word and "@" in word else word for word in text.split(" "))


def _url_of(client: Client) -> str:
    url = client.connected_url
    return redact(url.geturl()) if url is not None else ""
