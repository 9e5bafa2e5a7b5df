"""Signed tokens: what stands for a session or an API key where a dialect's programs expect a JSON Web Token.

    {"user_id": 3, "iat": 1795324800, "generation": 0, "session_id": 17}      or "token_id", of an API key

A token is nothing of its own: it is valid as long as the key or session that it names is, and its account's generation
is still the one it was made in. A generation is a number and not a moment, so neither the second in which a token was
made nor the clock of another panel can bring a void one back. Knows no algorithm: whoever signs is handed in.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import KeyIsUnknown, NoSuchKey
from innkeeper.core.access.model import Actor, Via
from innkeeper.core.accounts.model import Account
from innkeeper.kit.clock import Clock


class TokenSigner(Protocol):
    """Signs claims with a key that serves nothing else."""

    def sign(self, claims: Mapping[str, int]) -> str: ...

    def read(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that was signed here, None for any other."""
        ...


class Tokens:
    """Issues tokens and reads them."""

    def __init__(self, signer: TokenSigner, access: AccessDirectory, clock: Clock) -> None:
        self._signer = signer
        self._access = access
        self._clock = clock

    def issue(self, account: Account, key_id: int) -> str:
        """Return a token that stands for a session or key of the account; raise NoSuchKey.

        The caller checks who may have it.
        """
        key, now = self._access.keys.get(key_id), self._access.accounts.get(account.id)
        if key is None or now is None or key.account_id != account.id:
            raise NoSuchKey
        named = "token_id" if key.kind == "key" else "session_id"
        issued = int(self._clock.now().timestamp())
        return self._signer.sign(
            {"user_id": account.id, "iat": issued, "generation": now.token_generation, named: key_id}
        )

    def read(self, token: str) -> tuple[int, int]:
        """Return the ids of the account and of the key or session that a valid token stands for; raise KeyIsUnknown."""
        account_id, key_id, _ = self._claims(token)
        return account_id, key_id

    def authenticate(self, token: str, via: Via, address: str | None = None) -> Actor:
        """Return who holds `token`, asking by dialect `via` from `address`.

        Raises KeyIsUnknown, KeyHasExpired, AccountIsDisabled and AddressIsNotAllowed.
        """
        _, key_id, generation = self._claims(token)
        return self._access.actor_of_key(self._access.keys[key_id], via, address, token_generation=generation)

    def _claims(self, token: str) -> tuple[int, int, int]:
        """Return account, key and generation of a token whose key there is and whose account made no newer ones."""
        claims = self._signer.read(token) or {}
        account_id, generation = claims.get("user_id"), claims.get("generation")
        key_id = claims.get("token_id", claims.get("session_id"))
        if not (_is_number(account_id) and _is_number(key_id)):
            raise KeyIsUnknown
        key, account = self._access.keys.get(key_id), self._access.accounts.get(account_id)
        if key is None or account is None or key.account_id != account.id or account.token_generation != generation:
            raise KeyIsUnknown
        if ("token_id" in claims) != (key.kind == "key"):
            raise KeyIsUnknown
        return account.id, key.id, account.token_generation


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
