"""Argon2id for passwords."""

import secrets
from base64 import b64encode

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError


class Argon2Hasher:
    """Keeps `core.accounts.passwords.PasswordHasher`; RFC 9106's low-memory parameters."""

    def __init__(self) -> None:
        self._argon2 = Argon2()
        self._decoy = decoy(self._argon2)

    def hash(self, password: str) -> str:
        return self._argon2.hash(password)

    def verify(self, digest: str, password: str) -> bool:
        """Say whether `password` made `digest`; an unknown account (empty digest) costs the same time."""
        try:
            self._argon2.verify(digest or self._decoy, password)
            return bool(digest)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False


def decoy(argon2: Argon2) -> str:
    """Return a digest that no password is known to make, without the time that making one of a password takes."""
    salt, digest = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (argon2.salt_len, argon2.hash_len)
    )
    cost = f"m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
