"""A game that appends each line it is typed to `typed.txt`, synced, until it is told `stop`."""

import os
import sys
from pathlib import Path

with Path("typed.txt").open("a", encoding="utf-8") as file:
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
