"""Argon2id for passwords."""

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError


class Argon2Hasher:
    """Keeps `core.accounts.service.PasswordHasher`; RFC 9106's low-memory parameters."""

    def __init__(self) -> None:
        self._argon2 = Argon2()
        self._decoy = self._argon2.hash("decoy")

    def hash(self, password: str) -> str:
        return self._argon2.hash(password)

    def verify(self, digest: str, password: str) -> bool:
        """Say whether `password` made `digest`; an unknown account (empty digest) costs the same time."""
        try:
            self._argon2.verify(digest or self._decoy, password)
            return bool(digest)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
