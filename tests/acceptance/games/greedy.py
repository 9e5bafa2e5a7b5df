"""A game that says `ready` and takes, once it is told to, more than it may: `eat`, `fork`, `fill`; or ends: `stop`."""

import os
import sys

HELD = []


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def eat() -> None:
    """Take memory without end."""
    while True:
        HELD.append(bytearray(b"x") * (1 << 20))


def fork() -> None:
    """Make processes without end, each of which does so too, in a session of its own."""
    say("forking")
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
        except OSError:
            continue


def fill() -> None:
    """Write files without end."""
    number = 0
    while True:
        number += 1
        with open(f"{number}.bin", "wb") as file:  # noqa: PTH123 - a game as games are
            for _ in range(16):
                file.write(bytes(1 << 20))


say("ready")
for line in sys.stdin:
    match line.strip():
        case "stop":
            sys.exit(0)
        case "eat":
            eat()
        case "fork":
            fork()
        case "fill":
            fill()
        case other:
            say(f"heard {other}")
