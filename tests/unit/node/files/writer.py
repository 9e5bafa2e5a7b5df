"""A process that writes one file again and again until it is killed: `python writer.py ROOT RESOLVER FIRST`.

It says `begun N`, `part N` and `committed N` for each version N, of which the content is `content(N)`.
"""

import os
import sys
from pathlib import Path

from innkeeper.node.files.jail import Jail
from innkeeper.node.files.resolve import KernelResolver, WalkingResolver

NAME = "world/level.dat"
PARTS = 4
RESOLVERS = {"KernelResolver": KernelResolver, "WalkingResolver": WalkingResolver}


def content(version: int) -> bytes:
    """Return a version: every one has its own length and bytes."""
    return f"{version:08}".encode() * (8_000 + version)


def run(jail: Jail, version: int) -> None:
    """Write for ever."""
    while True:
        data = content(version)
        with jail.begin_write(NAME, durable=version % 4 == 0) as upload:
            tell("begun", version)
            for number in range(PARTS):
                upload.write(data[number * len(data) // PARTS : (number + 1) * len(data) // PARTS])
                tell("part", version)
            upload.commit()
        tell("committed", version)
        version += 1


def tell(what: str, version: int) -> None:
    """Say how far it is, in one piece."""
    os.write(1, f"{what} {version}\n".encode())


if __name__ == "__main__":
    run(Jail(Path(sys.argv[1]), None, RESOLVERS[sys.argv[2]]()), int(sys.argv[3]))
