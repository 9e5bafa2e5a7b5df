"""The conditions under which the product refuses, as a closed set of kinds.

    CoreError
    ├── Unauthenticated   who asks is not known                    the key is wrong, ended or used from elsewhere
    ├── Forbidden         known, and may not
    ├── NotFound          there is no such thing (or it is not yours to see)
    ├── Gone              there was, and it was deleted
    ├── Invalid           what was asked makes no sense
    ├── Conflict          it makes sense, but not now, not in this state
    ├── Exhausted         a limit is reached
    └── Unavailable       something needed does not answer now

A condition class per case stands in its noun's `errors.py`; its docstring is the default message. Errors carry kind,
code and data, never an HTTP status: every dialect has a total table of its own.
"""

import re
from typing import Any, ClassVar


class CoreError(Exception):
    """Something could not be done."""

    kind: ClassVar[str] = "failed"

    def __init__(self, message: str | None = None, **data: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.data = data

    @property
    def message(self) -> str:
        """What went wrong, for people, in one sentence."""
        return str(self)

    @property
    def code(self) -> str:
        """The condition's name in snake case: stable, for programs."""
        return snake(type(self).__name__)


class Unauthenticated(CoreError):
    """Who asks is not known."""

    kind = "unauthenticated"


class Forbidden(CoreError):
    """This is not permitted."""

    kind = "forbidden"


class NotFound(CoreError):
    """There is no such thing."""

    kind = "not_found"


class Gone(CoreError):
    """It was deleted."""

    kind = "gone"


class Invalid(CoreError):
    """This makes no sense."""

    kind = "invalid"


class Conflict(CoreError):
    """This cannot be done in the present state."""

    kind = "conflict"


class Exhausted(CoreError):
    """A limit is reached."""

    kind = "exhausted"


class Unavailable(CoreError):
    """Something that is needed does not answer now."""

    kind = "unavailable"


KINDS: tuple[type[CoreError], ...] = (
    Unauthenticated,
    Forbidden,
    NotFound,
    Gone,
    Invalid,
    Conflict,
    Exhausted,
    Unavailable,
)


def snake(name: str) -> str:
    """Return a CamelCase name in snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def all_conditions() -> list[type[CoreError]]:
    """Return every condition class known by now, kinds included: what a dialect's table must map."""
    found: list[type[CoreError]] = []
    pending: list[type[CoreError]] = [CoreError]
    while pending:
        condition = pending.pop()
        found.append(condition)
        pending.extend(condition.__subclasses__())
    return found
