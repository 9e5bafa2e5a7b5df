"""A game that talks on its console as Minecraft does: `stop` ends it well, `crash` ends it badly."""

import sys
import time


def say(text: str) -> None:
    """Print a line as a server thread does."""
    print(f"[{time.strftime('%H:%M:%S')}] [Server thread/INFO]: {text}", flush=True)


say("Starting minecraft server version 1.20.1")
say('Done (1.234s)! For help, type "help"')
for line in sys.stdin:
    match line.strip():
        case "stop":
            say("Stopping server")
            break
        case "crash":
            say("Got crash")
            sys.exit(3)
        case other:
            say(f"Got {other}")
