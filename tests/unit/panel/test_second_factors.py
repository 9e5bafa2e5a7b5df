"""One-time codes as RFC 6238 has them, and secrets that open nowhere else."""

from datetime import UTC, datetime

import pytest
from nacl.exceptions import CryptoError

from innkeeper.panel.second_factors import SecretSealer, TotpCodes

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("second", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_the_standards_examples(second: int, code: str) -> None:
    codes, at = TotpCodes(), datetime.fromtimestamp(second, UTC)
    assert codes.counter_of(RFC_SECRET, code, at) == second // 30
    assert codes.counter_of(RFC_SECRET, "000000", at) is None


def test_a_code_is_known_one_step_before_and_after_by_its_own_step() -> None:
    codes = TotpCodes()
    found = [
        codes.counter_of(RFC_SECRET, "081804", datetime.fromtimestamp(1111111109 + off, UTC))
        for off in (-60, -30, 0, 30, 60)
    ]
    step = 1111111109 // 30
    assert found == [None, step, step, step, None]


def test_every_secret_is_another_and_long_enough() -> None:
    made = {TotpCodes().new_secret() for _ in range(20)}
    assert len(made) == 20
    assert all(len(secret) == 32 for secret in made), "160 bits"


def test_what_is_sealed_opens_for_the_same_purpose_by_the_same_secret_alone() -> None:
    sealer = SecretSealer(b"of this installation")
    sealed = sealer.seal("GEZDGNBV", "account 1")
    assert sealer.open(sealed, "account 1") == "GEZDGNBV"
    assert sealer.seal("GEZDGNBV", "account 1") != sealed
    for other, about in ((sealer, "account 2"), (SecretSealer(b"of another"), "account 1")):
        with pytest.raises(CryptoError):
            other.open(sealed, about)
