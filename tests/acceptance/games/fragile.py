"""A game that says `ready` and, a moment later, ends with 1."""

import sys
import time

sys.stdout.write("ready\n")
sys.stdout.flush()
time.sleep(0.2)
sys.exit(1)
