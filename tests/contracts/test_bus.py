"""The bus contract over both buses, on both event loops; and what NATS adds: a server that dies and comes back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from time import monotonic

import pytest
from structlog.testing import capture_logs

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.bus.nats import NatsBus, NatsOptions, redact, redact_text
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.bus_suite import DEADLINE_S, SOON, BusSuite, Inbox, Peers, echo, eventually
from innkeeper.testing.nats_server import NatsServer
from innkeeper.wire.bus import Bus, BusError, BusIsDown, Message, NoResponder, matches

HOUR = timedelta(hours=1)
PATIENCE = timedelta(seconds=1)


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with NatsServer() as running:
        yield running


def reaching(*urls: str, **further: object) -> NatsOptions:
    options: dict[str, object] = {
        "retry_first": timedelta(milliseconds=10),
        "retry_most": timedelta(milliseconds=100),
        "ping_interval": timedelta(milliseconds=200),
        "close_patience": PATIENCE,
        **further,
    }
    return NatsOptions(urls, **options)  # type: ignore[arg-type]


class TestInProcessBus(BusSuite):
    @pytest.fixture
    async def peers(self) -> AsyncIterator[Peers]:
        async with InProcessBus(close_patience=PATIENCE) as bus:
            yield bus, bus


class TestNatsBus(BusSuite):
    @pytest.fixture
    async def peers(self, server: NatsServer) -> AsyncIterator[Peers]:
        options = reaching(server.url)
        async with await NatsBus.connect(options) as near, await NatsBus.connect(options) as far:
            yield near, far


class States:
    """What a bus said of its connection, in order."""

    def __init__(self, bus: Bus) -> None:
        self.heard: list[bool] = []
        self._changed = asyncio.Event()
        self.undo = bus.on_state(self._hear)

    def _hear(self, connected: bool) -> None:
        self.heard.append(connected)
        self._changed.set()

    async def until(self, *heard: bool) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.heard != list(heard):
                self._changed.clear()
                await self._changed.wait()


async def answers(bus: Bus, subject: str) -> bool:
    """Tell whether `subject` answers by now; any other failure of a bus than the expected ones is the test's."""
    try:
        return await bus.request(subject, b"?", timedelta(seconds=1)) == b"?"
    except BusError:
        return False


async def test_a_killed_server_is_noticed_and_after_its_restart_everything_works_again(server: NatsServer) -> None:
    options = reaching(server.url)
    async with await NatsBus.connect(options) as near, await NatsBus.connect(options) as far:
        near_states, far_states = States(near), States(far)
        inbox = Inbox()
        await far.subscribe("a.>", inbox, name="survivor")
        await far.serve("q", echo, name="echo", group="workers")
        await near.publish("a.b", b"before")
        await inbox.until(1)
        for cycle in range(1, 3):
            with capture_logs():
                await server.kill()
                await near_states.until(*[False, True] * (cycle - 1), False)
                await far_states.until(*[False, True] * (cycle - 1), False)
                assert not near.connected
                with pytest.raises(BusIsDown):
                    await near.publish("a.b", b"lost")
                with pytest.raises(BusIsDown):
                    await near.request("q", b"lost", HOUR)
                await server.restart()
                await near_states.until(*[False, True] * cycle)
                await far_states.until(*[False, True] * cycle)
            assert near.connected and far.connected
            # Both said that they are back: nothing needs to be tried twice now.
            assert await near.request("q", b"again", SOON) == b"again"
            await near.publish("a.b", b"after %d" % cycle)
            await inbox.until(1 + cycle)
        assert inbox.payloads == [b"before", b"after 1", b"after 2"]


async def test_requests_in_flight_fail_as_soon_as_the_connection_goes(server: NatsServer) -> None:
    options = reaching(server.url)
    async with await NatsBus.connect(options) as near, await NatsBus.connect(options) as far:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def slow(payload: bytes) -> bytes:
            begun.set()
            await gate.wait()
            return payload

        await far.serve("slow", slow, name="slow")
        states = States(far)
        with capture_logs() as events:
            async with TaskSet("test") as tasks, asyncio.timeout(DEADLINE_S):
                asked = tasks.start(near.request("slow", b"", HOUR), name="asker", fatal=False)
                await begun.wait()
                await server.kill()
                with pytest.raises(BusIsDown):
                    await asked
                await states.until(False)
                gate.set()
                await eventually(lambda: logged(events, "bus.answer.lost"))


async def logged(events: list[dict[str, object]], event: str) -> bool:
    return any(entry["event"] == event for entry in events)


async def test_a_server_that_stops_answering_is_noticed_by_its_silence(server: NatsServer) -> None:
    async with await NatsBus.connect(reaching(server.url)) as bus:
        states = States(bus)
        await bus.serve("q", echo, name="echo")
        with capture_logs():
            await server.suspend()
            try:
                await states.until(False)
            finally:
                await server.resume()
            await states.until(False, True)
        assert await bus.request("q", b"again", SOON) == b"again"


async def test_interest_declared_and_withdrawn_while_disconnected_holds_at_the_next_connection(
    server: NatsServer,
) -> None:
    options = reaching(server.url)
    async with await NatsBus.connect(options) as near, await NatsBus.connect(options) as far:
        near_states, far_states = States(near), States(far)
        gone = await far.serve("gone", echo, name="gone")
        inbox = Inbox()
        with capture_logs():
            await server.kill()
            await far_states.until(False)
            await gone.close()
            await far.subscribe("new", inbox, name="new")
            await far.serve("q", echo, name="new too")
            await server.restart()
            await far_states.until(False, True)
            await near_states.until(False, True)
        with pytest.raises(NoResponder):
            await near.request("gone", b"", HOUR)
        assert await near.request("q", b"new", SOON) == b"new"
        await near.publish("new", b"1")
        await inbox.until(1)


async def test_a_bus_goes_to_another_server_when_its_own_dies(server: NatsServer) -> None:
    async with NatsServer() as other:
        await other.stop()
        async with await NatsBus.connect(reaching(other.url, server.url)) as bus:
            states = States(bus)
            await bus.serve("q", echo, name="echo")
            await other.restart()
            with capture_logs():
                await server.kill()
                await states.until(False, True)
            assert await bus.request("q", b"moved", SOON) == b"moved"


async def test_a_server_that_turns_us_away_is_asked_again_until_it_lets_us_in(server: NatsServer) -> None:
    secret = "swordfish"
    guarded = NatsServer(("--user", "innkeeper", "--pass", secret))
    async with guarded:
        wrong = reaching(guarded.url.replace("//", "//innkeeper:wrong-word@"))
        with capture_logs() as events:
            with pytest.raises(BusIsDown) as refused:
                await NatsBus.connect(wrong, within=timedelta(milliseconds=500))
            right = reaching(guarded.url.replace("//", f"//innkeeper:{secret}@"))
            async with await NatsBus.connect(right) as bus:
                await bus.serve("q", echo, name="echo")
                states = States(bus)
                await guarded.kill()
                await states.until(False)
                with pytest.raises(BusIsDown) as down:
                    await bus.publish("a", b"")
                # Comes back as a server with another password, later as itself.
                guarded._arguments = ("--user", "innkeeper", "--pass", "changed")
                await guarded.restart()
                await eventually(lambda: logged(events, "bus.nats.unreachable"))
                guarded._arguments = ("--user", "innkeeper", "--pass", secret)
                await guarded.restart()
                await states.until(False, True)
                assert await bus.request("q", b"in", SOON) == b"in"
        told = f"{events}{refused.value}{down.value}"
        assert secret not in told and "wrong-word" not in told
        assert "innkeeper:***@127.0.0.1" in told


async def test_connecting_to_nobody_fails_within_its_time_and_leaves_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        url = f"nats://127.0.0.1:{taken.getsockname()[1]}"
        begun = monotonic()
        with capture_logs(), pytest.raises(BusIsDown, match="no connection"):
            await NatsBus.connect(reaching(url), within=timedelta(milliseconds=300))
        assert monotonic() - begun < DEADLINE_S


async def test_a_bus_told_not_to_wait_connects_when_the_server_appears(server: NatsServer) -> None:
    await server.stop()
    with capture_logs():
        async with await NatsBus.connect(reaching(server.url), within=None) as bus:
            states = States(bus)
            await bus.serve("q", echo, name="echo")
            assert not bus.connected
            await server.restart()
            await states.until(True)
            assert await bus.request("q", b"late", SOON) == b"late"


async def test_a_bus_closes_in_good_time_while_its_server_is_dead_or_silent(server: NatsServer) -> None:
    dead = await NatsBus.connect(reaching(server.url))
    silent = await NatsBus.connect(reaching(server.url, ping_interval=timedelta(seconds=60)))
    await silent.subscribe("a", Inbox(), name="a")
    with capture_logs() as events:
        async with asyncio.timeout(DEADLINE_S + 5):
            await server.suspend()
            try:
                await silent.aclose()
            finally:
                await server.resume()
            await server.kill()
            await dead.aclose()
        assert not any(event["event"] == "tasks.stop.stuck" for event in events)


async def test_a_responder_leaving_its_group_loses_no_request(server: NatsServer) -> None:
    async with (
        await NatsBus.connect(reaching(server.url)) as asker,
        await NatsBus.connect(reaching(server.url)) as staying,
        await NatsBus.connect(reaching(server.url)) as leaving,
    ):
        await staying.serve("q", echo, name="staying", group="workers")
        stop = asyncio.Event()
        asked = 0

        async def ask() -> None:
            nonlocal asked
            while not stop.is_set():
                assert await asker.request("q", b"?", SOON) == b"?"
                asked += 1

        async with TaskSet("askers") as tasks:
            for number in range(8):
                tasks.start(ask(), name=f"asker {number}")
            for _ in range(20):
                member = await leaving.serve("q", echo, name="leaving", group="workers")
                before = asked
                await eventually(lambda before=before: more_than(asked, before + 20))  # type: ignore[misc]
                await member.close()
            stop.set()


async def more_than(number: int, bound: int) -> bool:
    return number > bound


async def test_two_installations_share_a_server_without_hearing_each_other(server: NatsServer) -> None:
    async with (
        await NatsBus.connect(reaching(server.url, prefix="east")) as east,
        await NatsBus.connect(reaching(server.url, prefix="west")) as west,
    ):
        heard, own = Inbox(), Inbox()
        await west.subscribe(">", heard, name="west")
        await east.subscribe(">", own, name="east")
        await west.serve("q", echo, name="echo")
        await east.publish("a", b"east")
        with pytest.raises(NoResponder):
            await east.request("q", b"", HOUR)
        await west.publish("a", b"west")
        await heard.until(1)
        await own.until(1)
        assert heard.messages == [Message("a", b"west")]
        assert own.messages == [Message("a", b"east")]


async def test_a_state_callback_that_raises_silences_no_other_and_one_withdrawn_hears_nothing(
    server: NatsServer,
) -> None:
    async with await NatsBus.connect(reaching(server.url)) as bus:
        withdrawn = States(bus)

        def breaks(connected: bool) -> None:
            raise RuntimeError

        bus.on_state(breaks)
        states = States(bus)
        withdrawn.undo()
        withdrawn.undo()
        with capture_logs() as events:
            await server.kill()
            await states.until(False)
        assert withdrawn.heard == []
        assert await logged(events, "bus.state_callback.failed")


async def test_the_in_process_bus_is_connected_until_it_is_closed_and_announces_nothing() -> None:
    bus = InProcessBus()
    states = States(bus)
    assert bus.connected
    await bus.aclose()
    assert not bus.connected
    assert states.heard == []


async def test_a_publisher_in_a_tight_loop_overruns_no_in_process_subscriber_that_keeps_up() -> None:
    async with InProcessBus() as bus:
        count = 0
        done = asyncio.Event()

        async def handler(message: Message) -> None:
            nonlocal count
            count += 1
            if count == 200_000:
                done.set()

        subscription = await bus.subscribe("a", handler, name="counter")
        for _ in range(200_000):
            await bus.publish("a", b"x")
        async with asyncio.timeout(DEADLINE_S):
            await done.wait()
        assert subscription.dropped == 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@host:4222", "nats://user:***@host:4222"),
        ("nats://token@host", "nats://***@host"),
        ("user:se@cret@host", "nats://user:***@host"),
        ("nats://host:4222", "nats://host:4222"),
        ("host:4222", "host:4222"),
    ],
)
def test_passwords_and_tokens_in_addresses_are_never_shown(url: str, shown: str) -> None:
    assert redact(url) == shown
    assert redact_text(f"cannot reach nats://a:secret@host now, nor {shown}").count("secret") == 0


def test_patterns_cover_what_they_say() -> None:
    assert matches("a.*.c", "a.b.c")
    assert not matches("a.*.c", "a.b.d")
    assert not matches("a.*", "a.b.c")
    assert not matches("a.>", "a")
    assert matches(">", "a")
