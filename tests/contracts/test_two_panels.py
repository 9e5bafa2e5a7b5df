"""Two panels of one database decide about the same servers at the same time, each without having heard of the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import msgspec
import pyotp
import pytest

from innkeeper.core.access.errors import KeyIsUnknown, TooManyGrants, TooManyRoles
from innkeeper.core.access.model import Role
from innkeeper.core.accounts.errors import TooManyAccounts, TooManyAttempts, WrongCredentials
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.model import NodeFacts
from innkeeper.core.servers.errors import ServerChangedMeanwhile, ServerIsBusy, ServerIsDeleted, ServerIsNotKept
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.work import Changed
from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet, in_thread
from innkeeper.panel.product import Settings
from innkeeper.storage.database import Database
from innkeeper.storage.upgrades import upgrade
from innkeeper.testing.postgres import PostgresServer
from innkeeper.testing.products import PASSWORD, House

pytest_plugins = ["innkeeper.testing.postgres"]

ROUNDS = 6
SETTINGS = Settings(deletion_grace=timedelta(hours=1), most_grants=5)
VIEW = frozenset({"server.view"})


@pytest.fixture
async def panels(postgres_server: PostgresServer) -> AsyncIterator[list[House]]:
    """Two panels of one PostgreSQL, the second furnished by what the first keeps."""
    postgres_url = await in_thread(postgres_server.create_database)
    await upgrade(postgres_url)
    async with AsyncExitStack() as stack:
        houses = []
        for _ in range(2):
            database = await Database.open(postgres_url)
            stack.push_async_callback(database.aclose)
            tasks = await stack.enter_async_context(TaskSet("panel"))
            houses.append(House(database, SystemClock(), tasks, SETTINGS))
        await houses[0]._furnish()
        await know(houses)
        yield houses
    await in_thread(postgres_server.drop_database, postgres_url)


async def know(houses: list[House]) -> None:
    """Have every panel read what there is."""
    for house in houses:
        product = house.product
        await product.authority.load()
        await product.nodes.load()
        await product.directory.load()
        house.node, house.root = houses[0].node, houses[0].root
        product.nodes.heard(house.node.id)


async def answers(*commands: Awaitable[object]) -> list[type[CoreError] | None]:
    """Do everything at once; return for each what it was refused with, None where it was done."""
    found = await asyncio.gather(*commands, return_exceptions=True)
    refused: list[type[CoreError] | None] = []
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, CoreError):
            raise one
        refused.append(type(one) if isinstance(one, CoreError) else None)
    return refused


async def test_a_server_is_shared_with_so_many_whichever_panel_is_asked(panels: list[House]) -> None:
    one, _ = panels
    server = await one.server()
    guests = [await one.account(f"guest{number}") for number in range(12)]
    await know(panels)
    asked = [
        panels[number % 2].product.access.share(panels[number % 2].actor(one.root), server, guest.id, VIEW)
        for number, guest in enumerate(guests)
    ]
    refused = await answers(*asked)
    assert (refused.count(None), refused.count(TooManyGrants)) == (5, 7)
    await know(panels)
    assert [len(house.product.access.grants(server)) for house in panels] == [5, 5]


@pytest.mark.parametrize("others", ["start", "delete"])
async def test_strictly_one_operation_is_begun_whichever_panel_is_asked(panels: list[House], others: str) -> None:
    one, two = panels
    for number in range(ROUNDS):
        for house in panels:
            house.gateway.obeys = True
        server = await one.server(name=f"{others} {number}")
        await know(panels)
        for house in panels:
            house.gateway.obeys = False

        def command(house: House, verb: str) -> Callable[..., Awaitable[object]]:
            return getattr(house.product.servers, verb)  # type: ignore[no-any-return]

        refused = await answers(
            command(one, "start")(one.actor(one.root), server, strictly=True),
            command(two, others)(two.actor(one.root), server, strictly=True),
            command(two, "start")(two.actor(one.root), server, strictly=True),
        )
        assert refused.count(None) == 1
        assert set(refused) <= {None, ServerIsBusy, ServerIsDeleted}
        async with one.database.works() as work:
            assert len(await work.operations.unfinished(server.server.id)) == 1


async def test_a_kept_server_is_restored_or_purged_and_never_both(panels: list[House]) -> None:
    one, two = panels
    for number in range(ROUNDS):
        server = await one.server(name=f"camp {number}")
        await one.product.servers.delete(one.actor(one.root), server)
        await one.settle()
        await know(panels)
        refused = await answers(
            one.product.servers.restore(one.actor(one.root), server.server.uuid),
            two.product.servers.purge(two.actor(one.root), server.server.uuid),
        )
        assert refused.count(None) == 1
        assert set(refused) <= {None, ServerIsNotKept, ServerChangedMeanwhile}
        for house in panels:
            await house.settle()
        await know(panels)
        now = two.now(server).server
        assert now.state is (State.STOPPED if refused[0] is None else State.DELETED)
        assert two.gateway.removed.count(now.uuid) == (refused[1] is None)
        assert (now.purge_at, now.deleted_at is None) == (None, refused[0] is None)


async def test_two_panels_that_end_the_same_deletion_say_so_once(panels: list[House]) -> None:
    one, two = panels
    server = await one.server()
    one.gateway.offline = True
    await one.product.servers.delete(one.actor(one.root), server, at_once=True)
    await one.settle()
    one.gateway.offline = False
    await know(panels)
    for house in panels:
        house.reconciler.finish_deletion_soon(server.server.id)
    for house in panels:
        await house.settle()
    await know(panels)
    assert two.now(server).server.state is State.DELETED
    entries = (await one.product.activity.of_server(server.server.id, None, 20)).items
    assert [entry.action for entry in entries].count("server.deleted") == 1


async def test_a_greeting_at_one_panel_does_not_undo_what_is_changed_at_the_other(panels: list[House]) -> None:
    one, two = panels
    root = one.actor(one.root)
    token, _ = await one.product.nodes.create_token(root)
    node, secret = await one.product.nodes.enrol(token, "far", NodeFacts(), address="127.0.0.1", public_host="")
    await know(panels)
    for number in range(10 * ROUNDS):
        await asyncio.gather(
            one.product.nodes.change(root, node.uuid, most_servers=number),
            two.product.nodes.greet(node.uuid, secret, NodeFacts(cpus=number)),
        )
        await know(panels)
        assert (two.product.nodes.get(node.id).most_servers, two.product.nodes.get(node.id).facts.cpus) == (
            number,
            number,
        )


async def test_a_token_that_one_panel_made_void_is_void_on_the_other_and_closes_what_it_opened(
    panels: list[House],
) -> None:
    one, two = panels
    guest = await one.account("guest")
    key, _ = await one.product.access.create_key(one.actor(guest), name="k")
    session, _ = await one.product.accounts.sign_in("guest", PASSWORD, None)
    await know(panels)
    tokens = [one.product.accounts.tokens.issue(guest, made.id) for made in (key, session)]
    actors = [two.product.accounts.tokens.authenticate(token, "crafty") for token in tokens]
    generation = two.product.authority.generation
    await one.product.accounts.invalidate_tokens(one.actor(guest))
    for change in (Changed("account", guest.id), Changed("key", session.id)):
        await two.product.authority.apply(change)  # as it hears of it over the bus
    assert two.product.authority.generation > generation, "whoever has a stream open is told"
    for token, actor in zip(tokens, actors, strict=True):
        with pytest.raises(KeyIsUnknown):
            two.product.accounts.tokens.authenticate(token, "crafty")
        with pytest.raises(KeyIsUnknown):
            two.product.authority.renew(actor)


async def test_sessions_that_another_panel_just_made_end_too(panels: list[House]) -> None:
    one, two = panels
    guest = await one.account("guest")
    await know(panels)
    await two.product.accounts.sign_in("guest", PASSWORD, None)  # the first panel has not heard of it
    await one.product.accounts.invalidate_tokens(one.actor(guest))
    await know(panels)
    assert not any(key.account_id == guest.id for house in panels for key in house.product.authority.keys.values())


async def test_one_code_lets_in_once_whichever_panel_is_asked(panels: list[House]) -> None:
    one, two = panels
    guest = await one.account("guest")
    _, secret = await one.product.accounts.second_factors.begin(one.actor(guest))
    totp, now = pyotp.HOTP(secret), int(one.clock.now().timestamp()) // 30
    recovery = await one.product.accounts.second_factors.confirm(one.actor(guest), totp.at(now - 1))
    with pytest.raises(WrongCredentials):
        await two.product.accounts.sign_in("guest", PASSWORD, None)  # it has not heard that there is a second factor
    await know(panels)
    for code in (totp.at(now + 1), *recovery[:ROUNDS]):
        refused = await answers(
            *(panels[number % 2].product.accounts.sign_in("guest", PASSWORD, None, code=code) for number in range(4))
        )
        assert sorted(refused, key=str).count(None) == 1, refused
        await know(panels)


async def test_guesses_are_counted_for_all_panels_together(panels: list[House]) -> None:
    one, _ = panels
    await one.account("guest")
    await know(panels)
    refused = await answers(
        *(panels[number % 2].product.accounts.sign_in("guest", f"guess {number}", None) for number in range(30))
    )
    assert (refused.count(WrongCredentials), refused.count(TooManyAttempts)) == (10, 20)
    for house in panels:
        assert await answers(house.product.accounts.sign_in("guest", PASSWORD, None)) == [TooManyAttempts]


async def test_a_role_changed_on_two_panels_at_once_keeps_both_changes(panels: list[House]) -> None:
    one, two = panels
    role = await one.product.access.create_role(one.actor(one.root), name="crew")
    people = [await one.account(f"person-{number}") for number in range(2 * ROUNDS)]
    await know(panels)

    def adding(account_id: int) -> Callable[[Role], Role]:
        return lambda now: msgspec.structs.replace(now, members=now.members | {account_id})

    refused = await answers(
        *(
            house.product.access.change_role(house.actor(house.root), role.uuid, adding(person.id))
            for house, person in zip((one, two) * ROUNDS, people, strict=True)
        )
    )
    assert refused == [None] * len(people)
    await know(panels)
    for house in panels:
        assert house.product.authority.roles[role.id].members == {person.id for person in people}


async def test_an_account_makes_so_many_roles_and_accounts_whichever_panel_is_asked(panels: list[House]) -> None:
    one, two = panels
    maker = await one.account("maker")
    powers = frozenset({"accounts.write", "accounts.read", "roles.write", "roles.read"})
    limits = {"accounts.write": 3, "roles.write": 2}
    await one.product.accounts.change(one.actor(one.root), maker.uuid, permissions=powers, limits=limits)
    await know(panels)
    refused = await answers(
        *(
            house.product.accounts.create(house.actor(maker), username=f"guest{number}", password=PASSWORD)
            for number, house in enumerate((one, two) * 4)
        )
    )
    assert (refused.count(None), refused.count(TooManyAccounts)) == (3, 5)
    refused = await answers(
        *(
            house.product.access.create_role(house.actor(maker), name=f"role {number}")
            for number, house in enumerate((one, two) * 3)
        )
    )
    assert (refused.count(None), refused.count(TooManyRoles)) == (2, 4)
