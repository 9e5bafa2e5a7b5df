"""Identifiers: UUIDv7 for rows, and short reversible names for integers.

Knows nothing of what is identified. Foreign ids are derived from a row's integer and never stored, so an id of
16 characters must be turned back into its integer and nothing else: `ShortIds` is a keyed permutation.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from time import time_ns
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TYPED = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 16
_HALF_BITS = 47  # 62**16 > 2**94: two halves of 47 bits fill 16 characters
_HALF_MASK = (1 << _HALF_BITS) - 1
_ROUNDS = 6
_NUMBER_BITS = 48


def uuid7(now_ns: Callable[[], int] = time_ns) -> UUID:
    """Return a UUID of version 7 (RFC 9562): 48 bits of unix milliseconds, then random bits."""
    milliseconds = now_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_secret(prefix: str) -> str:
    """Return a fresh token of 256 random bits, `prefix` first so that leaked ones can be recognised."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """Return the hex SHA-256 under which a random token is kept at rest.

    Only for tokens of `new_secret` (256 bits of entropy need no slow hash), never for passwords.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_code(length: int) -> str:
    """Return random letters and digits (nearly five bits each) for people to type: none that looks like another."""
    return "".join(secrets.choice(TYPED) for _ in range(length))


class ShortIds:
    """Integers of one kind as 16 letters and digits, and back.

    A Feistel network over 94 bits keyed by the installation's secret and the kind's name: ids reveal neither order
    nor count, an id of one kind is no id of another, and 46 zero bits make a guessed id decode to nothing.
    """

    def __init__(self, key: bytes, kind: str) -> None:
        self._round_keys = [hmac.digest(key, f"{kind}:{number}".encode(), "sha256") for number in range(_ROUNDS)]

    def encode(self, number: int) -> str:
        """Return the 16-character id of `number` (0 ≤ number < 2**48)."""
        if not 0 <= number < 1 << _NUMBER_BITS:
            raise ValueError(f"{number} has no short id")
        left, right = number >> _HALF_BITS, number & _HALF_MASK
        for key in self._round_keys:
            left, right = right, left ^ self._mix(key, right)
        value = left << _HALF_BITS | right
        letters = []
        for _ in range(_LENGTH):
            value, digit = divmod(value, len(ALPHABET))
            letters.append(ALPHABET[digit])
        return "".join(reversed(letters))

    def decode(self, text: str) -> int | None:
        """Return the number whose id is `text`, or None where it is no id of this kind."""
        if len(text) != _LENGTH:
            return None
        value = 0
        for letter in text:
            digit = ALPHABET.find(letter)
            if digit < 0:
                return None
            value = value * len(ALPHABET) + digit
        if value >> (2 * _HALF_BITS):
            return None
        left, right = value >> _HALF_BITS, value & _HALF_MASK
        for key in reversed(self._round_keys):
            left, right = right ^ self._mix(key, left), left
        number = left << _HALF_BITS | right
        return number if number < 1 << _NUMBER_BITS else None

    @staticmethod
    def _mix(key: bytes, half: int) -> int:
        return (
            int.from_bytes(hashlib.blake2b(half.to_bytes(6, "big"), key=key, digest_size=8).digest(), "big")
            & _HALF_MASK
        )
