"""Texts of messages from templates: a small part of Jinja2, in which nothing can take long or reach inside.

    {{ server.name }}: {{ event_name }}{% if player %} ({{ player|upper }}){% endif %}

A template may say text, variables, conditions, comparisons and some filters. It has no loops, no assignments, no
arithmetic, no calls and no imports, so that its text is at most as long as the template times a variable, and it ends.
What it may say is checked as a whole when a webhook is made, by the template's syntax and not by running it. Jinja2's
own sandbox stands below that all the same.
"""

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEXT = 20_000
"""Characters of a rendered text."""
MAX_VALUE = 4_000
"""Characters of one variable; what is longer is cut."""
MAX_DEPTH = 30
"""Of expressions within each other."""
SERVER_PARTS = frozenset({"name", "uuid", "id"})
NAMES = frozenset(
    {
        "server",
        "server_name",
        "server_uuid",
        "server_id",
        "event",
        "event_name",
        "event_type",
        "time",
        "time_iso",
        "player",
        "reason",
        "command",
        "backup",
        "account",
        "source",
        "webhook",
    }
)
FILTERS = frozenset({"upper", "lower", "title", "capitalize", "trim", "length", "default", "d", "replace", "truncate"})
TESTS = frozenset({"defined", "undefined", "string", "none", "equalto", "eq", "==", "ne", "!=", "in"})
_SPOKEN: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
    nodes.Test,
    nodes.Tuple,
    nodes.List,
)


class TextIsInvalid(ValueError):
    """The template cannot be one; the message says why, for people."""


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 with what a text may use; `escape` is applied to everything that comes from variables."""

    def __init__(self, escape: Callable[[str], str]) -> None:
        super().__init__(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
        self.finalize = lambda value: escape(str(value))
        self.globals = {}
        known = {**self.filters, "replace": _replace}
        self.filters = {name: _bounded(known[name]) for name in FILTERS}
        self.tests = {name: self.tests[name] for name in TESTS}


def _bounded(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that takes no longer a text than may be rendered: many long ones would cost minutes."""

    @wraps(apply)
    def filtered(value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise TextIsInvalid("the text becomes too long")
        return apply(value, *args, **kwargs)

    return filtered


def _replace(value: object, old: object, new: object) -> str:
    """Replace every `old`; unlike Jinja2's own, no text grows without bound."""
    text, before, after = str(value), str(old), str(new)
    if len(text) + text.count(before) * max(0, len(after) - len(before)) > MAX_TEXT:
        raise TextIsInvalid("the text becomes too long")
    return text.replace(before, after)


def check_text(template: str) -> None:
    """Raise TextIsInvalid unless `template` is one that can be rendered."""
    try:
        tree = _plain().parse(template)
    except TemplateError as error:
        raise TextIsInvalid(_told(error)) from error
    except RecursionError as error:
        raise TextIsInvalid("its expressions are too deep within each other") from error
    _check(tree, 0)
    values = dict.fromkeys(NAMES, "x") | {"server": dict.fromkeys(SERVER_PARTS, "x")}
    render_text(template, values, escape=str)


def render_text(template: str, values: Mapping[str, Any], *, escape: Callable[[str], str]) -> str:
    """Return a checked template's text; raise TextIsInvalid where it cannot be rendered.

    `values` has every one of NAMES, as text, `server` a mapping of SERVER_PARTS.
    """
    environment = _Environment(escape)
    try:
        _check(environment.parse(template), 0)  # it may have been kept by a release that allowed more
        found, size = [], 0
        for part in environment.from_string(template).generate({name: _cut(value) for name, value in values.items()}):
            size += len(part)
            if size > MAX_TEXT:
                raise TextIsInvalid("the text becomes too long")
            found.append(part)
    except TemplateError as error:
        raise TextIsInvalid(_told(error)) from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        raise TextIsInvalid("its expressions are too deep within each other") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, AssertionError) as error:
        raise TextIsInvalid(str(error)[:200]) from error
    text = "".join(found)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextIsInvalid("it has half a character") from error
    return text


@cache
def _plain() -> _Environment:
    return _Environment(str)


def _check(node: nodes.Node, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TextIsInvalid("its expressions are too deep within each other")
    where = f" (line {node.lineno})" if node.lineno else ""
    if not isinstance(node, _SPOKEN):
        raise TextIsInvalid(f"there is no {type(node).__name__.lower()} in such a text{where}")
    match node:
        case nodes.Name() if node.name not in NAMES:
            raise TextIsInvalid(f"there is no variable {node.name[:50]!r}{where}")
        case nodes.Getattr() if not _is_part_of_server(node):
            raise TextIsInvalid(f"nothing has a part {node.attr[:50]!r}{where}")
        case nodes.Filter() if node.name not in FILTERS or node.dyn_args or node.dyn_kwargs:
            raise TextIsInvalid(f"there is no filter {node.name[:50]!r} for such a text{where}")
        case nodes.Test() if node.name not in TESTS or node.dyn_args or node.dyn_kwargs:
            raise TextIsInvalid(f"there is no test {node.name[:50]!r} for such a text{where}")
        case nodes.Const() if not isinstance(node.value, str | int | float | bool | None):
            raise TextIsInvalid(f"there are texts and numbers alone{where}")
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Keyword):
            _check(child.value, depth + 1)
        else:
            _check(child, depth + (not isinstance(child, nodes.Output)))


def _is_part_of_server(node: nodes.Getattr) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name == "server" and node.attr in SERVER_PARTS


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part) for name, part in value.items()}
    return value if len(value) <= MAX_VALUE else value[: MAX_VALUE - 1] + "…"


def _told(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return (error.message or type(error).__name__)[:200] + (f" (line {line})" if line else "")
