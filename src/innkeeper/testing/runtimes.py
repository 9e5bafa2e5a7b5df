"""Scripted games and a runtime for them: real processes that do what a test says, for real keepers to keep.

A game is a small Python program told by its arguments what to print and how to end. On its console it understands
`stop`, `say TEXT`, `lines N`, `exit CODE`, `crash` (SIGSEGV) and `env NAME`. Knows no product but the runtime contract.
"""

import sys
from pathlib import Path

from innkeeper.contracts.runtime import ExecPlan, Launch, Limits, Owner, RuntimeRefused

READY = "Done! Ready to play."
"""What a scripted game says when it is ready."""

READY_PATTERN = r"^Done! Ready to play\.$"
JOIN_PATTERN = r"^(?P<player>\w+) joined$"
LEAVE_PATTERN = r"^(?P<player>\w+) left$"
SAVING_PATTERN = r"^Saving"

_GAME = r"""
import os, select, signal, sys, time
told = dict(word.split("=", 1) for word in sys.argv[1:])
def say(text): os.write(1, text.encode() + b"\n")
def end(code):
    if told["end_after"]: time.sleep(float(told["end_after"]))
    os._exit(code)
def on_signal(number, frame):
    say("signal %d" % number)
    if told["stubborn"] != "yes": end(int(told["exit_code"]))
signal.signal(signal.SIGTERM, on_signal)
signal.signal(signal.SIGINT, on_signal)
for number in range(int(told["lines"])): say("line %d" % number)
if told["ready_after"] != "never":
    time.sleep(float(told["ready_after"]))
    say(told["ready"])
if told["run_for"] != "forever":
    time.sleep(float(told["run_for"]))
    end(int(told["exit_code"]))
pending = b""
while True:
    data = os.read(0, 65536)
    if not data:
        signal.pause()
    pending += data
    while b"\n" in pending:
        line, pending = pending.split(b"\n", 1)
        word, _, rest = line.strip().decode().partition(" ")
        if word == "stop":
            if told["stubborn"] == "yes": say("no")
            else:
                say("Saving the world")
                end(int(told["exit_code"]))
        elif word == "say": say(rest)
        elif word == "lines":
            for number in range(int(rest)): say("line %d" % number)
        elif word == "exit": os._exit(int(rest))
        elif word == "crash":
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGSEGV)
        elif word == "env": say("env %s=%s" % (rest, os.environ.get(rest)))
"""


def scripted_game(
    *,
    lines: int = 0,
    ready: str = READY,
    ready_after_s: float | None = 0,
    run_for_s: float | None = None,
    exit_code: int = 0,
    stubborn: bool = False,
    end_after_s: float = 0,
) -> list[str]:
    """Return the argv of a game for `DesiredServer.argv` (braces doubled).

    It prints `lines` lines, then `ready` after `ready_after_s` (None: never), then obeys its console, or ends by
    itself after `run_for_s`. It ends with `exit_code`, `end_after_s` after it said that it saves; a `stubborn` one
    takes no notice of stop, SIGTERM and SIGINT.
    """
    told = {
        "lines": lines,
        "ready": ready,
        "ready_after": "never" if ready_after_s is None else ready_after_s,
        "run_for": "forever" if run_for_s is None else run_for_s,
        "exit_code": exit_code,
        "stubborn": "yes" if stubborn else "no",
        "end_after": end_after_s or "",
    }
    words = [sys.executable, "-I", "-S", "-c", _GAME, *(f"{name}={value}" for name, value in told.items())]
    return [word.replace("{", "{{").replace("}", "}}") for word in words]


class ScriptedRuntime:
    """Executes what it is told, as the user that we are. `refuse` makes every plan fail with that reason."""

    name = "scripted"

    def __init__(self, *, refuse: str | None = None) -> None:
        self.refuse = refuse
        self.launches: list[Launch] = []

    def owner(self, number: int) -> Owner | None:
        return None

    def shortcomings(self, limits: Limits) -> list[str]:
        """Nothing is amiss."""
        return []

    def plan(self, launch: Launch) -> ExecPlan:
        if self.refuse is not None:
            raise RuntimeRefused(self.refuse)
        self.launches.append(launch)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(launch.folder), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        return ExecPlan(
            argv=launch.argv,
            env={**environment, **launch.environment},
            cwd=str(Path(launch.folder)),
            rows=launch.rows,
            columns=launch.columns,
        )
