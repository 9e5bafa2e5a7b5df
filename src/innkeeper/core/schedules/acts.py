"""What schedules do, and the permission that each act needs of whoever has it done.

Acts are asked of the services that do them, as anybody asks them; knows neither times nor how runs are kept.
"""

from typing import Literal, Protocol
from uuid import UUID

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.console.service import ConsoleService, check_command
from innkeeper.core.operations.model import Operation
from innkeeper.core.schedules.errors import ScheduleIsInvalid
from innkeeper.core.schedules.model import Act, ActKind
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import CommandIsInvalid
from innkeeper.core.servers.service import ServerService

MAX_COMMANDS = 20
"""Lines that one act types."""
PERMISSIONS: dict[ActKind, ServerPermission] = {
    "start": ServerPermission.START,
    "stop": ServerPermission.STOP,
    "restart": ServerPermission.RESTART,
    "kill": ServerPermission.KILL,
    "backup": ServerPermission.BACKUPS_CREATE,
    "verify": ServerPermission.BACKUPS_WRITE,
    "update": ServerPermission.REINSTALL,
    "command": ServerPermission.CONSOLE_WRITE,
}
"""What the account of a schedule must hold on its server, when it is made and whenever it runs."""
_NO_BACKUPS = "Backups cannot be made here."
_OF_BACKUPS: tuple[ActKind, ...] = ("backup", "verify")


class Made(Protocol):
    """A backup that is being made or verified, as far as schedules look at it."""

    @property
    def uuid(self) -> UUID: ...

    @property
    def state(self) -> str:
        """`done` or `failed` once it has ended."""
        ...

    @property
    def reason(self) -> str | None: ...


class Backups(Protocol):
    """Makes backups; `core.backups` does."""

    async def create(self, actor: Actor, record: Record, *, cause: Literal["schedule"]) -> Made:
        """Begin a backup."""
        ...

    async def get(self, actor: Actor, record: Record, which: UUID, /) -> Made:
        """Return a backup as it stands."""
        ...


class Verifications(Protocol):
    """Verifies backups; `core.backups.verifying` does."""

    async def verify_newest(self, actor: Actor, record: Record) -> Made:
        """Begin to verify the newest backup that nobody found damaged."""
        ...

    async def get(self, actor: Actor, record: Record, which: UUID, /) -> Made:
        """Return how the verification of a backup stands."""
        ...


class Acts:
    """Has acts done."""

    def __init__(
        self,
        *,
        servers: ServerService,
        console: ConsoleService,
        backups: Backups | None,
        verifying: Verifications | None,
    ) -> None:
        self._servers = servers
        self._console = console
        self._backups = backups
        self._verifying = verifying

    def check(self, act: Act) -> None:
        """Raise ScheduleIsInvalid, with the field that is wrong, unless the act makes sense."""
        if act.kind in _OF_BACKUPS and (self._backups is None or self._verifying is None):
            raise ScheduleIsInvalid(_NO_BACKUPS, field="act")
        if act.kind != "command":
            if act.command:
                raise ScheduleIsInvalid(f"To {act.kind} a server takes no command.", field="command")
            return
        lines = lines_of(act)
        if not 1 <= len(lines) <= MAX_COMMANDS:
            raise ScheduleIsInvalid(f"A schedule types 1 to {MAX_COMMANDS} lines.", field="command")
        try:
            for line in lines:
                check_command(line)
        except CommandIsInvalid as error:
            raise ScheduleIsInvalid(error.message, field="command") from error

    async def do(self, actor: Actor, record: Record, act: Act, *, uuid: UUID) -> Operation | Made | None:
        """Have an act done; return what it takes until it is: an operation of that UUID, a backup, or nothing more.

        Raises whatever refuses it, PermissionIsMissing included.
        """
        match act.kind:
            case "start":
                return await self._servers.start(actor, record, operation_id=uuid)
            case "stop":
                return await self._servers.stop(actor, record, operation_id=uuid)
            case "restart":
                return await self._servers.restart(actor, record, operation_id=uuid)
            case "kill":
                return await self._servers.kill(actor, record, operation_id=uuid)
            case "update":
                return await self._servers.reinstall(actor, record, operation_id=uuid)
            case "backup":
                if self._backups is None:
                    raise ScheduleIsInvalid(_NO_BACKUPS, field="act")
                return await self._backups.create(actor, record, cause="schedule")
            case "verify":
                if self._verifying is None:
                    raise ScheduleIsInvalid(_NO_BACKUPS, field="act")
                return await self._verifying.verify_newest(actor, record)
            case "command":
                for line in lines_of(act):
                    await self._console.command(actor, record, line)
                return None

    async def made(self, actor: Actor, record: Record, act: Act, uuid: UUID) -> Made | None:
        """Return how what an act does about a backup stands; None where none can be made here.

        Raises as the backups' services do.
        """
        service = self._verifying if act.kind == "verify" else self._backups
        return await service.get(actor, record, uuid) if service is not None else None


def lines_of(act: Act) -> list[str]:
    """Return what an act types, line by line; empty lines are none."""
    return [line for line in act.command.splitlines() if line.strip()]
