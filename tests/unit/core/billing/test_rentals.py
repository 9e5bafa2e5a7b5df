"""Servers with a plan pay for their hours or months, each once, at the price of its beginning, in UTC."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from innkeeper.core.billing.errors import CreditsAreExhausted, CurrencyIsInvalid, ServerIsNotRented
from innkeeper.core.billing.model import Posting, Transaction, income, issued, wallet
from innkeeper.core.billing.rental_model import month_of, months_after, period_end
from innkeeper.core.catalog.plans import PlanPrice
from innkeeper.core.servers.errors import ServerIsSuspended
from innkeeper.kit.ids import uuid7
from innkeeper.kit.money import MICRO
from innkeeper.testing.products import House
from tests.unit.core.billing.nodes import TrueNode
from tests.unit.core.billing.renting import (
    HOURLY,
    MONTHLY,
    PLAN,
    amounts,
    charges,
    charging,
    gives,
    goes_to,
    moment,
    passes,
    priced,
    rental_of,
    rents,
    tenant,
    ticks,
)
from tests.unit.core.conftest import FakeClock, restarted


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host is where clocks are put forward in March and back in October; it must not matter."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# -- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "months", "wanted"),
    [
        ("2026-01-31 10:00", 1, "2026-02-28 10:00"),
        ("2028-01-31 10:00", 1, "2028-02-29 10:00"),
        ("2026-01-31 10:00", 2, "2026-03-31 10:00"),
        ("2026-01-30 10:00", 13, "2027-02-28 10:00"),
        ("2028-02-29 23:59", 12, "2029-02-28 23:59"),
        ("2028-02-29 23:59", 48, "2032-02-29 23:59"),
        ("2026-11-30 00:00", 1, "2026-12-30 00:00"),
        ("2026-12-31 00:00", 2, "2027-02-28 00:00"),
    ],
)
def test_a_month_ends_on_the_same_day_or_the_last(since: str, months: int, wanted: str) -> None:
    assert months_after(moment(since), months) == moment(wanted)


def test_months_never_drift_from_the_day_of_the_first() -> None:
    since = begins = moment("2026-01-31 10:00")
    for number in range(1, 40):
        begins = period_end("monthly", since, begins)
        assert begins == months_after(since, number)
    assert begins == moment("2029-04-30 10:00")
    assert month_of(begins) == moment("2029-04-01 00:00")


def test_a_transaction_is_of_one_currency() -> None:
    with pytest.raises(ValueError, match="several currencies"):
        Transaction(
            uuid=uuid7(),
            at=moment("2026-01-01 00:00"),
            kind="top_up",
            key="k",
            postings=(Posting(issued(), -1), Posting(wallet(7, "EUR"), 1)),
        )


# -- wallets ----------------------------------------------------------------------------------------------------------


async def test_each_currency_has_a_wallet_of_its_own_beside_the_credits(house: House) -> None:
    guest = await tenant(house, has=5, currency="EUR")
    await gives(house, guest, 3, "USD")
    await gives(house, guest, -1, "EUR")
    billing, root = house.product.billing, house.actor(house.root)
    await billing.top_up(root, guest.account.id, 9)
    assert billing.balances(guest.account.id) == {"EUR": 4, "USD": 3}
    assert billing.balance(guest.account.id) == 9
    assert [entry.amount for entry in (await billing.entries(guest, currency="EUR")).items] == [-1, 5]
    assert [entry.amount for entry in (await billing.entries(guest)).items] == [9]
    assert (await restarted(house)).product.billing.balances(guest.account.id) == {"EUR": 4, "USD": 3}
    with pytest.raises(CurrencyIsInvalid):
        await billing.top_up(root, guest.account.id, 1, currency="euro")
    assert await billing.check(None) == []


async def test_what_a_deleted_account_has_goes_back_currency_by_currency(house: House) -> None:
    guest = await tenant(house, has=5, currency="EUR")
    await gives(house, guest, 3, "USD")
    await house.product.accounts.delete(house.actor(house.root), guest.account.uuid)
    async with house.database.works() as work:
        assert set((await work.billing.balances([issued("EUR"), issued("USD")])).values()) == {0}
    assert await house.product.billing.check(None) == []


async def test_an_account_pays_in_its_currency_or_the_houses_or_what_there_is(house: House) -> None:
    plan = await priced(house, GBP=(1, 10), EUR=(2, 20), USD=(3, 30))
    guest = (await tenant(house)).account
    price_for = house.product.rentals.price_for
    assert (price_for(plan, guest) or plan.prices[0]).currency == "USD"
    await house.product.billing.set_currency(house.actor(house.root), "EUR")
    found = [price_for(plan, replace(guest, currency=code)) for code in ("", "GBP", "CHF")]
    assert [price.currency for price in found if price] == ["EUR", "GBP", "EUR"]
    await house.product.billing.set_currency(house.actor(house.root), "JPY")
    assert (price_for(plan, guest) or plan.prices[2]).currency == "GBP"
    assert price_for(replace(plan, prices=()), guest) is None
    assert (await restarted(house)).product.billing.currency == "JPY"


# -- the switch -------------------------------------------------------------------------------------------------------


async def test_nothing_is_charged_or_refused_until_it_is_switched_on(house: House, clock: FakeClock) -> None:
    await priced(house)
    guest = await tenant(house)
    camp = await rents(house, guest)
    assert not house.product.rentals.is_charging
    await passes(house, clock, hours=5)
    assert await charges(house, guest) == []
    standing = await house.product.rentals.standing(camp.server)
    assert (standing.is_charged, standing.next_at) == (False, None)
    assert standing.rate is not None
    assert (standing.rate.hourly, standing.rate.monthly) == (HOURLY, MONTHLY)


async def test_switched_on_each_rental_pays_from_that_moment(house: House, clock: FakeClock) -> None:
    await priced(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    clock.advance(minutes=90)
    await charging(house)
    on = clock.now()
    clock.advance(hours=2, minutes=5)  # no panel is up
    await ticks(await restarted(house))
    assert [(one.since, one.until) for one in await charges(house, guest)] == [
        (on + timedelta(hours=n), on + timedelta(hours=n + 1)) for n in range(3)
    ]


async def test_switched_off_nothing_more_is_charged_and_nothing_given_back(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    await charging(house, on=False)
    await passes(house, clock, hours=30)
    assert amounts(await charges(house, guest)) == [HOURLY]


async def test_switched_off_and_on_within_what_is_paid_it_is_not_paid_again(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=20 * MICRO)
    await rents(house, guest, "monthly")
    begun = clock.now()
    await passes(house, clock, hours=50)
    await charging(house, on=False)
    await passes(house, clock, hours=50)
    await charging(house)
    await passes(house, clock, hours=50)
    assert len(await charges(house, guest)) == 1
    goes_to(clock, "2026-12-25 00:00")
    await ticks(house)
    first, second = await charges(house, guest)
    assert (first.since, first.until) == (begun, months_after(begun, 1))
    assert (second.since, second.until) == (months_after(begun, 1), months_after(begun, 2))


async def test_other_panels_hear_of_the_switch(house: House) -> None:
    other = await restarted(house)
    await charging(other)
    assert (await restarted(house)).product.rentals.is_charging
    await charging(other)  # nothing changes
    assert other.credits.charging_since is not None


# -- hours ------------------------------------------------------------------------------------------------------------


async def test_an_hour_is_paid_when_it_begins_the_first_at_the_deploy(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    begun = clock.now()
    assert amounts(await charges(house, guest)) == [HOURLY]
    await passes(house, clock, minutes=59)
    assert len(await charges(house, guest)) == 1
    await passes(house, clock, minutes=1)
    assert [(one.since, one.until) for one in await charges(house, guest)] == [
        (begun, begun + timedelta(hours=1)),
        (begun + timedelta(hours=1), begun + timedelta(hours=2)),
    ]


async def test_a_panel_that_was_away_charges_every_hour_it_missed(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=100 * MICRO)
    await rents(house, guest)
    begun = clock.now()
    clock.advance(hours=63, minutes=59)
    await ticks(await restarted(house))
    found = await charges(house, guest)
    assert amounts(found) == [HOURLY] * 64
    assert found[-1].until == begun + timedelta(hours=64)


async def test_a_server_that_is_rented_pays_nothing_for_running(house: House, clock: FakeClock) -> None:
    await house.product.billing.set_price(house.actor(house.root), 60 * MICRO)
    await priced(house)
    guest = await tenant(house)
    camp = await rents(house, guest)
    node = TrueNode(clock)
    house.gateway.obeys = False
    await house.product.servers.start(guest, house.now(camp))
    node.start(camp.server.uuid)
    await node.report(house, camp)
    clock.advance(minutes=5)
    house.product.nodes.heard(house.node.id)
    await house.product.collector.tick()
    node.end(camp.server.uuid)
    await node.report(house, camp)
    async with house.database.works() as work:
        assert await work.billing.metered(0, 10) == []
    assert house.product.billing.balance(guest.account.id) == 0


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("begins", "ends", "hours"),
    [
        ("2026-04-01 00:00", "2026-05-01 00:00", 30 * 24),
        ("2026-02-01 00:00", "2026-03-01 00:00", 28 * 24),
        ("2028-02-01 00:00", "2028-03-01 00:00", 29 * 24),
        ("2026-10-01 00:00", "2026-11-01 00:00", 31 * 24),
        ("2026-03-01 00:00", "2026-04-01 00:00", 31 * 24),
    ],
)
async def test_no_more_than_a_month_is_charged_for_a_months_hours(
    house: House, clock: FakeClock, begins: str, ends: str, hours: int
) -> None:
    goes_to(clock, begins)
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=1000 * MICRO)
    await rents(house, guest)
    goes_to(clock, ends)
    clock.advance(hours=2)
    await ticks(house)
    found = await charges(house, guest)
    assert len(found) == hours + 3
    assert amounts(found)[:102] == [HOURLY] * 100 + [0, 0]
    assert sum(amounts(found)[:hours]) == MONTHLY
    assert amounts(found)[hours:] == [HOURLY] * 3, "the new month begins to count anew"


async def test_the_last_hour_before_the_cap_costs_what_is_left_of_it(house: House, clock: FakeClock) -> None:
    await priced(house, USD=(40, 100))
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    await passes(house, clock, hours=4)
    assert amounts(await charges(house, guest)) == [40, 40, 20, 0, 0]


async def test_an_hour_that_straddles_the_months_end_counts_for_the_month_it_began_in(
    house: House, clock: FakeClock
) -> None:
    goes_to(clock, "2026-11-30 22:30")
    await priced(house, USD=(40, 60))
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    await passes(house, clock, hours=3)
    assert amounts(await charges(house, guest)) == [40, 20, 40, 20]


# -- months -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_berlin")
async def test_a_month_is_paid_in_advance_and_renewed_on_its_day(house: House, clock: FakeClock) -> None:
    goes_to(clock, "2027-10-31 01:30")
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=1000 * MICRO)
    await rents(house, guest, "monthly")
    for _ in range(200):
        clock.advance(days=1)
        await house.product.rent_collector.tick()
    assert [one.since.strftime("%m-%d %H:%M") for one in await charges(house, guest)] == [
        "10-31 01:30",
        "11-30 01:30",
        "12-31 01:30",
        "01-31 01:30",
        "02-29 01:30",
        "03-31 01:30",
        "04-30 01:30",
    ]
    assert set(amounts(await charges(house, guest))) == {MONTHLY}
    assert await house.product.billing.check(None) == []


# -- prices -----------------------------------------------------------------------------------------------------------


async def test_a_new_price_counts_for_hours_that_begin_from_then_on(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=10 * MICRO)
    await rents(house, guest)
    clock.advance(minutes=150)
    await priced(house, USD=(9, MONTHLY))  # two hours that began before it were not charged yet
    await passes(house, clock, hours=1)
    assert amounts(await charges(house, guest)) == [HOURLY] * 3 + [9]


async def test_a_new_price_counts_from_the_next_month_on(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=100 * MICRO)
    await rents(house, guest, "monthly")
    clock.advance(days=3)
    await priced(house, USD=(HOURLY, 2 * MONTHLY))
    await ticks(house)
    assert amounts(await charges(house, guest)) == [MONTHLY]
    clock.advance(days=28)
    await ticks(house)
    assert amounts(await charges(house, guest)) == [MONTHLY, 2 * MONTHLY]


async def test_a_cap_that_is_lowered_below_what_is_spent_gives_nothing_back(house: House, clock: FakeClock) -> None:
    await priced(house, USD=(40, 1000))
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    await passes(house, clock, hours=2)
    await priced(house, USD=(40, 50))
    await passes(house, clock, hours=1)
    await priced(house, USD=(40, 130))
    await passes(house, clock, hours=2)
    assert amounts(await charges(house, guest)) == [40, 40, 40, 0, 10, 0]


async def test_the_currency_stays_that_of_the_deploy(house: House, clock: FakeClock) -> None:
    await priced(house, EUR=(5, 500), USD=(6, 600))
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    await house.product.billing.set_currency(house.actor(house.root), "EUR")
    await passes(house, clock, hours=1)
    await priced(house, EUR=(7, 700))  # dollars are taken no more: who pays in them goes on as before
    await passes(house, clock, hours=1)
    assert amounts(await charges(house, guest)) == [6, 6, 6]


async def test_a_price_that_changed_while_no_panel_was_up_counts_from_the_start_of_one(
    house: House, clock: FakeClock
) -> None:
    plan = await priced(house, USD=(6, 600))
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    again = await restarted(house)
    again.product.selling._own[PLAN] = replace(
        plan, prices=(PlanPrice(currency="USD", hourly=HOURLY, monthly=MONTHLY),)
    )
    await again.product.rentals.note_prices()
    await passes(again, clock, hours=1)
    assert amounts(await charges(again, guest)) == [6, HOURLY]


# -- clocks -----------------------------------------------------------------------------------------------------------


async def test_a_clock_that_is_put_back_charges_nothing_again(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=10 * MICRO)
    await rents(house, guest)
    await passes(house, clock, hours=3)
    clock.advance(hours=-3)
    await passes(house, clock, hours=2)
    await priced(house, USD=(1, MONTHLY))  # what is charged already keeps its price
    await passes(house, clock, minutes=119)
    assert amounts(await charges(house, guest)) == [HOURLY] * 4
    await passes(house, clock, minutes=1)
    assert amounts(await charges(house, guest)) == [HOURLY] * 4 + [1]


async def test_a_clock_that_is_put_forward_charges_what_passed_by_it(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=10 * MICRO)
    await rents(house, guest)
    clock.advance(hours=10)
    await ticks(house)
    clock.advance(hours=-10)
    await passes(house, clock, hours=10)
    assert amounts(await charges(house, guest)) == [HOURLY] * 11


async def test_a_server_made_after_the_clock_was_put_back_pays_the_plans_first_price(
    house: House, clock: FakeClock
) -> None:
    await priced(house)
    clock.advance(hours=-5)
    await charging(house)
    guest = await tenant(house, has=MICRO)
    await rents(house, guest)
    assert amounts(await charges(house, guest)) == [HOURLY]
    assert await house.product.billing.check(None) == []


# -- no credit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("billing_type", "needed"), [("hourly", HOURLY), ("monthly", MONTHLY)])
async def test_without_credit_nothing_is_deployed(house: House, billing_type: str, needed: int) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=needed - 1)
    with pytest.raises(CreditsAreExhausted) as refused:
        await rents(house, guest, billing_type)
    assert refused.value.data == {"needed_micro": needed, "having_micro": needed - 1, "currency": "USD"}
    async with house.database.works() as work:
        assert await work.rentals.histories(0, 10) == []
    assert list(house.product.directory.present()) == []
    await gives(house, guest, 1)
    await rents(house, guest, billing_type)


async def test_a_server_that_cannot_pay_is_locked_and_opened_when_it_can(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=2 * HOURLY)
    camp = await rents(house, guest)
    begun = clock.now()
    await passes(house, clock, hours=1.5)
    assert not house.now(camp).server.suspended
    await passes(house, clock, hours=0.5)
    locked = house.now(camp).server
    assert (locked.suspended, locked.suspended_reason, locked.power) == (True, "billing", "off")
    with pytest.raises(ServerIsSuspended):
        await house.product.servers.start(guest, house.now(camp))
    await passes(house, clock, hours=30)
    await gives(house, guest, HOURLY - 1)
    await passes(house, clock, minutes=20)
    assert len(await charges(house, guest)) == 2
    await gives(house, guest, 1)
    await passes(house, clock, minutes=7)
    opened = house.now(camp).server
    assert (opened.suspended, opened.suspended_reason) == (False, None)
    assert [one.since for one in await charges(house, guest)] == [begun, begun + timedelta(hours=1), clock.now()]
    await house.product.servers.start(guest, house.now(camp))


async def test_a_lock_of_an_administrator_is_left_alone_and_an_unpaid_server_stays_locked(
    house: House, clock: FakeClock
) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=HOURLY)
    camp = await rents(house, guest)
    servers, root = house.product.servers, house.actor(house.root)
    await servers.suspend(root, house.now(camp), "maintenance")
    await passes(house, clock, hours=2)
    assert house.now(camp).server.suspended_reason == "maintenance"
    await servers.unsuspend(root, house.now(camp))
    await ticks(house)
    assert house.now(camp).server.suspended_reason == "billing"
    await servers.unsuspend(root, house.now(camp))
    await ticks(house)
    assert house.now(camp).server.suspended_reason == "billing"
    await gives(house, guest, MICRO)
    await ticks(house)
    assert not house.now(camp).server.suspended
    await servers.suspend(root, house.now(camp), "maintenance")
    await passes(house, clock, hours=2)
    assert house.now(camp).server.suspended_reason == "maintenance"
    assert len(await charges(house, guest)) == 4, "it exists, so it pays"


async def test_whom_an_administrator_suspends_while_it_is_locked_is_not_opened_by_paying(
    house: House, clock: FakeClock
) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=HOURLY)
    camp = await rents(house, guest)
    await passes(house, clock, hours=2)
    assert house.now(camp).server.suspended_reason == "billing"
    await house.product.servers.suspend(house.actor(house.root), house.now(camp), "abuse")
    await gives(house, guest, MICRO)
    await ticks(house)
    assert house.now(camp).server.suspended_reason == "abuse"


async def test_switched_off_what_was_locked_is_opened(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=HOURLY)
    camp = await rents(house, guest)
    await passes(house, clock, hours=2)
    assert house.now(camp).server.suspended
    await charging(house, on=False)
    await ticks(house)
    assert not house.now(camp).server.suspended
    clock.advance(hours=1)
    await charging(house)
    await ticks(house)
    assert house.now(camp).server.suspended


async def test_what_costs_nothing_is_never_locked(house: House, clock: FakeClock) -> None:
    await priced(house, USD=(0, 0))
    await charging(house)
    guest = await tenant(house)
    await gives(house, guest, -5)
    camp = await rents(house, guest)
    await passes(house, clock, hours=2)
    assert not house.now(camp).server.suspended
    assert amounts(await charges(house, guest)) == [0, 0, 0]


async def test_of_two_servers_the_wallet_pays_for_one(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=3 * HOURLY)
    one, two = await rents(house, guest, name="one"), await rents(house, guest, name="two")
    await passes(house, clock, hours=1)
    assert [house.now(record).server.suspended for record in (one, two)] == [False, True]
    assert house.product.billing.balances(guest.account.id) == {"USD": 0}


async def test_players_are_warned_before_their_server_is_locked(house: House, clock: FakeClock) -> None:
    goes_to(clock, "2026-11-21 12:00")
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=HOURLY)
    camp = await rents(house, guest, start=True, properties={"command": "sleep 1", "announce": "say {text}"})
    typed = house.gateway.console(camp.server.uuid).typed
    clock.advance(minutes=54)
    await ticks(house)
    assert typed == []
    clock.advance(minutes=2)
    house.gateway.deaf = True
    await ticks(house)
    house.gateway.deaf = False
    for _ in range(2):
        await ticks(house)
    assert typed == ["say This server stops in 4 minutes: its credit runs out."]
    clock.advance(minutes=3, seconds=30)
    await ticks(house)
    assert typed[1:] == ["say This server stops in 1 minute: its credit runs out."]
    await gives(house, guest, MICRO)
    clock.advance(seconds=40)
    await ticks(house)
    clock.advance(minutes=56)
    await ticks(house)
    assert len(typed) == 2, "now it can pay"
    assert (await rental_of(house, camp)).warned == 0


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_a_deleted_server_pays_no_more_and_gets_nothing_back(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=10 * MICRO)
    hourly, monthly = await rents(house, guest, name="one"), await rents(house, guest, "monthly", name="two")
    clock.advance(minutes=10)
    for record in (hourly, monthly):
        await house.product.servers.delete(guest, house.now(record))
    await house.settle()
    await passes(house, clock, hours=40)
    assert sorted(amounts(await charges(house, guest))) == [HOURLY, MONTHLY]
    async with house.database.works() as work:
        assert all(item.rental.closed_at for item in await work.rentals.histories(0, 10))


async def test_hours_that_began_before_the_deletion_are_charged_with_it(house: House, clock: FakeClock) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=10 * MICRO)
    camp = await rents(house, guest)
    clock.advance(hours=30)
    await house.product.servers.delete(guest, house.now(camp))
    await house.settle()
    await ticks(house)
    assert amounts(await charges(house, guest)) == [HOURLY] * 31


@pytest.mark.parametrize("billing_type", ["hourly", "monthly"])
async def test_a_locked_server_that_is_deleted_begins_nothing_new(
    house: House, clock: FakeClock, billing_type: str
) -> None:
    await priced(house)
    await charging(house)
    guest = await tenant(house, has=MONTHLY)
    camp = await rents(house, guest, billing_type)
    if left := house.product.billing.balances(guest.account.id)["USD"]:
        await gives(house, guest, -left)
    clock.advance(days=40)
    await ticks(house)
    assert house.now(camp).server.suspended_reason == "billing"
    await gives(house, guest, 10 * MICRO)
    await house.product.servers.delete(guest, house.now(camp))
    await house.settle()
    await ticks(house)
    assert len(await charges(house, guest)) == 1


async def test_a_server_without_a_plan_is_not_rented(house: House) -> None:
    camp = await house.server()
    with pytest.raises(ServerIsNotRented):
        await house.product.rentals.standing(camp.server)
    async with house.database.works() as work:
        assert (await work.billing.balances([income("USD")]))[income("USD")] == 0
