"""What the access service needs of storage."""

from datetime import datetime
from typing import Protocol

from innkeeper.core.access.model import ApiKey, Grant, Role


class AccessStore(Protocol):
    """Keys, roles and grants at rest."""

    async def add_key(self, key: ApiKey) -> ApiKey:
        """Keep a new key (its id is ignored) and return it with its id."""
        ...

    async def get_key(self, key_id: int) -> ApiKey | None: ...

    async def all_keys(self) -> list[ApiKey]: ...

    async def touch_key(self, key_id: int, at: datetime) -> None:
        """Note when a key was last used."""
        ...

    async def delete_key(self, key_id: int) -> None: ...

    async def delete_sessions(self, account_id: int) -> list[int]:
        """Delete every session of an account; return their ids."""
        ...

    async def delete_expired_keys(self, before: datetime) -> int:
        """Delete keys that ended before that moment; return how many."""
        ...

    async def add_role(self, role: Role) -> Role:
        """Keep a new role with servers and members; raise RoleNameIsTaken, for a name in another case, too."""
        ...

    async def get_role(self, role_id: int, *, hold: bool = False) -> Role | None:
        """Return one; with `hold` nobody else changes it, or is answered so, until the end of this."""
        ...

    async def count_roles_of(self, account_id: int) -> int:
        """Return how many roles there are that this account made."""
        ...

    async def all_roles(self) -> list[Role]: ...

    async def update_role(self, role: Role) -> None:
        """Replace a role wholly, servers and members too; raise RoleNameIsTaken."""
        ...

    async def delete_role(self, role_id: int) -> None: ...

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant, in place of the one for the same account and server."""
        ...

    async def delete_grant(self, account_id: int, server_id: int) -> bool:
        """Delete a grant; say whether there was one."""
        ...

    async def grants_of(self, server_id: int) -> list[Grant]:
        """Return a server's grants; until the transaction ends, nobody else who asks this is answered."""
        ...

    async def all_grants(self) -> list[Grant]: ...
