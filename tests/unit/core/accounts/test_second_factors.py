"""The second factor: asked for after the password, each code counts once, and the way back in is kept safe."""

import asyncio
from pathlib import Path

import pyotp
import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.accounts.errors import (
    NoSuchAccount,
    SecondFactorIsMissing,
    SecondFactorIsOff,
    SecondFactorIsOn,
    SecondFactorIsWrong,
    TooManyAttempts,
    WrongCredentials,
)
from innkeeper.core.accounts.model import Account
from innkeeper.core.accounts.service import AccountService
from innkeeper.kit.tasks import in_thread
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock, restarted


class Device:
    """What somebody has in the pocket."""

    def __init__(self, house: House, secret: str) -> None:
        self._house = house
        self._codes = pyotp.HOTP(secret)

    def code(self, *, ago: int = 0) -> str:
        """Return the code of now, or of so many time steps ago."""
        return self._codes.at(int(self._house.clock.now().timestamp()) // 30 - ago)

    def wrong(self) -> str:
        """Return a code of no time step that is near."""
        near = {self.code(ago=ago) for ago in range(-2, 3)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)


@pytest.fixture
def accounts(house: House) -> AccountService:
    return house.product.accounts


@pytest.fixture
async def guest(house: House) -> Account:
    return await house.account("guest")


async def enrolled(house: House, account: Account) -> tuple[Device, list[str]]:
    """Turn an account's second factor on; the code that did is used up, the next step is waited for."""
    factors = house.product.accounts.second_factors
    _, secret = await factors.begin(house.actor(account))
    device = Device(house, secret)
    codes = await factors.confirm(house.actor(account), device.code())
    assert isinstance(house.clock, FakeClock)
    house.clock.advance(seconds=30)
    return device, codes


async def test_a_device_is_told_whose_secret_it_is_and_nothing_is_asked_for_until_it_is_confirmed(
    house: House, accounts: AccountService, guest: Account
) -> None:
    uri, secret = await accounts.second_factors.begin(house.actor(guest))
    parsed = pyotp.parse_uri(uri)
    assert (parsed.name, parsed.issuer, parsed.secret) == ("guest", "Innkeeper", secret)
    await accounts.sign_in("guest", PASSWORD, None)
    _, another = await accounts.second_factors.begin(house.actor(guest))
    with pytest.raises(SecondFactorIsWrong):
        await accounts.second_factors.confirm(house.actor(guest), Device(house, secret).code())
    codes = await accounts.second_factors.confirm(house.actor(guest), Device(house, another).code())
    assert len(set(codes)) == 10
    assert house.product.authority.accounts[guest.id].second_factor
    for refused in (
        accounts.second_factors.begin(house.actor(guest)),
        accounts.second_factors.confirm(house.actor(guest), "1"),
    ):
        with pytest.raises(SecondFactorIsOn):
            await refused


async def test_a_code_is_asked_for_after_the_password_and_never_before(
    house: House, accounts: AccountService, guest: Account
) -> None:
    device, _ = await enrolled(house, guest)
    for code in (None, "", device.code()):
        with pytest.raises(WrongCredentials):
            await accounts.sign_in("guest", "wrong", None, code=code)
    for missing in (None, "", " "):
        with pytest.raises(SecondFactorIsMissing):
            await accounts.sign_in("guest", PASSWORD, None, code=missing)
    for wrong in (device.wrong(), device.code(ago=5), "12345", "1234567", "x" * 1000, "٣٣٣٣٣٣"):
        with pytest.raises(SecondFactorIsWrong):
            await accounts.sign_in("guest", PASSWORD, None, code=wrong)
    code = device.code()
    await accounts.sign_in("guest", PASSWORD, None, code=f" {code[:3]} {code[3:]} ")


async def test_a_code_counts_once_and_none_before_it_counts_any_more(
    house: House, accounts: AccountService, guest: Account, clock: FakeClock
) -> None:
    device, _ = await enrolled(house, guest)
    with pytest.raises(SecondFactorIsWrong):
        await accounts.sign_in("guest", PASSWORD, None, code=device.code(ago=1))  # it confirmed the device
    await accounts.sign_in("guest", PASSWORD, None, code=device.code())
    again = await restarted(house)
    for product in (house.product, again.product):
        for used in (device.code(), device.code(ago=1)):
            with pytest.raises(SecondFactorIsWrong):
                await product.accounts.sign_in("guest", PASSWORD, None, code=used)
    clock.advance(seconds=30)
    await accounts.sign_in("guest", PASSWORD, None, code=device.code())


async def test_a_clock_may_be_off_by_one_step(
    house: House, accounts: AccountService, guest: Account, clock: FakeClock
) -> None:
    device, _ = await enrolled(house, guest)
    clock.advance(seconds=60)
    await accounts.sign_in("guest", PASSWORD, None, code=device.code(ago=1))
    await accounts.sign_in("guest", PASSWORD, None, code=device.code(ago=-1))
    clock.advance(minutes=5)
    for off in (2, -2):
        with pytest.raises(SecondFactorIsWrong):
            await accounts.sign_in("guest", PASSWORD, None, code=device.code(ago=off))


async def test_of_many_who_use_one_code_at_once_one_gets_in(
    house: House, accounts: AccountService, guest: Account
) -> None:
    device, recovery = await enrolled(house, guest)
    for code in (device.code(), recovery[0]):
        found = await asyncio.gather(
            *(accounts.sign_in("guest", PASSWORD, None, code=code) for _ in range(5)), return_exceptions=True
        )
        refused = [type(one) for one in found if isinstance(one, BaseException)]
        assert refused == [SecondFactorIsWrong] * 4


async def test_a_recovery_code_lets_in_once_however_it_is_typed(
    house: House, accounts: AccountService, guest: Account
) -> None:
    _, codes = await enrolled(house, guest)
    await accounts.sign_in("guest", PASSWORD, None, code=codes[0])
    await accounts.sign_in("guest", PASSWORD, None, code=codes[1].replace("-", " ").upper())
    for used in codes[:2]:
        with pytest.raises(SecondFactorIsWrong):
            await accounts.sign_in("guest", PASSWORD, None, code=used)
    assert (await accounts.second_factors.state(house.actor(guest))).recovery_codes_left == 8
    noted = (await house.product.activity.recent(house.actor(house.root), None, 10)).items
    assert [entry.action for entry in noted].count("account.recovery_code.used") == 2


async def test_neither_secret_nor_recovery_codes_are_kept_as_they_are(
    house: House, accounts: AccountService, guest: Account, tmp_path: Path
) -> None:
    _, secret = await accounts.second_factors.begin(house.actor(guest))
    codes = await accounts.second_factors.confirm(house.actor(guest), Device(house, secret).code())
    files = await in_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.glob("innkeeper.db*")))
    assert b"account.second_factor.on" in files
    for told in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert told.encode() not in files


async def test_ten_wrong_codes_lock_the_account_for_a_while_and_missing_ones_do_not(
    house: House, accounts: AccountService, guest: Account, clock: FakeClock
) -> None:
    device, codes = await enrolled(house, guest)
    for _ in range(15):
        with pytest.raises(SecondFactorIsMissing):
            await accounts.sign_in("guest", PASSWORD, None)
    for _ in range(10):
        with pytest.raises(SecondFactorIsWrong):
            await accounts.sign_in("guest", PASSWORD, None, code=device.wrong())
    for code in (device.code(), codes[0]):
        with pytest.raises(TooManyAttempts) as refused:
            await accounts.sign_in("guest", PASSWORD, None, code=code)
    assert 0 < refused.value.data["retry_after_s"] <= 601
    clock.advance(seconds=601)
    await accounts.sign_in("guest", PASSWORD, None, code=device.code())


async def test_codes_guessed_at_the_same_time_are_not_all_answered(
    house: House, accounts: AccountService, guest: Account
) -> None:
    device, _ = await enrolled(house, guest)
    wrong = device.wrong()
    found = await asyncio.gather(
        *(accounts.sign_in("guest", PASSWORD, None, code=wrong) for _ in range(40)), return_exceptions=True
    )
    kinds = [type(one) for one in found]
    assert (kinds.count(SecondFactorIsWrong), kinds.count(TooManyAttempts)) == (10, 30)


async def test_guesses_at_confirming_are_counted_too(house: House, accounts: AccountService, guest: Account) -> None:
    _, secret = await accounts.second_factors.begin(house.actor(guest))
    wrong = Device(house, secret).wrong()
    for _ in range(10):
        with pytest.raises(SecondFactorIsWrong):
            await accounts.second_factors.confirm(house.actor(guest), wrong)
    with pytest.raises(TooManyAttempts):
        await accounts.second_factors.confirm(house.actor(guest), Device(house, secret).code())


async def test_one_turns_it_off_by_the_password(house: House, accounts: AccountService, guest: Account) -> None:
    await enrolled(house, guest)
    with pytest.raises(WrongCredentials):
        await accounts.second_factors.disable(house.actor(guest), "wrong")
    await accounts.second_factors.disable(house.actor(guest), PASSWORD)
    await accounts.sign_in("guest", PASSWORD, None)
    with pytest.raises(SecondFactorIsOff):
        await accounts.second_factors.disable(house.actor(guest), PASSWORD)
    with pytest.raises(SecondFactorIsOff):
        await accounts.second_factors.confirm(house.actor(guest), "123456")
    assert (await accounts.second_factors.state(house.actor(guest))).recovery_codes_left == 0


async def test_nobody_turns_off_their_own_without_the_password_whatever_they_may(
    house: House, accounts: AccountService
) -> None:
    await enrolled(house, house.root)
    with pytest.raises(PermissionIsMissing, match="password"):
        await accounts.second_factors.reset(house.actor(house.root), house.root.uuid)
    assert house.product.authority.accounts[house.root.id].second_factor
    await accounts.second_factors.disable(house.actor(house.root), PASSWORD)


# -- new recovery codes ------------------------------------------------------------------------------------------------


async def test_new_recovery_codes_make_the_old_ones_void(
    house: House, accounts: AccountService, guest: Account
) -> None:
    _, before = await enrolled(house, guest)
    await accounts.sign_in("guest", PASSWORD, None, code=before[0])
    after = await accounts.second_factors.renew_recovery_codes(house.actor(guest), password=PASSWORD)
    assert len(set(after) | set(before)) == 20
    assert (await accounts.second_factors.state(house.actor(guest))).recovery_codes_left == 10
    with pytest.raises(SecondFactorIsWrong):
        await accounts.sign_in("guest", PASSWORD, None, code=before[1])
    await accounts.sign_in("guest", PASSWORD, None, code=after[0])
    noted = (await house.product.activity.recent(house.actor(house.root), None, 10)).items
    assert "account.recovery_codes.renewed" in [entry.action for entry in noted]


async def test_a_code_of_the_device_or_a_recovery_code_is_proof_enough_and_used_up(
    house: House, accounts: AccountService, guest: Account
) -> None:
    device, before = await enrolled(house, guest)
    factors, me = accounts.second_factors, house.actor(guest)
    code = device.code()
    between = await factors.renew_recovery_codes(me, code=code)
    with pytest.raises(SecondFactorIsWrong):
        await factors.renew_recovery_codes(me, code=code)
    with pytest.raises(SecondFactorIsWrong):
        await factors.renew_recovery_codes(me, code=before[0])
    after = await factors.renew_recovery_codes(me, code=between[0])
    assert not set(after) & set(between)


async def test_without_proof_the_recovery_codes_stay_and_guesses_are_counted(
    house: House, accounts: AccountService, guest: Account
) -> None:
    device, codes = await enrolled(house, guest)
    factors, me = accounts.second_factors, house.actor(guest)
    for wrong in (None, "", "wrong"):
        with pytest.raises(WrongCredentials):
            await factors.renew_recovery_codes(me, password=wrong)
    for code in ("", " "):
        with pytest.raises(WrongCredentials):
            await factors.renew_recovery_codes(me, code=code)
    for _ in range(5):
        with pytest.raises(SecondFactorIsWrong):
            await factors.renew_recovery_codes(me, code=device.wrong())
    for proof in ({"password": PASSWORD}, {"code": codes[0]}):
        with pytest.raises(TooManyAttempts):
            await factors.renew_recovery_codes(me, **proof)
    assert (await factors.state(me)).recovery_codes_left == 10


async def test_who_has_no_second_factor_gets_no_recovery_codes(
    house: House, accounts: AccountService, guest: Account
) -> None:
    with pytest.raises(SecondFactorIsOff):
        await accounts.second_factors.renew_recovery_codes(house.actor(guest), password=PASSWORD)
    await accounts.second_factors.begin(house.actor(guest))
    with pytest.raises(SecondFactorIsOff):
        await accounts.second_factors.renew_recovery_codes(house.actor(guest), password=PASSWORD)


async def test_a_password_that_another_panel_made_void_proves_nothing_any_more(
    house: House, accounts: AccountService, guest: Account
) -> None:
    await enrolled(house, guest)
    other = await restarted(house)
    await accounts.set_password("guest", "quite another passphrase")
    me = other.actor(guest)
    for attempt in (
        other.product.accounts.second_factors.renew_recovery_codes(me, password=PASSWORD),
        other.product.accounts.second_factors.disable(me, PASSWORD),
    ):
        with pytest.raises(WrongCredentials):
            await attempt


async def test_who_lost_the_device_is_helped_by_who_may_do_as_much(
    house: House, accounts: AccountService, guest: Account
) -> None:
    await enrolled(house, guest)
    await enrolled(house, house.root)
    keeper = await house.account("keeper")
    await house.product.accounts.change(
        house.actor(house.root), keeper.uuid, permissions=frozenset({"accounts.read", "accounts.write"})
    )
    with pytest.raises(PermissionIsMissing):
        await accounts.second_factors.reset(house.actor(keeper), house.root.uuid)
    with pytest.raises(PermissionIsMissing):
        await accounts.second_factors.reset(house.actor(guest), guest.uuid)
    await accounts.second_factors.reset(house.actor(keeper), guest.uuid)
    await accounts.sign_in("guest", PASSWORD, None)
    await accounts.delete(house.actor(house.root), guest.uuid)
    with pytest.raises(NoSuchAccount):
        await accounts.second_factors.reset(house.actor(keeper), guest.uuid)


async def test_a_narrow_key_does_not_touch_it(house: House, accounts: AccountService, guest: Account) -> None:
    narrow = house.product.authority.authenticate(await house.key(guest, "server.view"), "api")
    for attempt in (
        accounts.second_factors.begin(narrow),
        accounts.second_factors.confirm(narrow, "123456"),
        accounts.second_factors.disable(narrow, PASSWORD),
        accounts.second_factors.renew_recovery_codes(narrow, password=PASSWORD),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
