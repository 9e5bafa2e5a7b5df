"""Messages over real sockets: they arrive signed, are refused, wait no longer than they may, and never go inside."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.core.happenings import Happening
from innkeeper.core.webhooks.errors import WebhookIsInvalid
from innkeeper.core.webhooks.model import Delivery, Notice, Webhook
from innkeeper.kit.ids import uuid7
from innkeeper.panel.deliveries import HttpCourier
from innkeeper.panel.main import notifiers
from innkeeper.testing.receivers import BROKEN, ENDLESS, NEVER, Receiver

NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, UTC)
LOOPBACK = ("127.0.0.0/8",)


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.open() as opened:
        yield opened


@pytest.fixture
async def courier() -> AsyncIterator[HttpCourier]:
    opened = HttpCourier(notifiers(), networks=LOOPBACK, clock=StandingClock())
    yield opened
    await opened.aclose()


def a_notice(
    url: str, *, happening: str = "player_joined", data: dict[str, str] | None = None, **fields: Any
) -> Notice:
    facts = Happening(kind="player_joined", server_id=7, at=NOW, key="k", account_id=3, via="crafty", data=data or {})
    values: dict[str, Any] = {
        "name": "hook",
        "kind": "json",
        "url": url,
        "triggers": frozenset({"player_joined"}),
        "secret": "whsec_x",
        "created_at": NOW,
    }
    webhook = Webhook(id=5, uuid=uuid7(), server_id=7, **(values | fields))
    delivery = Delivery(
        id=9,
        uuid=uuid7(),
        webhook_id=5,
        event=uuid7(),
        happening=happening,
        facts=None if happening == "test" else facts,
        attempts=1,
        next_at=NOW,
        created_at=NOW,
    )
    return Notice(webhook=webhook, delivery=delivery, server_uuid=uuid7(), server_name="camp", account="ada")


async def test_a_program_gets_the_facts_signed(courier: HttpCourier, receiver: Receiver) -> None:
    notice = a_notice(receiver.url, data={"player": "Notch"}, body="{{ player }} joined {{ server.name }}")
    outcome = await courier.carry(notice)
    assert (outcome.arrived, outcome.status) == (True, 204)
    (message,) = receiver.taken
    assert message.json() == {
        "id": str(notice.delivery.event),
        "event": "player_joined",
        "at": "2026-11-21T12:30:15.123+00:00",
        "server": {"id": str(notice.server_uuid), "name": "camp"},
        "account": "ada",
        "source": "crafty",
        "data": {"player": "Notch"},
        "title": "hook",
        "text": "Notch joined camp",
    }
    seconds = int(NOW.timestamp())
    digest = hmac.new(b"whsec_x", f"{seconds}.".encode() + message.body, hashlib.sha256).hexdigest()
    assert message.headers["innkeeper-signature"] == f"t={seconds},v1={digest}"
    assert message.headers["innkeeper-event"] == str(notice.delivery.event)
    assert message.headers["innkeeper-delivery"] == str(notice.delivery.uuid)
    assert message.headers["content-type"] == "application/json"


async def test_chat_places_get_no_signature(courier: HttpCourier, receiver: Receiver) -> None:
    await courier.carry(a_notice(receiver.url, kind="discord"))
    assert "innkeeper-signature" not in receiver.taken[0].headers


async def test_a_test_says_that_it_is_one(courier: HttpCourier, receiver: Receiver) -> None:
    await courier.carry(a_notice(receiver.url, kind="discord", happening="test"))
    said = receiver.taken[0].json()
    assert (said["embeds"][0]["title"], said["username"]) == ("Test Webhook: hook", "Innkeeper Webhooks Tester")


@pytest.mark.parametrize(
    ("answer", "lasting"),
    [
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
        ("429 Too Many Requests", False),
        ("408 Request Timeout", False),
        ("425 Too Early", False),
        ("400 Bad Request", True),
        ("404 Not Found", True),
        ("410 Gone", True),
    ],
)
async def test_a_refusal_lasts_or_does_not(
    courier: HttpCourier, receiver: Receiver, answer: str, lasting: bool
) -> None:
    receiver.answers, receiver.text = [answer], b'{"message":\x1b "no"}\n'
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.arrived, outcome.lasting, outcome.status) == (False, lasting, int(answer[:3]))
    assert outcome.reason == f'HTTP {answer[:3]}: {{"message": "no"}}'


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("17", timedelta(seconds=17)),
        ("Sat, 21 Nov 2026 12:31:15 GMT", timedelta(seconds=59, microseconds=876544)),
        ("Sat, 21 Nov 2020 12:31:15 GMT", timedelta(0)),
        ("soon", None),
        ("", None),
        ("99999999999999", None),
        ("Sat, 21 Nov 2026 12:31:15 +99999999999999999999", None),
    ],
)
async def test_it_is_heard_when_to_come_again(
    courier: HttpCourier, receiver: Receiver, value: str, wait: timedelta | None
) -> None:
    receiver.answers, receiver.headers = ["429 Too Many Requests"], {"Retry-After": value}
    assert (await courier.carry(a_notice(receiver.url))).retry_after == wait


async def test_who_never_answers_is_waited_for_only_so_long(receiver: Receiver) -> None:
    receiver.answers = [NEVER]
    courier = HttpCourier(notifiers(), networks=LOOPBACK, patience_s=0.2)
    outcome = await courier.carry(a_notice(receiver.url))
    await courier.aclose()
    assert (outcome.arrived, outcome.lasting, outcome.status) == (False, False, None)
    assert "no answer within 0.2 seconds" in outcome.reason


async def test_of_an_endless_answer_the_beginning_is_read(courier: HttpCourier, receiver: Receiver) -> None:
    receiver.answers = [ENDLESS]
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.status, outcome.lasting) == (500, False)
    assert len(outcome.reason) < 250


async def test_a_connection_that_breaks_is_tried_again(courier: HttpCourier, receiver: Receiver) -> None:
    receiver.answers = [BROKEN]
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.arrived, outcome.lasting, bool(outcome.reason)) == (False, False, True)


async def test_nobody_at_the_port_is_tried_again(courier: HttpCourier, receiver: Receiver) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    outcome = await courier.carry(a_notice(f"http://127.0.0.1:{port}/"))
    assert (outcome.arrived, outcome.lasting) == (False, False)


# -- where it may go --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "0"])
async def test_nothing_is_sent_to_this_host(receiver: Receiver, host: str) -> None:
    courier = HttpCourier(notifiers())
    outcome = await courier.carry(a_notice(receiver.url.replace("127.0.0.1", host)))
    await courier.aclose()
    assert (outcome.arrived, outcome.lasting, receiver.taken) == (False, True, [])
    assert "address that webhooks may not reach" in outcome.reason


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_to_the_clouds_own_address_is_refused(
    courier: HttpCourier, receiver: Receiver, status: str
) -> None:
    receiver.answers, receiver.headers = [status], {"Location": "http://169.254.169.254/latest/meta-data/"}
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.arrived, outcome.lasting) == (False, True)
    assert outcome.reason == "169.254.169.254 leads to an address that webhooks may not reach"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "304 Not Modified"])
async def test_a_redirect_that_would_lose_the_message_is_not_followed(
    courier: HttpCourier, receiver: Receiver, status: str
) -> None:
    receiver.answers, receiver.headers = [status], {"Location": receiver.url}
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.arrived, outcome.lasting, len(receiver.taken)) == (False, True, 1)
    assert "it has moved" in outcome.reason


async def test_a_redirect_that_keeps_the_message_is_followed(courier: HttpCourier, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = ["307 Temporary Redirect"], {"Location": "/elsewhere"}
    assert (await courier.carry(a_notice(receiver.url))).arrived
    first, second = receiver.taken
    assert (second.method, second.path, second.body) == ("POST", "/elsewhere", first.body)
    assert second.headers["innkeeper-signature"] == first.headers["innkeeper-signature"]


async def test_redirects_come_to_an_end(courier: HttpCourier, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = ["308 Permanent Redirect"] * 9, {"Location": receiver.url}
    outcome = await courier.carry(a_notice(receiver.url))
    assert (outcome.lasting, len(receiver.taken)) == (True, 4)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[::1"])
async def test_a_redirect_to_nonsense_is_refused(courier: HttpCourier, receiver: Receiver, place: str) -> None:
    receiver.answers, receiver.headers = ["307 Temporary Redirect"], {"Location": place}
    assert (await courier.carry(a_notice(receiver.url))).lasting


async def test_what_stands_before_the_host_is_for_that_host_alone(courier: HttpCourier, receiver: Receiver) -> None:
    async with Receiver.open() as other:
        receiver.answers, receiver.headers = ["307 Temporary Redirect"], {"Location": other.url}
        await courier.carry(a_notice(receiver.url.replace("//", "//ada:p%40ss@")))
        expected = "Basic " + base64.b64encode(b"ada:p@ss").decode()
        assert receiver.taken[0].headers["authorization"] == expected
        assert "authorization" not in other.taken[0].headers


async def test_no_proxy_of_the_environment_is_asked(
    courier: HttpCourier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await courier.carry(a_notice(receiver.url))).arrived


async def test_a_certificate_of_nobody_is_not_believed() -> None:
    # Bytes that are no TLS at all are what a plain port answers.
    async with Receiver.open() as receiver:
        courier = HttpCourier(notifiers(), networks=LOOPBACK, tls=ssl.create_default_context(), patience_s=1.0)
        outcome = await courier.carry(a_notice(receiver.url.replace("http:", "https:")))
        await courier.aclose()
    assert (outcome.arrived, outcome.lasting, receiver.taken) == (False, False, [])


# -- when it is made --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://example.org/"),
        ("url", "example.org"),
        ("url", ""),
        ("url", "http://"),
        ("url", "http://exa mple.org:x/"),
        ("url", "http://xn--a/"),
        ("url", "http://example.org:99999/"),
        ("url", "http://169.254.169.254/latest"),
        ("url", "http://[::ffff:10.0.0.1]/"),
        ("body", "{{ player"),
        ("body", "{{ ''.__class__ }}"),
        ("body", "{% for x in range(10**9) %}x{% endfor %}"),
        ("body", "{{ nobody }}"),
    ],
)
def test_what_can_never_do_is_refused_at_once(courier: HttpCourier, field: str, value: str) -> None:
    notice = a_notice("https://example.org/hook")
    courier.check(notice.webhook)
    wrong = msgspec.structs.replace(notice.webhook, **{field: value})
    with pytest.raises(WebhookIsInvalid) as refused:
        courier.check(wrong)
    assert refused.value.data["field"] == field


async def test_a_body_that_cannot_be_rendered_fails_alone(courier: HttpCourier, receiver: Receiver) -> None:
    outcome = await courier.carry(a_notice(receiver.url, body="{{ nobody }}"))
    assert (outcome.arrived, outcome.lasting, receiver.taken) == (False, True, [])
    assert "nobody" in outcome.reason
