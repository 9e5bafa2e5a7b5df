"""What happens is told: in its order, once, tried again with patience, given up visibly, and never in anybody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from innkeeper.core.happenings import Happening
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, Limits, OnlinePlayer, Usage
from innkeeper.core.webhooks.errors import TooManyTests
from innkeeper.core.webhooks.model import Delivery, Notice, Outcome, Webhook, WebhookChanges, WebhookDraft
from innkeeper.core.webhooks.noting import MOST_WAITING
from innkeeper.core.webhooks.queue import AT_ONCE_OF_A_SERVER, LEASE, MOST_ATTEMPTS, TESTS_ALLOWED
from innkeeper.core.work import Work
from innkeeper.storage.errors import DatabaseIsUnavailable
from innkeeper.testing.gateways import seen_as
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock, restarted

ARRIVED = Outcome(arrived=True, status=204)
BUSY = Outcome(arrived=False, status=503, reason="HTTP 503")
REFUSED = Outcome(arrived=False, status=404, reason="HTTP 404", lasting=True)


class ScriptedCourier:
    """Carries nothing; answers with `outcomes`, oldest first, then with ARRIVED."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.carried: list[Notice] = []
        self.gate: asyncio.Event | None = None
        self.busy = 0
        self.most_busy = 0
        self.taken = asyncio.Event()

    def check(self, webhook: Webhook) -> None:
        pass

    async def carry(self, notice: Notice) -> Outcome:
        self.carried.append(notice)
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        self.taken.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.busy -= 1
        return self.outcomes.pop(0) if self.outcomes else ARRIVED

    async def busy_with(self, count: int) -> None:
        """Return once so many messages are on their way."""
        async with asyncio.timeout(10):
            while self.busy < count:
                await self.next()

    async def next(self) -> None:
        """Return when the next message is taken."""
        self.taken.clear()
        await self.taken.wait()

    @property
    def told(self) -> list[str]:
        return [notice.delivery.happening for notice in self.carried]


@pytest.fixture
def courier() -> ScriptedCourier:
    return ScriptedCourier()


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock, courier: ScriptedCourier) -> AsyncIterator[House]:
    async with House.open(tmp_path, clock=clock, courier=courier) as opened:
        yield opened


async def hook(house: House, server: Record, *triggers: str, **fields: Any) -> Webhook:
    wanted = WebhookDraft(
        name=fields.pop("name", "hook"),
        kind="json",
        url="https://example.org",
        triggers=frozenset(triggers),
        **fields,
    )
    return await house.product.webhooks.create(house.actor(house.root), server, wanted)


async def sent_all(house: House) -> int:
    """Send until nothing is due."""
    count = 0
    while found := await house.product.webhooks.queue.tick():
        count += found
    return count


async def deliveries(house: House, server: Record, webhook: Webhook) -> list[Delivery]:
    page = await house.product.webhooks.deliveries(house.actor(house.root), server, webhook.id, 100)
    return page.items


async def happened(house: House, server: Record, key: str, kind: Any = "backup_finished", **fields: Any) -> None:
    async with house.database.works() as work:
        await house.product.happenings.note(
            work, Happening(kind=kind, server_id=server.server.id, at=house.clock.now(), key=key, **fields)
        )


async def stopped(house: House, server: Record) -> None:
    """Stop a server, whose node says how its game ended."""
    await house.product.servers.stop(house.actor(house.root), server)
    await house.settle()
    end = LastExit(code=0, signal=None, at=house.clock.now(), clean=True, reason="exit code 0")
    await house.gateway.see(server.server.uuid, seen_as(house.gateway.live(State.STOPPED), last_exit=end))


# -- what is told -----------------------------------------------------------------------------------------------------


async def test_a_whole_life_is_told_in_its_order(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server, root = await house.server(), house.actor(house.root)
    await hook(house, server, "started", "ready", "stopped", "killed", "command_sent", "updated")
    clock.advance(seconds=1)
    await house.product.servers.start(root, server)
    await house.settle()
    await house.product.console.command(root, server, "say hello")
    clock.advance(seconds=1)
    await stopped(house, server)
    clock.advance(seconds=1)
    await house.product.servers.reinstall(root, server)
    await house.settle()
    await sent_all(house)
    assert courier.told == ["started", "ready", "command_sent", "stopped", "updated"]
    assert {notice.account for notice in courier.carried} == {"root"}
    command = courier.carried[2].delivery.facts
    assert command is not None
    assert command.data == {"command": "say hello"}


async def test_the_first_installation_is_no_update(house: House, courier: ScriptedCourier) -> None:
    house.gateway.obeys = False
    server = await house.server()
    await hook(house, server, "updated")
    await house.gateway.carry_out(server.server.uuid)
    assert house.now(server).live.state is State.STOPPED
    assert await sent_all(house) == 0


async def test_what_was_so_before_is_not_told(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server = await house.server(start=True)
    await house.settle()
    clock.advance(minutes=5)
    await hook(house, server, "started", "ready", "player_joined")
    await house.gateway.see(server.server.uuid, seen_as(house.now(server).live, reason="well"))
    assert await sent_all(house) == 0


async def test_only_what_is_wanted_is_told_to_whom_it_is_wanted_by(house: House, courier: ScriptedCourier) -> None:
    server, other = await house.server(), await house.server(name="other")
    await hook(house, server, "backup_finished", name="one")
    await hook(house, server, "backup_failed", name="two")
    await hook(house, other, "backup_finished", name="three")
    await hook(house, server, "backup_finished", name="four", enabled=False)
    await happened(house, server, "a")
    await sent_all(house)
    assert [notice.webhook.name for notice in courier.carried] == ["one"]


async def test_noted_twice_it_is_told_once(house: House, courier: ScriptedCourier) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    for _ in range(3):
        await happened(house, server, "a")
        await sent_all(house)
    await happened(house, server, "b")
    await sent_all(house)
    assert len(courier.carried) == 2
    assert [one.state for one in await deliveries(house, server, webhook)] == ["done", "done"]


async def test_what_is_rolled_back_is_not_told(house: House, courier: ScriptedCourier) -> None:
    server = await house.server()
    await hook(house, server, "backup_finished")
    with pytest.raises(RuntimeError):
        async with house.database.works() as work:
            await house.product.happenings.note(
                work,
                Happening(kind="backup_finished", server_id=server.server.id, at=house.clock.now(), key="a"),
            )
            raise RuntimeError
    assert await sent_all(house) == 0


async def test_what_is_long_past_is_not_told(house: House, clock: FakeClock) -> None:
    server = await house.server()
    await hook(house, server, "backup_finished")
    clock.advance(days=3)
    async with house.database.works() as work:
        old = Happening(kind="backup_finished", server_id=server.server.id, at=clock.now() - timedelta(days=2), key="a")
        await house.product.happenings.note(work, old)
    assert await sent_all(house) == 0


async def test_players_are_told_though_nothing_else_of_the_server_changes(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    await house.settle()
    await hook(house, server, "player_joined", "player_left")
    clock.advance(minutes=1)
    jeb = OnlinePlayer(name="jeb_", since=clock.now())
    live = house.now(server).live
    await house.gateway.see(server.server.uuid, seen_as(live, players=(jeb,)))
    await house.gateway.see(server.server.uuid, seen_as(live, players=(jeb,)))
    await house.gateway.see(server.server.uuid, seen_as(live, players=()))
    await sent_all(house)
    assert courier.told == ["player_joined", "player_left"]


async def test_who_left_while_the_panel_was_down_is_told_after_its_restart(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server(start=True)
    await house.settle()
    await hook(house, server, "player_joined", "player_left", "started")
    clock.advance(minutes=1)
    live = house.now(server).live
    jeb = OnlinePlayer(name="jeb_", since=clock.now())
    await house.gateway.see(server.server.uuid, seen_as(live, players=(jeb,)))
    again = await restarted(house)
    await again.product.webhooks.load()
    await again.gateway.see(server.server.uuid, seen_as(live, players=()))
    await sent_all(house)
    assert courier.told == ["player_joined", "player_left"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("exit code 1", ["crashed"]), ("out of memory (the limit is 512 MiB)", ["out_of_memory", "crashed"])],
)
async def test_a_crash_is_told_with_its_reason(
    house: House, courier: ScriptedCourier, clock: FakeClock, reason: str, told: list[str]
) -> None:
    server = await house.server(start=True)
    await house.settle()
    await hook(house, server, "crashed", "out_of_memory")
    clock.advance(minutes=1)
    end = LastExit(code=1, signal=None, at=clock.now(), clean=False, reason=reason)
    await house.gateway.see(server.server.uuid, seen_as(house.gateway.live(State.CRASHED), last_exit=end))
    await sent_all(house)
    assert courier.told == told
    facts = courier.carried[0].delivery.facts
    assert facts is not None
    assert (facts.data["reason"], facts.account_id) == (reason, None)


async def test_a_disk_that_fills_is_told_once_until_it_has_emptied(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server(start=True, limits=Limits(disk_mib=1000, memory_mib=512))
    await house.settle()
    await hook(house, server, "disk_nearly_full")
    for percent in (80, 91, 89, 95, 86, 84, 89, 90, 92):
        used = percent * 1000 * 1024 * 1024 // 100
        usage = Usage(at=clock.now(), cpu_percent=1, memory_bytes=1, disk_bytes=used, players=0)
        record = house.now(server)
        house.product.directory.put_live(record.server.id, seen_as(record.live, usage=usage))
        await house.product.webhooks.look_at_disks()
        await sent_all(house)
        clock.advance(minutes=1)
    reasons = [notice.delivery.facts.data["reason"] for notice in courier.carried if notice.delivery.facts]
    assert reasons == ["91% of 1,000 MiB are used", "90% of 1,000 MiB are used"]


# -- trying again -----------------------------------------------------------------------------------------------------


async def test_what_fails_is_tried_again_ever_later_and_keeps_the_others_behind_it(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [BUSY, BUSY]
    await happened(house, server, "a")
    await happened(house, server, "b")
    assert await sent_all(house) == 1
    newer, older = await deliveries(house, server, webhook)
    assert (older.state, older.attempts, older.status, older.reason) == ("waiting", 1, 503, "HTTP 503")
    assert newer.attempts == 0
    first = older.next_at - clock.now()
    assert timedelta(seconds=7) < first < timedelta(seconds=13)
    clock.advance(seconds=13)
    assert await sent_all(house) == 1
    older = (await deliveries(house, server, webhook))[1]
    assert older.next_at - clock.now() > 2 * first
    clock.advance(minutes=1)
    assert await sent_all(house) == 2
    assert [notice.delivery.event for notice in courier.carried] == [older.event] * 3 + [newer.event]


async def test_what_never_arrives_is_given_up_within_a_day(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [BUSY] * 100
    await happened(house, server, "a")
    began = clock.now()
    for _ in range(24 * 60):
        await sent_all(house)
        clock.advance(minutes=1)
    (given_up,) = await deliveries(house, server, webhook)
    assert (given_up.state, given_up.attempts) == ("failed", MOST_ATTEMPTS)
    assert given_up.finished_at is not None
    assert timedelta(hours=4) < given_up.finished_at - began < timedelta(hours=24)


async def test_what_cannot_help_is_not_tried_again(house: House, courier: ScriptedCourier) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [REFUSED]
    await happened(house, server, "a")
    await happened(house, server, "b")
    assert await sent_all(house) == 2
    assert [one.state for one in await deliveries(house, server, webhook)] == ["done", "failed"]


async def test_who_asks_for_time_gets_it(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [Outcome(arrived=False, status=429, retry_after=timedelta(minutes=40))]
    await happened(house, server, "a")
    await sent_all(house)
    (waiting,) = await deliveries(house, server, webhook)
    assert waiting.next_at == clock.now() + timedelta(minutes=40)


async def test_a_webhook_that_fails_for_days_is_disabled_and_says_so(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server, root = await house.server(), house.actor(house.root)
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [REFUSED] * 5
    for number in range(5):
        await happened(house, server, str(number))
        await sent_all(house)
        clock.advance(days=1)
    disabled = await house.product.webhooks.get(root, server, webhook.id)
    assert (disabled.enabled, disabled.disabled_reason) == (False, "nothing has arrived for 3 days")
    await happened(house, server, "later")
    assert await sent_all(house) == 0
    entries = (await house.product.activity.of_server(server.server.id, None, 20)).items
    assert [entry.data["webhook"] for entry in entries if entry.action == "webhook.disabled"] == ["hook"]
    enabled = await house.product.webhooks.change(root, server, webhook.id, WebhookChanges(enabled=True))
    assert (enabled.failing_since, enabled.disabled_reason) == (None, None)


async def test_one_that_arrives_ends_the_failing(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server, root = await house.server(), house.actor(house.root)
    webhook = await hook(house, server, "backup_finished")
    courier.outcomes = [REFUSED, ARRIVED]
    await happened(house, server, "a")
    await sent_all(house)
    assert (await house.product.webhooks.get(root, server, webhook.id)).failing_since == clock.now()
    await happened(house, server, "b")
    await sent_all(house)
    assert (await house.product.webhooks.get(root, server, webhook.id)).failing_since is None


async def test_what_waits_for_a_webhook_that_is_disabled_or_deleted_is_given_up(
    house: House, courier: ScriptedCourier
) -> None:
    server, root = await house.server(), house.actor(house.root)
    webhook, other = await hook(house, server, "backup_finished"), await hook(house, server, "backup_finished")
    await happened(house, server, "a")
    await house.product.webhooks.change(root, server, webhook.id, WebhookChanges(enabled=False))
    await house.product.webhooks.delete(root, server, other.id)
    (given_up,) = await deliveries(house, server, webhook)
    assert (given_up.state, given_up.reason) == ("failed", "the webhook was disabled")
    assert await sent_all(house) == 0


# -- claims -----------------------------------------------------------------------------------------------------------


async def test_what_a_panel_died_over_is_sent_by_another_once_its_claim_has_run_out(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    await happened(house, server, "a")
    courier.gate = asyncio.Event()
    dying = asyncio.create_task(house.product.webhooks.queue.tick())
    await courier.busy_with(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    courier.gate = None
    assert await sent_all(house) == 0
    clock.advance(seconds=LEASE.total_seconds())
    assert await sent_all(house) == 1
    (delivery,) = await deliveries(house, server, webhook)
    assert (delivery.state, delivery.attempts) == ("done", 2)
    assert len({notice.delivery.event for notice in courier.carried}) == 1


async def test_what_every_panel_dies_over_is_given_up(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    await happened(house, server, "a")
    for _ in range(MOST_ATTEMPTS):
        async with house.database.works() as work:
            ((delivery, _),) = await work.webhooks.due(clock.now(), 10)
            assert await work.webhooks.claim(delivery.id, delivery.uuid, clock.now(), clock.now() + LEASE)
        clock.advance(seconds=60)
    await sent_all(house)
    (given_up,) = await deliveries(house, server, webhook)
    assert (given_up.state, given_up.reason, courier.carried) == ("failed", "every attempt was broken off", [])


async def test_the_hooks_of_one_server_leave_room_for_others(house: House, courier: ScriptedCourier) -> None:
    slow, quick = await house.server(), await house.server(name="quick")
    for number in range(AT_ONCE_OF_A_SERVER + 6):
        await hook(house, slow, "backup_finished", name=f"hook {number}")
    await hook(house, quick, "backup_finished", name="quick")
    await happened(house, slow, "a")
    await happened(house, quick, "a")
    courier.gate = asyncio.Event()
    sending = asyncio.create_task(house.product.webhooks.queue.tick())
    await courier.busy_with(AT_ONCE_OF_A_SERVER + 1)
    assert courier.carried[-1].webhook.name == "quick"
    courier.gate.set()
    assert await sending == AT_ONCE_OF_A_SERVER + 1
    await sent_all(house)
    assert courier.most_busy == AT_ONCE_OF_A_SERVER + 1


async def test_a_queue_does_not_grow_without_end(
    house: House, courier: ScriptedCourier, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    async with house.database.works() as work:
        for number in range(MOST_WAITING + 3):
            await house.product.happenings.note(
                work,
                Happening(kind="backup_finished", server_id=server.server.id, at=house.clock.now(), key=str(number)),
            )
        assert await work.webhooks.count_waiting(webhook.id) == MOST_WAITING


async def test_commands_do_not_wait_for_a_receiver_that_never_answers(house: House, courier: ScriptedCourier) -> None:
    server, root = await house.server(start=True), house.actor(house.root)
    await house.settle()
    await hook(house, server, "command_sent", "stopped")
    courier.gate = asyncio.Event()
    running = asyncio.create_task(house.product.webhooks.queue.run())
    async with asyncio.timeout(5):
        await house.product.console.command(root, server, "one")
        await courier.busy_with(1)
        await house.product.console.command(root, server, "two")
        await stopped(house, server)
    courier.gate.set()
    async with asyncio.timeout(5):
        while len(courier.carried) < 3:
            await courier.next()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert courier.told == ["command_sent", "command_sent", "stopped"]


# -- trying out -------------------------------------------------------------------------------------------------------


async def test_a_test_is_sent_at_once_and_once(house: House, courier: ScriptedCourier) -> None:
    server, root = await house.server(), house.actor(house.root)
    webhook = await hook(house, server, enabled=False)
    courier.outcomes = [BUSY]
    failed = await house.product.webhooks.test(root, server, webhook.id)
    assert (failed.state, failed.status, failed.happening, failed.attempts) == ("failed", 503, "test", 1)
    done = await house.product.webhooks.test(root, server, webhook.uuid)
    assert (done.state, done.status) == ("done", 204)
    assert await deliveries(house, server, webhook) == [done, failed]
    assert await sent_all(house) == 0


async def test_a_webhook_is_tested_so_often_within_so_long(
    house: House, courier: ScriptedCourier, clock: FakeClock
) -> None:
    server, root = await house.server(), house.actor(house.root)
    webhook, other = await hook(house, server), await hook(house, server)
    for _ in range(TESTS_ALLOWED):
        await house.product.webhooks.test(root, server, webhook.id)
        clock.advance(seconds=1)
    with pytest.raises(TooManyTests) as refused:
        await house.product.webhooks.test(root, server, webhook.id)
    assert refused.value.data == {"retry_after_s": 60 - TESTS_ALLOWED + 1}
    assert len(courier.carried) == TESTS_ALLOWED
    assert (await house.product.webhooks.test(root, server, other.id)).state == "done"
    clock.advance(seconds=60 - TESTS_ALLOWED + 1)
    assert (await house.product.webhooks.test(root, server, webhook.id)).state == "done"


async def test_old_messages_are_forgotten(house: House, courier: ScriptedCourier, clock: FakeClock) -> None:
    server = await house.server()
    webhook = await hook(house, server, "backup_finished")
    await happened(house, server, "a")
    await sent_all(house)
    clock.advance(days=6)
    await house.product.webhooks.prune()
    assert len(await deliveries(house, server, webhook)) == 1
    clock.advance(days=2)
    await house.product.webhooks.prune()
    assert await deliveries(house, server, webhook) == []


async def test_what_could_not_be_claimed_takes_up_no_room(house: House, courier: ScriptedCourier) -> None:
    server = await house.server()
    await hook(house, server, "backup_finished")
    await happened(house, server, "1")
    queue = house.product.webhooks.queue
    works = queue._works

    @asynccontextmanager
    async def uncommitted() -> AsyncIterator[Work]:
        async with works() as work:
            yield work
            raise DatabaseIsUnavailable

    queue._works = uncommitted
    for _ in range(AT_ONCE_OF_A_SERVER):
        with pytest.raises(DatabaseIsUnavailable):
            await queue.tick()
    queue._works = works

    assert await queue.tick() == 1
    assert courier.told == ["backup_finished"]


async def test_a_round_that_fails_ends_no_other(house: House, courier: ScriptedCourier) -> None:
    server = await house.server()
    await hook(house, server, "backup_finished")
    queue = house.product.webhooks.queue
    works, tried = queue._works, asyncio.Event()

    @asynccontextmanager
    async def broken() -> AsyncIterator[Work]:
        tried.set()
        raise RuntimeError("a fault within")
        yield

    queue._works = broken
    running = house.tasks.start(queue.run(), name="deliveries", fatal=False)
    async with asyncio.timeout(10):
        await tried.wait()
        queue._works = works
        await happened(house, server, "1")
        await courier.next()
    running.cancel()
    await asyncio.wait({running})
    assert courier.told == ["backup_finished"]
