"""A game that prints `line N` so many times a second (first argument), each a line of its own, until it is told `stop`.

`stop` has it print `last N` and end with 0. SIGUSR1 ends it with 7, SIGUSR2 with 0, both at once and silently.
"""

import os
import select
import signal
import sys
import time

signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
signal.signal(signal.SIGUSR2, lambda *_: os._exit(0))
each_s = 1 / float(sys.argv[1])
sys.stdout.write("ready\n")
sys.stdout.flush()
number, begun, typed = 0, time.monotonic(), ""
while "stop" not in typed:
    number += 1
    sys.stdout.write(f"line {number}\n")
    sys.stdout.flush()
    left = max(0.0, begun + number * each_s - time.monotonic())
    if select.select([sys.stdin], [], [], left)[0]:
        typed = sys.stdin.readline()
sys.stdout.write(f"last {number}\n")
sys.stdout.flush()
