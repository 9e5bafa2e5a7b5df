"""Write the pages of docs/reference that are made from code: `python tools/reference.py`.

A test compares them with what the code says, so a change of a permission or a condition needs this run once.
"""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

from innkeeper.core.access import permissions
from innkeeper.core.access.permissions import OWNER, ProductPermission, ServerPermission
from innkeeper.core.errors import KINDS, CoreError, all_conditions, snake
from innkeeper.panel.api.errors import status_of
from innkeeper.panel.dialects.exaroton.errors import rendered

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "reference"
WHERE_CONDITIONS_ARE = (
    "innkeeper.core",
    "innkeeper.storage",
    "innkeeper.panel.http",
    "innkeeper.panel.api",
    "innkeeper.panel.dialects",
)
MADE = "<!-- Made by tools/reference.py: change the code, then run it. -->\n"

PERMISSIONS_INTRODUCTION = """\
# Permissions

A permission is a string. One for a **server** is held by owning the server, by a grant on it, or by a role; one for the
**product** by a role. A superuser holds all of them. An API key carries what its account holds, or less.

Whoever does not hold `server.view` on a server is told that there is none.
"""

ERRORS_INTRODUCTION = """\
# Errors

Whatever the product refuses, it refuses by a *condition*: a class with a kind and a code, both stable, and a message
for people, which may change. Each API has a status for every condition.

Our own API answers `{"error": {"code": …, "kind": …, "message": …, "data": {…}}}`. Beside the codes below it knows
`no_such_path`, `method_not_allowed`, `request_is_invalid` and `bad_cursor`, and `fault` for what went wrong inside: its
`data` then holds the id under which the log says more.

The exaroton dialect answers `{"success": false, "error": "text", "data": null}`, with the texts its clients know.
"""

ALLOWS = {
    "power.start": "Start it.",
    "power.stop": "Stop it in order.",
    "power.restart": "Stop it and start it again.",
    "power.kill": "End it at once.",
    "backups.restore": "Put its files back as a backup has them.",
    "backups.delete": "Delete its backups.",
    "schedules.read": "See its schedules and how they ran.",
    "schedules.write": "Make, change and delete its schedules; what they do one must be allowed to do, too.",
    "webhooks.read": "See its webhooks, with their addresses, and what was sent.",
    "webhooks.write": "Make, change, try and delete its webhooks.",
    "console.write": "Type on its console.",
    "settings.write": "Change its name, properties, limits, port and autostart.",
    "files.read": "List, describe and download its files.",
    "files.delete": "Delete its files and folders.",
    "players.read": "See who is online.",
    "metrics.read": "See what it uses.",
    "server.reinstall": "Install it anew, its files kept; upload an archive for that.",
    "server.delete": "Delete it with all its files.",
    "server.suspend": "Stop it and forbid it to run; lift that.",
    "grants.read": "See with whom it is shared.",
    "operations.read": "See what was asked of it, and how that went.",
    "activity.read": "See what was done with it, and by whom.",
    "servers.create": "Make servers.",
    "accounts.read": "See every account.",
    "accounts.write": "Make, change and delete accounts.",
    "roles.read": "See roles.",
    "roles.write": "Make, change and delete roles, giving no more than one holds.",
    "nodes.read": "See the nodes.",
    "nodes.write": "Add, change and forget nodes.",
    "activity.read_all": "See everything that was done, by anybody.",
}
"""What a permission allows, where the code does not say it, or not to a reader of this page."""


def permissions_page() -> str:
    """Return docs/reference/permissions.md."""
    says = _docstrings()
    lines = [
        MADE,
        PERMISSIONS_INTRODUCTION,
        "## On a server\n",
        "| permission | allows | an owner holds it |",
        "| --- | --- | --- |",
    ]
    for permission in ServerPermission:
        held = "yes" if str(permission) in OWNER else "no"
        lines.append(f"| `{permission}` | {_allows(permission, says)} | {held} |")
    lines += ["\n## On the product\n", "| permission | allows |", "| --- | --- |"]
    for product in ProductPermission:
        lines.append(f"| `{product}` | {_allows(product, says)} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return docs/reference/errors.md."""
    lines = [
        MADE,
        ERRORS_INTRODUCTION,
        "## Kinds\n",
        "| kind | means | our API | exaroton |",
        "| --- | --- | --- | --- |",
    ]
    for kind in KINDS:
        lines.append(f"| `{kind.kind}` | {_message(kind)} | {status_of(kind)} | {rendered(kind())[0]} |")
    by_kind: dict[str, list[type[CoreError]]] = {}
    for condition in conditions():
        by_kind.setdefault(condition.kind, []).append(condition)
    for kind in KINDS:
        lines += [f"\n## {kind.kind.replace('_', ' ').capitalize()}\n"]
        lines += ["| code | message | our API | exaroton | exaroton's text |", "| --- | --- | --- | --- | --- |"]
        for condition in sorted(by_kind.get(kind.kind, []), key=lambda item: item.__name__):
            lines.append(_row(condition))
    return "\n".join(lines) + "\n"


def conditions() -> list[type[CoreError]]:
    """Return every condition of the product, the kinds themselves left out."""
    for name in WHERE_CONDITIONS_ARE:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name.rpartition(".")[2] not in ("env", "versions") and ".versions." not in module.name:
                importlib.import_module(module.name)
    kinds = {CoreError, *KINDS}
    return [item for item in all_conditions() if item not in kinds and item.__module__.startswith(WHERE_CONDITIONS_ARE)]


def _row(condition: type[CoreError]) -> str:
    """Return a condition's line; one that only a single API knows has no status in the other."""
    ours = theirs = text = "–"
    if not condition.__module__.startswith("innkeeper.panel.dialects"):
        ours = str(status_of(condition))
    if not condition.__module__.startswith("innkeeper.panel.api"):
        status, said = rendered(condition())
        theirs, text = str(status), "the message" if said == _message(condition) else said
    return f"| `{snake(condition.__name__)}` | {_message(condition)} | {ours} | {theirs} | {text} |"


def _message(condition: type[CoreError]) -> str:
    return condition().message.replace("|", "\\|")


def _allows(permission: ServerPermission | ProductPermission, says: dict[str, str]) -> str:
    return ALLOWS.get(permission) or says[permission.name]


def _docstrings() -> dict[str, str]:
    """Return the string that stands below an enum member in the code, by the member's name."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(Path(permissions.__file__).read_text())):
        if isinstance(node, ast.ClassDef):
            for member, below in zip(node.body, node.body[1:], strict=False):
                match member, below:
                    case (
                        ast.Assign(targets=[ast.Name(id=name)]),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        found[name] = text
    return found


def pages() -> dict[Path, str]:
    """Return every page that is made from code, by its path."""
    return {PAGES / "permissions.md": permissions_page(), PAGES / "errors.md": errors_page()}


def main() -> None:
    """Write the pages that are not as they should be."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
