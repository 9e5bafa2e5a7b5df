"""Signing: what was not signed here, for this, by this algorithm, is nothing."""

import jwt
import pytest

from innkeeper.panel.tokens import JwtSigner

CLAIMS = {"user_id": 1, "iat": 1, "generation": 0, "session_id": 2}


def test_what_was_signed_is_read_again_whenever_it_was() -> None:
    signer = JwtSigner(b"secret")
    assert signer.read(signer.sign(CLAIMS)) == CLAIMS
    later = CLAIMS | {"iat": 1 << 33}
    assert signer.read(signer.sign(later)) == later, "another panel's clock may be ahead"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "\x00",
        "é.é.é",
        jwt.encode(CLAIMS, None, algorithm="none"),
        jwt.encode(CLAIMS, "x" * 64, algorithm="HS256"),
        jwt.encode(CLAIMS, "x" * 64, algorithm="HS512"),
        JwtSigner(b"another").sign(CLAIMS),
        JwtSigner(b"secret").sign({"user_id": 1}),
        "a" * 5000,
    ],
)
def test_anything_else_is_nothing(token: str) -> None:
    assert JwtSigner(b"secret").read(token) is None


def test_the_key_is_not_the_secret_itself() -> None:
    secret = b"x" * 64
    assert JwtSigner(secret).read(jwt.encode(CLAIMS, secret, algorithm="HS256")) is None
