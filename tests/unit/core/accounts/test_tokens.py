"""Signed tokens: each names one key or session, and is void the moment that is, or its account says so."""

import jwt
import pytest

from innkeeper.core.access.errors import (
    AccountIsDisabled,
    AddressIsNotAllowed,
    KeyHasExpired,
    KeyIsUnknown,
    NoSuchKey,
    PermissionIsMissing,
)
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.tokens import Tokens
from innkeeper.panel.tokens import JwtSigner
from innkeeper.testing.products import PASSWORD, SECRET, House
from tests.unit.core.conftest import FakeClock, restarted

STRONG = "quite another passphrase"


@pytest.fixture
def tokens(house: House) -> Tokens:
    return house.product.accounts.tokens


async def signed_in(house: House, account: Account) -> str:
    key, _ = await house.product.accounts.sign_in(account.username, PASSWORD, None)
    return house.product.accounts.tokens.issue(account, key.id)


def void(tokens: Tokens, token: str) -> bool:
    try:
        tokens.authenticate(token, "crafty")
    except KeyIsUnknown:
        return True
    return False


async def test_a_session_and_a_key_have_a_token_each_that_says_whose_it_is(house: House, tokens: Tokens) -> None:
    guest = await house.account("guest")
    session, _ = await house.product.accounts.sign_in("guest", PASSWORD, None)
    key, _ = await house.product.access.create_key(house.actor(guest), name="k", permissions=frozenset({"server.view"}))
    for one, named in ((session, "session_id"), (key, "token_id")):
        token = tokens.issue(guest, one.id)
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims == {
            "user_id": guest.id,
            "iat": int(house.clock.now().timestamp()),
            "generation": 0,
            named: one.id,
        }
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        assert tokens.read(token) == (guest.id, one.id)
        actor = tokens.authenticate(token, "crafty", "192.0.2.1")
        assert (actor.account.id, actor.key_id, actor.via, actor.address) == (guest.id, one.id, "crafty", "192.0.2.1")
    assert actor.scope == {"server.view"}


async def test_nobody_else_makes_a_token(house: House, tokens: Tokens) -> None:
    key, _ = await house.product.accounts.sign_in("root", PASSWORD, None)
    good = {"user_id": house.root.id, "iat": 1, "generation": 0, "session_id": key.id}
    signer = JwtSigner(SECRET)
    assert tokens.read(signer.sign(good)) == (house.root.id, key.id)
    forged = [
        JwtSigner(b"another secret").sign(good),
        jwt.encode(good, SECRET, algorithm="HS256"),
        jwt.encode(good, None, algorithm="none"),
        signer.sign(good)[:-3] + "AAA",
        "",
        "a.b.c",
        "x" * 100_000,
        signer.sign(good | {"user_id": house.root.id + 1}),
        signer.sign(good | {"session_id": key.id + 1}),
        signer.sign(good | {"token_id": key.id}),
        signer.sign(good | {"generation": 1}),
        signer.sign({name: value for name, value in good.items() if name != "generation"}),
        signer.sign({name: value for name, value in good.items() if name != "session_id"}),
        signer.sign(good | {"user_id": True}),
    ]
    for token in forged:
        assert void(tokens, token), token


async def test_no_token_is_made_of_somebody_elses_key(house: House, tokens: Tokens) -> None:
    guest = await house.account("guest")
    key, _ = await house.product.access.create_key(house.actor(guest), name="k")
    with pytest.raises(NoSuchKey):
        tokens.issue(house.root, key.id)


async def test_a_token_ends_with_its_session(house: House, tokens: Tokens, clock: FakeClock) -> None:
    token = await signed_in(house, house.root)
    await house.product.accounts.sign_out(tokens.authenticate(token, "crafty"))
    assert void(tokens, token)
    token = await signed_in(house, house.root)
    clock.advance(days=house.product.house.get().session_days, seconds=1)
    with pytest.raises(KeyHasExpired):
        tokens.authenticate(token, "crafty")


async def test_a_token_ends_with_its_key_and_account(house: House, tokens: Tokens) -> None:
    guest, root = await house.account("guest"), house.actor(house.root)
    key, _ = await house.product.access.create_key(house.actor(guest), name="k", networks=("192.0.2.0/24",))
    token = tokens.issue(guest, key.id)
    with pytest.raises(AddressIsNotAllowed):
        tokens.authenticate(token, "crafty", "198.51.100.1")
    await house.product.accounts.change(root, guest.uuid, disabled=True)
    with pytest.raises(AccountIsDisabled):
        tokens.authenticate(token, "crafty", "192.0.2.1")
    await house.product.accounts.change(root, guest.uuid, disabled=False)
    tokens.authenticate(token, "crafty", "192.0.2.1")
    await house.product.access.revoke_key(house.actor(guest), key.uuid)
    assert void(tokens, token)


async def test_a_token_made_within_the_second_of_the_invalidation_is_void_and_the_next_one_is_not(
    house: House, tokens: Tokens
) -> None:
    guest = await house.account("guest")
    key, secret = await house.product.access.create_key(house.actor(guest), name="k")
    session, of_key = await signed_in(house, guest), tokens.issue(guest, key.id)
    actor = tokens.authenticate(of_key, "crafty")
    await house.product.accounts.invalidate_tokens(house.actor(guest))  # the clock stands still
    assert void(tokens, session)
    assert void(tokens, of_key)
    with pytest.raises(KeyIsUnknown):
        house.product.authority.renew(actor)  # as every open stream does when it is told of a change
    house.product.authority.authenticate(secret, "api")
    assert not void(tokens, tokens.issue(guest, key.id))
    assert not void(tokens, await signed_in(house, guest))
    account = house.product.authority.accounts[guest.id]
    assert (account.token_generation, account.tokens_valid_from) == (1, house.clock.now())


async def test_a_new_password_voids_tokens_and_a_restart_brings_none_back(house: House) -> None:
    guest = await house.account("guest")
    token = await signed_in(house, guest)
    again = await restarted(house)
    assert not void(again.product.accounts.tokens, token)
    await again.product.accounts.change(again.actor(guest), guest.uuid, password=STRONG, current_password=PASSWORD)
    assert void(again.product.accounts.tokens, token)
    assert void((await restarted(house)).product.accounts.tokens, token)


async def test_one_ends_ones_own_sessions_and_with_power_over_them_those_of_others(house: House) -> None:
    guest, other = await house.account("guest"), await house.account("other")
    accounts = house.product.accounts
    token = await signed_in(house, guest)
    for account_id in (guest.id, 999):
        with pytest.raises(Exception, match="no such account"):
            await accounts.invalidate_tokens(house.actor(other), account_id)
    narrow = house.product.authority.authenticate(await house.key(guest, "server.view"), "api")
    with pytest.raises(PermissionIsMissing):
        await accounts.invalidate_tokens(narrow)
    assert not void(accounts.tokens, token)
    await accounts.invalidate_tokens(house.actor(house.root), guest.id)
    assert void(accounts.tokens, token)


async def test_a_session_shows_the_tokens_of_its_keys_and_a_key_its_own_alone(house: House, tokens: Tokens) -> None:
    guest, accounts, access = await house.account("guest"), house.product.accounts, house.product.access
    wide, _ = await access.create_key(house.actor(guest), name="wide")
    narrow, _ = await access.create_key(house.actor(guest), name="narrow", permissions=frozenset({"server.view"}))
    session = tokens.authenticate(await signed_in(house, guest), "crafty")
    for key in (wide, narrow):
        assert tokens.read(accounts.token_of_key(session, key.id)) == (guest.id, key.id)
    by_narrow = tokens.authenticate(tokens.issue(guest, narrow.id), "crafty")
    accounts.token_of_key(by_narrow, narrow.id)
    with pytest.raises(PermissionIsMissing):
        accounts.token_of_key(by_narrow, wide.id)
    for actor, key_id in ((house.actor(house.root), wide.id), (session, 999), (session, session.key_id or 0)):
        with pytest.raises(NoSuchKey):
            accounts.token_of_key(actor, key_id)
