"""Become a command of a server's user: what a child of the node does between its own start and the command's.

A process of its own, because a daemon with threads cannot do this between fork and exec. It reads what it is to become
from its standard input: the plan of a start, as JSON, and `node`, the process that waits for it. What goes wrong is one
line of its output that begins with the command's mark. Standard library only. Refuses to know what the command is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from innkeeper.node.keeper.launch import LaunchError, become_command

COMMAND = "import sys; sys.path.append(sys.argv[1]); from innkeeper.node.installs.stepping_down import main; main()"
"""For `python -I -S -c COMMAND <folder of the package innkeeper>`: no site-packages, no environment."""
MARK = "INNKEEPER_COMMAND"
FAILED = 127


def main() -> NoReturn:
    """Read what is wanted and become it."""
    spec = json.loads(sys.stdin.buffer.read())
    mark = str(spec["env"][MARK])
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    try:
        become_command(spec, int(spec["node"]), _note)
    except LaunchError as error:
        _say(f"{mark} {error}")
    except OSError as error:
        _say(f"{mark} {error.filename}: {error.strerror}" if error.filename else f"{mark} {error.strerror or error}")
    os._exit(FAILED)


def _note(text: str) -> None:
    _say(f"note: {text}")


def _say(text: str) -> None:
    os.write(1, " ".join(text.split()).encode(errors="replace") + b"\n")
