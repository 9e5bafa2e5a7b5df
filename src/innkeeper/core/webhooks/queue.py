"""The queue of deliveries: claimed by one panel at a time, sent in order, tried again, given up visibly.

    a round ──▶ due: of each webhook the oldest ──claim (a lease)──▶ courier ──▶ done
                                                                        └──▶ waits (back-off) or failed

Knows when a message is sent and what its outcome means; how it travels is the courier's. A panel that dies while it
sends leaves its claim to run out: another one sends again then, with the same event id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from innkeeper.core.activity.service import ActivityService
from innkeeper.core.errors import Unavailable
from innkeeper.core.servers.directory import ServerDirectory
from innkeeper.core.webhooks.errors import TooManyTests
from innkeeper.core.webhooks.model import TEST, Courier, Delivery, Notice, Outcome, Webhook
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet

log = get_logger(__name__)

AT_ONCE = 16
"""Messages that a panel sends at the same time, and how many of them may be of one server."""
AT_ONCE_OF_A_SERVER = 4
LEASE = timedelta(seconds=60)
"""For how long a claim holds: well longer than a courier may take."""
ROUND_S = 2.0
"""How often what has become due is looked for."""
MOST_ATTEMPTS = 8
GIVEN_UP_AFTER = timedelta(hours=24)
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(hours=6)
DISABLED_AFTER = timedelta(days=3)
"""A webhook of which nothing has arrived for so long is disabled."""
TESTS_ALLOWED, TESTS_WINDOW = 5, timedelta(minutes=1)
"""A webhook is tested so often within so long: each test makes a panel ask another's host, and wait for it."""
_CLOSING_S = 3.0
_KEEPING_S = (0.2, 1.0, 3.0, 10.0)


class DeliveryQueue:
    """Sends what waits. `run` does so for ever, `tick` what is due now."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        servers: ServerDirectory,
        activity: ActivityService,
        courier: Courier,
        username_of: Callable[[int], str],
        spread: Callable[[], float],
    ) -> None:
        self._works = works
        self._clock = clock
        self._servers = servers
        self._activity = activity
        self._courier = courier
        self._username_of = username_of
        self._spread = spread
        self._woken = asyncio.Event()
        self._under_way: Counter[int] = Counter()
        """Messages being sent, by server."""

    def wake(self) -> None:
        """Have a round made at once: something was queued."""
        self._woken.set()

    async def run(self) -> None:
        """Send whatever is due, until cancelled; what is on its way by then is given a moment."""
        async with TaskSet("deliveries") as tasks:
            try:
                while True:
                    await self._round(tasks)
                    await self._next_round()
            except asyncio.CancelledError:
                try:
                    async with asyncio.timeout(_CLOSING_S):
                        await tasks.wait()
                except TimeoutError:
                    log.warning("webhook.deliveries.cut_off", deliveries=len(tasks))
                raise

    async def tick(self) -> int:
        """Send what is due now, each webhook's oldest; return how many were tried."""
        claimed = await self._claim(AT_ONCE)
        await asyncio.gather(*(self._deliver(delivery, webhook) for delivery, webhook in claimed))
        return len(claimed)

    async def send_test(self, webhook: Webhook) -> Delivery:
        """Send a message that says nothing but that messages arrive; once, and now.

        Raises TooManyTests, with `retry_after_s`, where that was done TESTS_ALLOWED times within TESTS_WINDOW.
        """
        now = self._clock.now()
        delivery = Delivery(
            id=0,
            uuid=uuid7(),
            webhook_id=webhook.id,
            event=uuid7(),
            happening=TEST,
            facts=None,
            attempts=1,
            next_at=now,
            claim=uuid7(),
            claimed_until=now + LEASE,
            created_at=now,
        )
        async with self._works() as work:
            await work.webhooks.get(webhook.server_id, webhook.id, hold=True)  # two at once are counted as two
            tests = await work.webhooks.made_since(webhook.id, TEST, now - TESTS_WINDOW)
            if len(tests) >= TESTS_ALLOWED:
                rest = tests[-TESTS_ALLOWED] + TESTS_WINDOW - now
                raise TooManyTests(retry_after_s=int(rest.total_seconds()) + 1)
            delivery = replace(delivery, id=await work.webhooks.queue(delivery) or 0)
        return await self._attempt(delivery, webhook)

    # -- within -----------------------------------------------------------------------------------------------------

    async def _next_round(self) -> None:
        try:
            async with asyncio.timeout(ROUND_S):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _round(self, tasks: TaskSet) -> None:
        try:
            for delivery, webhook in await self._claim(AT_ONCE - len(tasks)):
                tasks.start(self._deliver_and_go_on(delivery, webhook), name=f"delivery {delivery.id}", fatal=False)
        except Unavailable as error:
            log.warning("webhook.round.failed", error=str(error))
        except Exception:
            log.exception("webhook.round.failed")

    async def _deliver_and_go_on(self, delivery: Delivery, webhook: Webhook) -> None:
        await self._deliver(delivery, webhook)
        self.wake()  # the webhook's next one may be due

    async def _claim(self, most: int) -> list[tuple[Delivery, Webhook]]:
        """Claim what is due, no more of one server than may be sent at once."""
        claimed: list[tuple[Delivery, Webhook]] = []
        if most <= 0:
            return claimed
        now, claim = self._clock.now(), uuid7()
        until, fresh = now + LEASE, Counter[int]()
        async with self._works() as work:
            for delivery, webhook in await work.webhooks.due(now, 10 * AT_ONCE):
                if len(claimed) >= most:
                    break
                if self._under_way[webhook.server_id] + fresh[webhook.server_id] >= AT_ONCE_OF_A_SERVER:
                    continue
                if await work.webhooks.claim(delivery.id, claim, now, until):
                    fresh[webhook.server_id] += 1
                    mine = replace(delivery, claim=claim, claimed_until=until, attempts=delivery.attempts + 1)
                    claimed.append((mine, webhook))
        self._under_way += fresh  # not before the commit: what came to nothing is not under way
        return claimed

    async def _deliver(self, delivery: Delivery, webhook: Webhook) -> None:
        try:
            await self._attempt(delivery, webhook)
        finally:
            self._under_way[webhook.server_id] -= 1
            self._under_way += Counter()  # drops what is at zero

    async def _attempt(self, delivery: Delivery, webhook: Webhook) -> Delivery:
        """Send a claimed delivery and keep what became of it."""
        server = self._servers.get(webhook.server_id).server
        account_id = delivery.facts.account_id if delivery.facts else None
        notice = Notice(
            webhook=webhook,
            delivery=delivery,
            server_uuid=server.uuid,
            server_name=server.name,
            account=self._username_of(account_id) if account_id is not None else "",
        )
        if delivery.attempts > MOST_ATTEMPTS:  # panels ended in the midst of each
            outcome = Outcome(arrived=False, lasting=True, reason="every attempt was broken off")
        else:
            outcome = await self._courier.carry(notice)
        ended = self._after(delivery, outcome)
        log.info(
            "webhook.delivered" if outcome.arrived else "webhook.delivery.failed",
            webhook=str(webhook.uuid),
            happening=delivery.happening,
            attempt=delivery.attempts,
            status=outcome.status,
            reason=outcome.reason if outcome.status is None else None,  # what others say may hold secrets
        )
        await self._keep(delivery, ended, webhook)
        return ended

    def _after(self, delivery: Delivery, outcome: Outcome) -> Delivery:
        """Return a delivery as it is after an attempt."""
        now = self._clock.now()
        ended = replace(
            delivery, claim=None, claimed_until=None, status=outcome.status, reason=outcome.reason, finished_at=now
        )
        if outcome.arrived:
            return replace(ended, state="done")
        next_at = now + self._delay(delivery.attempts, outcome)
        last = delivery.attempts >= MOST_ATTEMPTS or next_at > delivery.created_at + GIVEN_UP_AFTER
        if outcome.lasting or last or delivery.happening == TEST:
            return replace(ended, state="failed")
        return replace(ended, next_at=next_at, finished_at=None)

    def _delay(self, attempts: int, outcome: Outcome) -> timedelta:
        delay = min(FIRST_DELAY * 4.0 ** (attempts - 1), LONGEST_DELAY)
        delay *= 0.75 + 0.5 * self._spread()
        return max(delay, min(outcome.retry_after or timedelta(0), LONGEST_DELAY))

    async def _keep(self, claimed: Delivery, ended: Delivery, webhook: Webhook) -> None:
        """Keep what became of an attempt; while the database does not answer, try as long as the claim holds."""
        for seconds in (*_KEEPING_S, None):
            try:
                async with self._works() as work:
                    # First of all, as whoever changes or deletes it does: nobody waits in a circle.
                    kept = await work.webhooks.get(webhook.server_id, webhook.id, hold=True)
                    if claimed.claim is None or not await work.webhooks.finish(ended, claimed.claim):
                        log.warning("webhook.delivery.claim_lost", delivery=str(ended.uuid))
                        return
                    if kept is not None:
                        await self._note_health(work, ended, kept)
                return
            except Unavailable as error:
                log.warning("webhook.delivery.unkept", delivery=str(ended.uuid), error=str(error))
                if seconds is not None:
                    await asyncio.sleep(seconds)

    async def _note_health(self, work: Work, ended: Delivery, kept: Webhook) -> None:
        """Keep since when nothing of a webhook arrives; disable it where that is too long."""
        now = self._clock.now()
        if ended.state == "done":
            if kept.failing_since is not None:
                await work.webhooks.note_failing(kept.id, None)
        elif kept.failing_since is None:
            await work.webhooks.note_failing(kept.id, now)
        elif kept.enabled and ended.state == "failed" and now - kept.failing_since >= DISABLED_AFTER:
            await self._disable(work, kept, now)

    async def _disable(self, work: Work, webhook: Webhook, now: datetime) -> None:
        days = (now - (webhook.failing_since or now)).days
        reason = f"nothing has arrived for {days} days"
        await work.webhooks.update(replace(webhook, enabled=False, disabled_reason=reason))
        await work.webhooks.fail_waiting(webhook.id, "the webhook was disabled", now)
        work.changed("webhook", webhook.server_id)
        data = {"webhook": webhook.name, "reason": reason}
        await self._activity.note(work, None, "webhook.disabled", server_id=webhook.server_id, data=data)
        log.warning("webhook.disabled", webhook=str(webhook.uuid), reason=reason)
