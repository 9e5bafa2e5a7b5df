"""`serve` killed with SIGKILL and started again: how long until it answers and has its games back, no line lost.

The limit is the same start on an empty folder, with nothing to adopt.
"""

import re
import time
from typing import Any

from bench.api import fill
from bench.limits.fanout import TALKER
from bench.options import Options
from bench.report import Report
from bench.serving import Serve

GAMES = 20
RATE = 1000
PATIENCE_S = 30.0
_NUMBER = re.compile(r"#T(\d{8})@")


def run(options: Options, report: Report) -> None:
    """Measure."""
    report.heading(f"recovery, {GAMES} games and one that prints {RATE} lines/s")
    back, listening, empty, lost = [], [], [], []
    for _ in range(options.repeats):
        with Serve() as serve:
            serve.close()
            empty.append(serve.open())
    with Serve() as serve:
        fill(serve, GAMES, GAMES)
        talker = serve.create("talker", ["python3", "-S", "talker.py"])
        script = serve.files(talker) / "talker.py"
        script.write_bytes(TALKER.read_bytes())
        script.chmod(0o644)
        serve.start(talker)
        for _ in range(options.repeats):
            before = pids(serve)
            first = last_line(serve, talker)
            serve.command(talker, f"pace {RATE} 6")
            time.sleep(1)
            serve.kill()
            begun = time.monotonic()
            serve.open()
            listening.append(time.monotonic() - begun)
            while (now := pids(serve)) != before:
                if time.monotonic() - begun > PATIENCE_S:
                    raise RuntimeError(f"not adopted: {set(before.items()) ^ set(now.items())}")
                time.sleep(0.01)
            back.append(time.monotonic() - begun)
            lost.append(float(missing(serve, talker, first)))
    report.less("recovery", "killed → answers", "s", listening, limit=min(empty))
    report.less("recovery", "killed → all adopted", "s", back, limit=min(empty), target=3)
    report.less("recovery", "lines lost meanwhile", "lines", lost, target=0)


def pids(serve: Serve) -> dict[str, Any]:
    """Return each running server's process."""
    items = serve.call("GET", "/servers?limit=1000")["items"]
    return {item["id"]: item["pid"] for item in items if item["state"] == "running"}


def last_line(serve: Serve, server: dict[str, Any]) -> int:
    """Return the number of the newest console line."""
    return int(serve.call("GET", f"/servers/{server['id']}/console?tail=1")["items"][-1]["seq"])


def missing(serve: Serve, server: dict[str, Any], after: int) -> int:
    """Return how many paced lines the console does not have, once the last of them is there."""
    numbers: list[int] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        page = serve.call("GET", f"/servers/{server['id']}/console?after={after}&limit=5000")["items"]
        for line in page:
            after = line["seq"]
            numbers += [int(found) for found in _NUMBER.findall(line["text"])]
            if line["text"].startswith("#E"):
                return 6 * RATE - len(numbers) if numbers == sorted(set(numbers)) else len(numbers)
        if not page:
            time.sleep(0.05)
    raise RuntimeError("the game did not come to its end")
