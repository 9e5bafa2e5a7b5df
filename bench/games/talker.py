"""A game that prints what it is told to: `flood N` as fast as it can, `pace RATE SECONDS` evenly.

Every line has 100 bytes with its end. A flood's lines are numbered, `#L00000001 …`; paced ones also carry the time at
which they were written, in Unix nanoseconds: `#T00000001@1700000000000000000 …`. `#E` ends either.
"""

import os
import sys
import time

WIDTH = 99
CHUNK = 64 * 1024


def say(data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def flood(count: int) -> None:
    """Print `count` lines at once, after a line that says when."""
    lines = b"".join(b"#L%08d ".ljust(WIDTH + 2, b".") % number + b"\n" for number in range(count))
    say(b"#B%d\n" % time.time_ns())
    for start in range(0, len(lines), CHUNK):
        say(lines[start : start + CHUNK])
    say(b"#E%d\n" % time.time_ns())


def pace(rate: int, seconds: float) -> None:
    """Print `rate` lines a second for `seconds`."""
    step = 1 / rate
    due = time.monotonic()
    for number in range(int(rate * seconds)):
        due += step
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        say((b"#T%08d@%d " % (number, time.time_ns())).ljust(WIDTH, b".") + b"\n")
    say(b"#E%d\n" % time.time_ns())


def main() -> None:
    """Obey until told to stop or hung up."""
    say(b"ready\n")
    for line in sys.stdin:
        match line.split():
            case ["flood", count]:
                flood(int(count))
            case ["pace", rate, seconds]:
                pace(int(rate), float(seconds))
            case ["stop"]:
                return


if __name__ == "__main__":
    main()
