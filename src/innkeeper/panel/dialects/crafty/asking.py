"""Bodies as Crafty takes them: JSON whatever type it is said to be, bounded, and of the form that a schema says.

The text that goes with a refusal is that of the `jsonschema` library, as clients know it from the original.
"""

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from litestar.connection import Request

from innkeeper.kit.tasks import in_thread
from innkeeper.panel.dialects.crafty.errors import BodyIsNoJson, BodyIsNotAsDue
from innkeeper.panel.http.bodies import read_body

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = dict[str, Any]

MOST = 256 * 1024
"""Bytes of a body, unless a route says otherwise."""
_AT_ONCE = 8 * 1024
"""Bytes of a body that is looked at in no time; for a larger one nobody else is kept waiting."""
_MOST_TOLD = 4000
"""Characters of what is said to be wrong: it tells what was sent."""


async def read(request: Request[Any, Any, Any], schema: Schema, *, limit: int = MOST) -> Any:
    """Return the body as JSON that keeps to `schema`; raise BodyIsNoJson, BodyIsNotAsDue, BodyIsTooLarge."""
    body = await read_body(request, limit)
    if not _made.cache_info().currsize:
        await in_thread(_warm)  # the library takes its time to load, and is not needed before
    if len(body) > _AT_ONCE:
        return await in_thread(_checked, body, schema)
    return _checked(body, schema)


def _checked(body: bytes, schema: Schema) -> Any:
    found = parse(body)
    require(found, schema)
    return found


def parse(body: bytes) -> Any:
    """Return a body as JSON; raise BodyIsNoJson with what is wrong.

    A whole number is an integer however it is written, and texts are such as can be written down again.
    """
    try:
        found = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_number)
        if b"\\u" in body:  # half of a pair is text to JSON and to nobody else
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise BodyIsNoJson(
            "The body is nested too deeply." if isinstance(error, RecursionError) else str(error)
        ) from error


def require(found: Any, schema: Schema) -> None:
    """Raise BodyIsNotAsDue, saying where and why, unless what was found keeps to `schema`."""
    try:
        problem = _worst(found, json.dumps(schema, sort_keys=True))
    except RecursionError as error:
        raise BodyIsNotAsDue("The body is nested too deeply.") from error
    if problem is not None:
        raise BodyIsNotAsDue(problem)


def _worst(found: Any, schema: str) -> str | None:
    from jsonschema.exceptions import best_match

    problem = best_match(_made(schema).iter_errors(found))
    if problem is None:
        return None
    if problem.validator == "minProperties":  # as the library said it when Crafty was made
        problem.message = f"{problem.instance!r} does not have enough properties"
    told = str(problem)
    return told if len(told) <= _MOST_TOLD else f"{told[:_MOST_TOLD]}…"


@cache
def _made(schema: str) -> "Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _warm() -> None:
    _made("{}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> float | int:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{text[:40]} is too large a number")
    return int(found) if found.is_integer() else found


def flag(request: Request[Any, Any, Any], name: str) -> bool:
    """Say whether a parameter of the query is `true`; anything else is not."""
    return request.query_params.get(name) == "true"
