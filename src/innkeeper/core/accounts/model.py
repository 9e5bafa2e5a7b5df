"""What an account is."""

from datetime import datetime
from uuid import UUID

import msgspec


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
    most_servers: int | None = None
    """How many servers it may own; None: as many as the house allows, and a superuser any number."""
    created_at: datetime

    @property
    def referral_token(self) -> str:
        """What others name to say that this account brought them; unique, and nowhere kept."""
        return f"{self.username.lower()}-{self.id}"
