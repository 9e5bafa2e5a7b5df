"""A game's management server for tests of core: it answers what a test wrote down, and says what a test has it say."""

from typing import Any

from innkeeper.core.nodes.gateway import OnNote
from innkeeper.core.servers.errors import ManagementRefused

UNKNOWN_METHOD = {"code": -32601, "message": "Method not found"}


class ScriptedManagement:
    """The management server of one game. `answers` are its results by method; any other method is refused."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, Any]] = []
        """What was asked: method and params."""
        self.watchers: list[OnNote] = []

    def call(self, method: str, params: Any) -> Any:
        """Return the answer to `method`; raise ManagementRefused where none is known."""
        self.calls.append((method, params))
        if method not in self.answers:
            raise ManagementRefused(error=UNKNOWN_METHOD)
        return self.answers[method]

    def notify(self, name: str, data: Any = None) -> None:
        """Say something by itself."""
        for watcher in list(self.watchers):
            watcher(name, data)


class ScriptedManagementWatch:
    """A management server that is listened to."""

    def __init__(self, management: ScriptedManagement, on_note: OnNote) -> None:
        self._management = management
        self._on_note = on_note
        management.watchers.append(on_note)

    async def close(self) -> None:
        """Listen no longer."""
        self._management.watchers.remove(self._on_note)
