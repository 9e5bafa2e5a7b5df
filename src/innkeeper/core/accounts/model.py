"""What an account is."""

from datetime import datetime
from uuid import UUID

import msgspec

SERVERS_LIMIT = "servers.create"
LIMITED = (SERVERS_LIMIT, "accounts.write", "roles.write")
"""The product permissions whose use is counted."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in."""

    id: int
    uuid: UUID
    username: str
    """Unique whatever the case."""
    email: str = ""
    email_verified: bool = False
    password_hash: str
    """Argon2id, in its own encoded form; empty: cannot sign in by password."""
    superuser: bool = False
    """May do everything."""
    disabled: bool = False
    given_name: str = ""
    family_name: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2; empty: not told."""
    currency: str = ""
    """ISO 4217, in which its servers are charged; empty: the house's."""
    referred_by: int | None = None
    """The account whose referral token it was made with."""
    permissions: frozenset[str] = frozenset()
    """Product permissions that it has of itself, beside those of its roles."""
    limits: dict[str, int] = {}
    """How often it may use a product permission: how many servers it may own (`servers.create`), how many accounts
    (`accounts.write`) and roles (`roles.write`) that it made there may be. One that is left out is not limited, but
    servers are as the house allows, and a superuser's not."""
    manager_id: int | None = None
    """The account that looks after it: may see it and change its particulars."""
    created_by: int | None = None
    """The account that made it; None: the house itself."""
    language: str = ""
    """Such as `en_EN`; empty: the house's."""
    theme: str = ""
    """How pages look to it, by the name that the page has for that; empty: as they do to everybody."""
    hints: bool = True
    """Pages explain themselves to it."""
    attributes: dict[str, str] = {}
    """What a dialect must give back word for word; nothing else reads it."""
    second_factor: bool = False
    """Signing in by password takes a one-time code, too."""
    token_generation: int = 0
    """Tokens of earlier generations are void."""
    tokens_valid_from: datetime | None = None
    """When its tokens were last made void."""
    last_login_at: datetime | None = None
    last_address: str | None = None
    """From where it last signed in by password."""
    created_at: datetime
    changed_at: datetime | None = None
    """When its particulars or powers last changed; signing in is none of it."""

    @property
    def most_servers(self) -> int | None:
        """How many servers it may own; None: as many as the house allows, and a superuser any number."""
        return self.limits.get(SERVERS_LIMIT)

    @property
    def referral_token(self) -> str:
        """What others name to say that this account brought them; unique, and nowhere kept."""
        return f"{self.username.lower()}-{self.id}"


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """What proves an account a second time: a secret shared with a device that makes one-time codes of it."""

    account_id: int
    secret: str
    """Sealed."""
    confirmed: bool = False
    """A code was given once; before, signing in asks for none."""
    last_counter: int = 0
    """The newest time step whose code was used: neither it nor an older one counts again."""
    created_at: datetime


class FailedSignIns(msgspec.Struct, frozen=True, kw_only=True):
    """How often somebody failed to sign in, by one of the names that counts under."""

    name: str
    """Hashed."""
    failures: int
    ends_at: datetime
    """From when on it counts no more."""
