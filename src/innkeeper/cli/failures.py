"""Why a command ends with status 1: one sentence for people, the API's error object for programs."""

import json
import sys
from typing import Any

from innkeeper.cli.text import plain


class CommandFailed(Exception):
    """A command could not be done; the message is one plain sentence."""

    def __init__(
        self, message: str, *, code: str = "command_failed", kind: str = "failed", data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.kind = kind
        self.data = data or {}

    def document(self) -> dict[str, Any]:
        """Return it in the shape of the API's errors."""
        error = {"code": self.code, "kind": self.kind, "message": self.message, "data": self.data}
        return {"error": error}

    def tell(self, *, as_json: bool) -> None:
        """Write it to standard error."""
        text = json.dumps(self.document()) if as_json else f"innkeeper: {plain(self.message)}"
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class NotConnected(CommandFailed):
    """No Innkeeper was reached, or none is known."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not_connected", kind="unavailable")
