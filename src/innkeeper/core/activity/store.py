"""What the activity service needs of storage."""

from datetime import datetime
from typing import Protocol

from innkeeper.core.activity.model import Activity


class ActivityStore(Protocol):
    """Activity at rest; entries are never changed."""

    async def add(self, entry: Activity) -> Activity:
        """Keep a new entry (its id is ignored) and return it with its id."""
        ...

    async def recent(
        self, *, server_id: int | None, account_id: int | None, before_id: int | None, limit: int
    ) -> list[Activity]:
        """Return entries newest first, of that server and account where given, older than `before_id`."""
        ...

    async def delete_before(self, moment: datetime, *, most: int | None = None) -> int:
        """Delete what is older, the oldest first, `most` at once; return how many."""
        ...

    async def delete_beyond(self, newest: int, *, most: int) -> int:
        """Delete all but the newest so many, the oldest first, `most` at once; return how many."""
        ...
