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
    created_at: datetime
