"""What every message on the wire is."""

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything on the wire; the type's name is its tag."""
