"""Messages to bytes and back: MessagePack by msgspec, checked against the message's type.

Unknown fields of a newer sender are ignored, missing ones take their defaults: panel and node of neighbouring
releases understand each other.
"""

from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


class BadMessage(ValueError):
    """The bytes are not a message of the expected type."""


def encode(message: msgspec.Struct) -> bytes:
    """Return `message` as bytes."""
    return _encoder.encode(message)


@overload
def decode(payload: bytes, kind: type[T]) -> T: ...
@overload
def decode(payload: bytes, kind: Any) -> Any: ...
def decode(payload: bytes, kind: Any) -> Any:
    """Return the message of type `kind` (a Struct or a union of tagged ones) inside `payload`.

    Raises BadMessage for anything else.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise BadMessage(str(error)) from error
