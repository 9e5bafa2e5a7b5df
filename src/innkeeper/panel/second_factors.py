"""One-time codes of RFC 6238, and the sealing of what they are made from. Knows no account."""

import hmac
from base64 import b64decode, b64encode
from datetime import datetime
from hmac import compare_digest

import pyotp
from nacl.secret import Aead

_ISSUER = "Innkeeper"
_STEP_S = 30
_NEAR = (0, -1, 1)
"""A device's clock may be off by one step, and so may the time in which somebody types."""
_LABEL = b"innkeeper: sealing second factors, 1"


class TotpCodes:
    """Keeps `core.accounts.second_factors.OneTimeCodes`: six digits, SHA-1, 30 seconds, as every device has them."""

    def new_secret(self) -> str:
        return pyotp.random_base32()

    def uri(self, secret: str, username: str) -> str:
        return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=_ISSUER)

    def counter_of(self, secret: str, code: str, at: datetime) -> int | None:
        now, codes = int(at.timestamp()) // _STEP_S, pyotp.HOTP(secret)
        matching = [now + off for off in _NEAR if compare_digest(codes.at(now + off), code)]
        return matching[0] if matching else None


class SecretSealer:
    """Keeps `core.accounts.second_factors.Sealer`: XChaCha20-Poly1305, by a key derived from the installation's secret.

    What leaks of one table alone, or of a row that is put at another's place, does not open.
    """

    def __init__(self, secret: bytes) -> None:
        self._box = Aead(hmac.digest(secret, _LABEL, "sha256"))

    def seal(self, text: str, about: str) -> str:
        return b64encode(self._box.encrypt(text.encode(), about.encode())).decode()

    def open(self, sealed: str, about: str) -> str:
        return self._box.decrypt(b64decode(sealed), about.encode()).decode()
