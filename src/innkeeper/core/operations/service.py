"""Operations: made with the command that asks them, followed by what the node says, waited for by whoever likes."""

import asyncio
from datetime import timedelta
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation, OperationState, Verb
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.broadcast import Overflowed, Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import uuid7
from innkeeper.kit.pages import Page, decode_integer_cursor, encode_cursor


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How an operation stands, as its node says."""

    state: OperationState
    reason: str | None = None
    steps: tuple[str, ...] = ()
    fraction: float | None = None


class OperationService:
    """Keeps operations and tells of their progress."""

    def __init__(self, works: Works, clock: Clock) -> None:
        self._works = works
        self._clock = clock
        self.changes: Topic[int] = Topic()
        """Told the id of every operation that changed."""

    def make(self, server_id: int, verb: Verb, actor: Actor | None, *, uuid: UUID | None = None) -> Operation:
        """Return a new operation, not yet kept; of that UUID, where it is given."""
        return Operation(
            id=0,
            uuid=uuid or uuid7(),
            server_id=server_id,
            verb=verb,
            account_id=actor.account.id if actor else None,
            via=actor.via if actor else "system",
            created_at=self._clock.now(),
        )

    async def get(self, uuid: UUID) -> Operation:
        """Return an operation; raise NoSuchOperation. The caller checks who may see its server."""
        async with self._works() as work:
            operation = await work.operations.find(uuid)
        if operation is None:
            raise NoSuchOperation
        return operation

    async def of_server(self, server_id: int, cursor: str | None, limit: int) -> Page[Operation]:
        """Return a server's operations, newest first; raise BadCursor."""
        before = decode_integer_cursor(cursor)
        async with self._works() as work:
            found = await work.operations.of_server(server_id, before, limit + 1)
        return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)

    async def note(self, work: Work, operation: Operation, progress: Progress) -> Operation:
        """Keep how an operation stands; one that has ended stays as it ended."""
        if operation.ended:
            return operation
        now = self._clock.now()
        begun = operation.started_at or (now if progress.state is not OperationState.CREATED else None)
        changed = msgspec.structs.replace(
            operation,
            state=progress.state,
            # Why the house itself asked for it is not forgotten for what the node has nothing to say to.
            reason=progress.reason or (operation.reason if operation.account_id is None else None),
            steps=progress.steps,
            fraction=progress.fraction,
            started_at=begun,
            finished_at=now if progress.state in (OperationState.DONE, OperationState.FAILED) else None,
        )
        if changed != operation:
            await work.operations.update(changed)
            work.changed("operation", operation.id)
        return changed

    async def apply(self, change: Changed) -> None:
        """Tell whoever waits that an operation changed."""
        if change.noun == "operation":
            self.changes.tell(change.id)

    async def wait(self, uuid: UUID, timeout: timedelta) -> Operation:
        """Return the operation once it has ended, or as it stands after `timeout`."""
        with self.changes.listen() as listener:
            operation = await self.get(uuid)
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    while not operation.ended:
                        try:
                            if await listener.get() != operation.id:
                                continue
                        except Overflowed:
                            pass
                        operation = await self.get(uuid)
            except TimeoutError:
                operation = await self.get(uuid)
        return operation
