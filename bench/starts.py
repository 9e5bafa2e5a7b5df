"""How long from the API call to the game's first instruction, one at a time and 50 at once.

The limit is the same command line by `subprocess.Popen`. Both are read from what the game writes down first of all.
"""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.options import Options
from bench.report import Report
from bench.serving import IDLER, Serve

COUNT = 50
AT_ONCE = 16
"""Connections that give the 50 orders."""
PATIENCE_S = 30.0


def run(options: Options, report: Report) -> None:
    """Measure."""
    report.heading(f"starts, {COUNT} servers")
    bare = sorted(spawn() for _ in range(COUNT))
    with Serve() as serve:
        servers = [serve.create(f"game-{number}") for number in range(COUNT)]
        p50s, p99s, accepted, spent = [], [], [], []
        for _ in range(options.repeats):
            answered: list[float] = []
            with serve.cpu(spent):
                times = sorted(start_one(serve, server, answered) for server in servers)
            p50s.append(times[COUNT // 2])
            p99s.append(times[COUNT * 99 // 100])
            accepted.append(sorted(answered)[COUNT // 2])
            stop_all(serve, servers)
        report.less("starts", "call → exec", "ms p50", p50s, limit=bare[COUNT // 2], target=20)
        report.less("starts", "call → exec", "ms p99", p99s, limit=bare[COUNT * 99 // 100], target=60)
        report.less("starts", "call → answer", "ms p50", accepted)
        report.less("starts", "a start", "ms cpu of serve", [each / COUNT * 1000 for each in spent])
        together = []
        for _ in range(options.repeats):
            together.append(start_all(serve, servers))
            stop_all(serve, servers)
        report.less("starts", f"{COUNT} at once, all exec'd", "s", together, limit=spawn_all(), target=2)


def start_one(serve: Serve, server: dict[str, Any], answered: list[float]) -> float:
    """Start a server; return milliseconds until its game wrote the time."""
    mark = serve.files(server) / "started"
    mark.unlink(missing_ok=True)
    begun = time.time()
    operation = serve.call("POST", f"/servers/{server['id']}/start")
    answered.append((time.time() - begun) * 1000)
    serve.finish(operation)
    return (wait_for(mark) - begun) * 1000


def start_all(serve: Serve, servers: list[dict[str, Any]]) -> float:
    """Start all; return seconds until the last game wrote the time."""
    marks = [serve.files(server) / "started" for server in servers]
    for mark in marks:
        mark.unlink(missing_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        others = [serve.another() for _ in range(AT_ONCE)]
        begun = time.time()

        def give(place: int) -> None:
            for server in servers[place::AT_ONCE]:
                others[place].call("POST", f"/servers/{server['id']}/start")

        list(pool.map(give, range(AT_ONCE)))
        return max(wait_for(mark) for mark in marks) - begun


def stop_all(serve: Serve, servers: list[dict[str, Any]]) -> None:
    """Stop all, once they run."""
    for server in servers:
        while serve.call("GET", f"/servers/{server['id']}")["state"] != "running":
            time.sleep(0.01)
    for operation in [serve.call("POST", f"/servers/{server['id']}/stop") for server in servers]:
        serve.finish(operation)


def spawn() -> float:
    """Return milliseconds of a plain spawn."""
    with TemporaryDirectory() as folder:
        begun = time.time()
        game = subprocess.Popen(IDLER, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
        took = wait_for(Path(folder) / "started") - begun
        game.kill()
        game.wait()
    return took * 1000


def spawn_all() -> float:
    """Return seconds of 50 plain spawns."""
    with TemporaryDirectory() as folder:
        begun = time.time()
        games, marks = [], []
        for number in range(COUNT):
            here = Path(folder) / str(number)
            here.mkdir()
            marks.append(here / "started")
            games.append(subprocess.Popen(IDLER, cwd=here, stdout=subprocess.DEVNULL, start_new_session=True))
        took = max(wait_for(mark) for mark in marks) - begun
        for game in games:
            game.kill()
            game.wait()
    return took


def wait_for(mark: Path) -> float:
    """Return the Unix time that a game has written down, once it has."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if text := mark.read_text().strip():
                return float(text)
        except FileNotFoundError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"no game wrote {mark}")
        time.sleep(0.001)
