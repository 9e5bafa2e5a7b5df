"""JSON Web Tokens, signed by HMAC-SHA256. Knows no account and no permission: what claims mean is core's."""

import hmac
from collections.abc import Mapping
from typing import Any

import jwt

from innkeeper.kit.log import get_logger

log = get_logger(__name__)

_ALGORITHM = "HS256"
_LABEL = b"innkeeper: signing tokens, 1"
_LONGEST = 4096


class JwtSigner:
    """Keeps `core.accounts.tokens.TokenSigner`, with a key derived from the installation's secret for this alone."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _LABEL, "sha256")

    def sign(self, claims: Mapping[str, int]) -> str:
        return jwt.encode(dict(claims), self._key, algorithm=_ALGORITHM)

    def read(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that was signed here; when it was, is not looked at."""
        if len(token) > _LONGEST:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], options={"verify_iat": False, "require": ["iat"]}
            )
        except jwt.PyJWTError as error:
            log.debug("token.refused", reason=str(error))
            return None
        return claims
