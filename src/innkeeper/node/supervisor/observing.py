"""What a supervisor remembers of one server, as its panel is told it. Decides nothing, and changes nothing."""

from collections.abc import Sequence
from uuid import UUID

from innkeeper.node.supervisor.place import Kept
from innkeeper.wire.messages import DesiredServer, ObservedServer, OrderReport


def observed(
    uuid: UUID, desired: DesiredServer | None, kept: Kept, notes: Sequence[str], order: OrderReport | None
) -> ObservedServer:
    """Return what is seen of the server now; `order` is the one whose standing is told."""
    memory = kept.machine
    return ObservedServer(
        uuid=uuid,
        generation=desired.generation if desired is not None else 0,
        phase=memory.phase,
        reason=memory.reason,
        pid=memory.pid,
        run_id=memory.run_id if memory.process != "none" else None,
        started_us=memory.started_us,
        ready_us=memory.ready_us,
        order=order,
        last_exit=memory.last_exit,
        runs=list(memory.runs),
        players=list(kept.players),
        crashes=len(memory.crashes_us),
        notes=list(notes),
    )
