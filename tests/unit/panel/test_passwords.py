"""Passwords: what is told of an account that there is none of."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from innkeeper.panel.passwords import Argon2Hasher, decoy


def test_a_password_is_known_by_its_digest_alone() -> None:
    hasher = Argon2Hasher()
    digest = hasher.hash("correct horse")
    assert hasher.verify(digest, "correct horse")
    assert not hasher.verify(digest, "wrong horse")
    assert not hasher.verify("", "correct horse")


def test_a_decoy_costs_what_a_digest_costs_and_matches_nothing() -> None:
    argon2 = PasswordHasher()
    false, true = decoy(argon2), argon2.hash("correct horse")
    assert extract_parameters(false) == extract_parameters(true)
    assert len(false) == len(true)
    with pytest.raises(VerifyMismatchError):
        argon2.verify(false, "correct horse")
