"""Write what each dialect covers, into docs/reference/dialects: `python tools/coverage.py`.

For every route and stream that a dialect demands (`tools/dialects/NAME.toml`): what serves it, the permission it needs,
the transcripts that hold its replies word for word, and the tests in which a real client uses it. All of it is read
from code: routes from the application, requests from the transcripts, claims from the marker of tests,

    @pytest.mark.proves("exaroton GET /servers/{server}", "exaroton stream console", by=["npm 1", "PyPI"])

The words around the tables are those of `tools/dialects/NAME.md`. A test compares the pages with what the code says,
and fails for what is not served, has no transcript or is used by no real client.
"""

import ast
import dataclasses
import importlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute

from innkeeper.panel.http.needs import Needs
from innkeeper.panel.product import Product

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "tools" / "dialects"
PAGES = ROOT / "docs" / "reference" / "dialects"
TESTS = ROOT / "tests"
MADE = "<!-- Made by tools/coverage.py: change the code, or tools/dialects, then run it. -->\n\n"
SOCKET = "WebSocket"
_UNASKED = frozenset({"OPTIONS", "HEAD"})
"""Methods that the framework answers by itself."""
_SUCCESSES = frozenset({"200", "201", "204"})


class Streams(msgspec.Struct, frozen=True):
    """A dialect's streams by their names, as in `Table`."""

    documented: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    socket: str = ""
    """The route on which they come."""
    always: tuple[str, ...] = ()
    """Those that come without being asked for."""
    feeds: str = ""
    """MODULE:CLASS whose subclasses serve the others; each has a `name` and a `permission`."""


class Difference(msgspec.Struct, frozen=True):
    """Where replies are meant to differ from what was observed of the original."""

    exchanges: tuple[str, ...]
    """Names of observed exchanges, as patterns."""
    fields: tuple[str, ...]
    """Fields of their replies, as patterns."""
    reason: str

    def covers(self, exchange: str, field: str) -> bool:
        """Say whether a field of an exchange's reply may differ so."""
        return any(fnmatchcase(exchange, each) for each in self.exchanges) and any(
            fnmatchcase(field, each) for each in self.fields
        )


class Table(msgspec.Struct, frozen=True):
    """What a dialect demands: `tools/dialects/NAME.toml`. A route is METHOD PATH, without the prefix."""

    title: str
    application: str
    """MODULE:FUNCTION that makes the application of a product."""
    prefix: str
    transcripts: str
    """A folder."""
    clients: tuple[str, ...]
    documented: tuple[str, ...]
    also: tuple[str, ...] = ()
    """What only known clients ask for."""
    refused: tuple[str, ...] = ()
    """Those of them that mean nothing here, and say so."""
    outside: tuple[str, ...] = ()
    """Those of them that do not lie below the prefix."""
    streams: Streams = Streams()
    differences: tuple[Difference, ...] = ()

    @property
    def routes(self) -> tuple[str, ...]:
        """Return every route that is asked for."""
        return self.documented + self.also

    def address(self, route: str) -> str:
        """Return the path of a route as a client asks for it."""
        path = route.partition(" ")[2]
        return path if route in self.outside else f"{self.prefix}{path}"


class Served(msgspec.Struct, frozen=True):
    """What serves a route or a stream."""

    by: str
    """Module and name, as one finds it in the code."""
    needs: str
    """A permission; empty for none."""


class Transcript(msgspec.Struct, frozen=True):
    """A request with its reply."""

    path: Path
    succeeds: bool


class Proof(msgspec.Struct, frozen=True):
    """A test in which a real client uses something."""

    client: str
    test: str
    path: Path


class Coverage(msgspec.Struct, frozen=True):
    """What is known of each route (METHOD PATH) and stream (its name)."""

    table: Table
    served: dict[str, Served]
    streamed: dict[str, Served]
    transcripts: dict[str, list[Transcript]]
    proofs: dict[str, list[Proof]]
    """By what the marker says behind the dialect's name: METHOD PATH, or `stream NAME`."""

    def gaps(self) -> list[str]:
        """Return a line for everything that is missing, and for every claim about what is not there."""
        table, known = self.table, {*self.table.routes, *(f"stream {name}" for name in streams_of(self.table))}
        found = [f"{route}: not served" for route in table.routes if route not in self.served]
        found += [
            f"{route}: served, but demanded by nobody"
            for route, served in self.served.items()
            # A handler of paths of any length is there for the empty one too.
            if route not in table.routes and self.served.get(f"{route}/{{path}}") != served
        ]
        found += [f"stream {name}: not served" for name in streams_of(table) if name not in self.streamed]
        found += [
            f"{route}: no transcript of a success"
            for route in table.routes
            if not route.startswith(SOCKET)
            and not any(each.succeeds or route in table.refused for each in self.transcripts.get(route, []))
        ]
        found += [f"{each}: no real client" for each in sorted(known) if needs_client(each) and each not in self.proofs]
        found += [f"{each}: proven, but not known" for each in self.proofs if each not in known]
        found += [
            f"{proof.path.name}: there is no client {proof.client}"
            for proofs in self.proofs.values()
            for proof in proofs
            if proof.client not in table.clients
        ]
        return found


def needs_client(each: str) -> bool:
    """Say whether a real client must use it: a socket is used by using its streams."""
    return not each.startswith(SOCKET)


def streams_of(table: Table) -> tuple[str, ...]:
    """Return the names of all streams that are asked for."""
    return table.streams.documented + table.streams.also


# -- what the code says -----------------------------------------------------------------------------------------------


def dialects() -> list[str]:
    """Return the names of the dialects that have a table."""
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def table_of(dialect: str) -> Table:
    """Return a dialect's table."""
    return msgspec.convert(tomllib.loads((TABLES / f"{dialect}.toml").read_text()), Table)


def coverage_of(dialect: str) -> Coverage:
    """Return what is known of a dialect."""
    table = table_of(dialect)
    served = served_by(named(table.application)(empty_product()), table.prefix)
    return Coverage(
        table=table,
        served=served,
        streamed=streams_served(table.streams, served),
        transcripts=transcripts_of(table),
        proofs=proofs_of(dialect),
    )


def named(place: str) -> Any:
    """Return what MODULE:NAME names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def empty_product() -> Product:
    """Return a product that can be asked nothing: enough to look at routes."""
    nothing: dict[str, Any] = {field.name: None for field in dataclasses.fields(Product)}
    return Product(**(nothing | {"secret": b"0" * 32}))


def served_by(application: Litestar, prefix: str = "") -> dict[str, Served]:
    """Return what serves each route of an application; raise ValueError for one that does not say what it needs."""
    return {
        f"{method} {path.removeprefix(prefix) or '/'}": Served(_place(handler), _needed(f"{method} {path}", handler))
        for method, path, handler in routes(application)
    }


def routes(application: Litestar) -> Iterator[tuple[str, str, BaseRouteHandler]]:
    """Return method, path and handler of every route; a WebSocket's method is `WebSocket`."""
    for route in application.routes:
        path = re.sub(r"\{(\w+)(?::\w+)?\}", r"{\1}", route.path)
        match route:
            case HTTPRoute():
                for handler in route.route_handlers:
                    yield from (
                        (str(method), path, handler)
                        for method in sorted(handler.http_methods)
                        if method not in _UNASKED
                    )
            case WebSocketRoute():
                yield SOCKET, path, route.route_handler


def _place(handler: BaseRouteHandler) -> str:
    name = handler.fn.__qualname__.rpartition("<locals>.")[2]
    return f"{_module(handler.fn)}.{name}"


def _module(what: Any) -> str:
    return str(what.__module__).rpartition(".")[2]


def _needed(route: str, handler: BaseRouteHandler) -> str:
    needs: Needs | None = handler.opt.get("needs")
    if needs is None:
        raise ValueError(f"{route} does not say what it needs")
    return needs.permission or ""


def streams_served(streams: Streams, served: Mapping[str, Served]) -> dict[str, Served]:
    """Return what serves each stream."""
    found = {name: served[streams.socket] for name in streams.always if streams.socket in served}
    pending: list[type[Any]] = [named(streams.feeds)] if streams.feeds else []
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if "name" in vars(kind):
            found[kind.name] = Served(f"{_module(kind)}.{kind.__name__}", str(kind.permission))
    return found


def transcripts_of(table: Table) -> dict[str, list[Transcript]]:
    """Return the transcripts that ask for each route, those of a success first."""
    found: dict[str, list[Transcript]] = {}
    for path in sorted((ROOT / table.transcripts).glob("*.txt")):
        text = path.read_text()
        asked, told = (re.search(shape, text, re.MULTILINE) for shape in (r"^> (\S+) (\S+)", r"^< (\d+)"))
        if asked is None or told is None:
            raise ValueError(f"{path} is no transcript")
        route = route_of(table.routes, asked[1], asked[2].removeprefix(table.prefix))
        if route is not None:
            found.setdefault(route, []).append(Transcript(path, succeeds=told[1] in _SUCCESSES))
    return {route: sorted(each, key=lambda item: not item.succeeds) for route, each in found.items()}


def route_of(known: Iterable[str], method: str, asked: str) -> str | None:
    """Return which of the `known` routes a request is for: the one with the fewest parts left open; None for none."""
    path = asked.partition("?")[0].rstrip("/") or "/"
    for route in sorted(known, key=lambda item: item.count("{")):
        wanted, _, shape = route.partition(" ")
        if wanted == method and re.fullmatch(_pattern(shape), path):
            return route
    return None


def _pattern(shape: str) -> str:
    parts = re.split(r"(\{\w+\})", shape)
    return "".join((".+" if part == "{path}" else "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts)


def proofs_of(dialect: str) -> dict[str, list[Proof]]:
    """Return the tests in which real clients use a dialect, by what they use; in the order of files and lines."""
    found: dict[str, list[Proof]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in path.parts or ".proves(" not in (text := path.read_text()):
            continue
        for test in ast.walk(ast.parse(text)):
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                for claims, clients in map(_claim, test.decorator_list):
                    for claim in claims:
                        name, _, used = claim.partition(" ")
                        if name == dialect:
                            found.setdefault(used, []).extend(Proof(client, test.name, path) for client in clients)
    return found


def _claim(decorator: ast.expr) -> tuple[list[str], list[str]]:
    """Return what `@pytest.mark.proves(…, by=[…])` claims: what is used, and by which clients."""
    match decorator:
        case ast.Call(func=ast.Attribute(attr="proves"), args=claims, keywords=[ast.keyword(arg="by", value=clients)]):
            return [ast.literal_eval(claim) for claim in claims], ast.literal_eval(clients)
    return [], []


# -- the pages --------------------------------------------------------------------------------------------------------


def page_of(dialect: str) -> str:
    """Return a dialect's page: its words, with the tables where `<!-- routes -->` and its kin stand."""
    coverage = coverage_of(dialect)
    words = (TABLES / f"{dialect}.md").read_text()
    made = {
        "routes": _routes_table(coverage),
        "streams": _streams_table(coverage),
        "differences": _differences_table(coverage.table),
    }
    for name, table in made.items():
        words = words.replace(f"<!-- {name} -->", "\n".join(table))
    return MADE + words


def _routes_table(coverage: Coverage) -> Iterator[str]:
    table = coverage.table
    yield "| | path | needs | served by | transcripts | real clients |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for route in table.routes:
        method = route.partition(" ")[0]
        written = _written(coverage.transcripts.get(route, [])) if needs_client(route) else "–"
        yield _row(
            method, f"`{table.address(route)}`", *_told(coverage.served.get(route)), written, _clients(coverage, route)
        )


def _streams_table(coverage: Coverage) -> Iterator[str]:
    yield "| stream | needs | served by | real clients |"
    yield "| --- | --- | --- | --- |"
    for name in streams_of(coverage.table):
        yield _row(f"`{name}`", *_told(coverage.streamed.get(name)), _clients(coverage, f"stream {name}"))


def _differences_table(table: Table) -> Iterator[str]:
    yield "| observed exchanges | what differs | why |"
    yield "| --- | --- | --- |"
    for each in table.differences:
        yield _row(*(", ".join(map(_code, names)) for names in (each.exchanges, each.fields)), each.reason)


def _code(text: str) -> str:
    return f"`{text}`"


def _told(served: Served | None) -> tuple[str, str]:
    if served is None:
        return "–", "**not served**"
    return f"`{served.needs}`" if served.needs else "–", f"`{served.by}`"


def _written(transcripts: list[Transcript]) -> str:
    """Return the first of many transcripts, as links."""
    shown = ", ".join(_link(each.path.stem, each.path) for each in transcripts[:_MOST_SHOWN])
    return f"{shown}, … ({len(transcripts)})" if len(transcripts) > _MOST_SHOWN else shown or "**none**"


def _clients(coverage: Coverage, used: str) -> str:
    if not needs_client(used):
        return "by its streams"
    proofs: dict[str, Proof] = {}
    for proof in coverage.proofs.get(used, []):
        proofs.setdefault(proof.client, proof)
    shown = sorted(proofs.values(), key=lambda proof: proof.client)
    return ", ".join(f"{_link(proof.client, proof.path, proof.test)}" for proof in shown) or "**none**"


def _link(text: str, path: Path, title: str = "") -> str:
    away = "../" * len(PAGES.relative_to(ROOT).parts)
    said = f' "{title}"' if title else ""
    return f"[{text}]({away}{path.relative_to(ROOT).as_posix()}{said})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_MOST_SHOWN = 3


def pages() -> dict[Path, str]:
    """Return every page that is made here, by its path."""
    return {PAGES / f"{dialect}.md": page_of(dialect) for dialect in dialects()}


def main() -> None:
    """Write the pages that are not as they should be, and say what is missing."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    for dialect in dialects():
        for gap in coverage_of(dialect).gaps():
            sys.stdout.write(f"{dialect}: {gap}\n")


if __name__ == "__main__":
    main()
