"""How the exact fields of a reply are held against what a dialect documents; what a reply has is the dialect's own."""

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], None]
NUMBER = (int, float)


def fields(what: Any, /, **kinds: Any) -> None:
    """See that an object has these fields and no other, of these kinds: types, a check, or None for null."""
    assert isinstance(what, dict), what
    assert set(what) == set(kinds), set(what) ^ set(kinds)
    for name, kind in kinds.items():
        if callable(kind) and not isinstance(kind, type):
            kind(what[name])
        else:
            fits(what[name], kind, name)


def fits(value: Any, kind: Any, name: str = "") -> None:
    """See that a value is of a type, or one of several; None stands for null, and no boolean is a number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is None:
        assert None in kinds, f"{name} is null"
        return
    assert isinstance(value, tuple(each for each in kinds if each is not None)), f"{name}: {value!r}"
    assert not isinstance(value, bool) or bool in kinds, f"{name}: {value!r}"


def each(check: Check) -> Check:
    """Return what sees that a value is a list of what `check` accepts."""

    def checked(value: Any) -> None:
        assert isinstance(value, list), value
        for item in value:
            check(item)

    return checked
