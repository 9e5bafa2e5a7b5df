"""Console fan-out: from a game's write to every subscriber's receipt, over our own API and exaroton's dialect.

The limit is a terminal's bytes copied to as many raw sockets, read by the same client.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from bench.limits.fanout import TALKER
from bench.load.subscribers import Result, Task
from bench.options import Options
from bench.report import Report
from bench.serving import API, Serve

LINES = 100_000
FEWER_LINES = 10_000
"""Where a dialect wants a frame a line, for many subscribers."""
RATE = 1000
PACED_S = 2.0
SUBSCRIBERS = (1, 10, 100)
DIALECTS = ("native", "exaroton")
_FLOOD_TARGETS = {("native", 1): 300_000, ("native", 100): 1_000_000, ("exaroton", 100): 80_000}
_PACE_TARGETS = {1: (1.0, 5.0), 100: (None, 10.0)}


def run(options: Options, report: Report) -> None:
    """Measure."""
    with Serve() as serve:
        server = serve.create("talker", ["python3", "-S", "talker.py"])
        script = serve.files(server) / "talker.py"
        script.write_bytes(TALKER.read_bytes())
        script.chmod(0o644)
        serve.start(server)
        for dialect in DIALECTS:
            for subscribers in SUBSCRIBERS:
                report.heading(f"console, {dialect}, {subscribers} subscribers")
                flood(options, report, serve, server, dialect, subscribers)
                pace(options, report, serve, server, dialect, subscribers)


def flood(options: Options, report: Report, serve: Serve, server: dict[str, Any], dialect: str, count: int) -> None:
    """Measure many lines at once."""
    lines = FEWER_LINES if dialect == "exaroton" and count >= 100 else LINES
    rates, lost, cpu, limits = [], [], [], []
    for repeat in range(options.repeats):
        if options.with_limit(repeat):
            limits.append(_rate(raw(count, "flood", f"flood {lines}"), lines, count))
        with serve.cpu(cpu), follow(serve, server, dialect, count, "flood") as following:
            serve.command(server, f"flood {lines}")
            result = following()
        rates.append(_rate(result, lines, count))
        lost.append(float(lines * count - sum(result.lines)) if result.in_order else float("nan"))
    name = f"{dialect} {lines:,} to {count}"
    target = _FLOOD_TARGETS.get((dialect, count))
    report.more("console", name, "deliveries/s", rates, limit=max(limits), target=target)
    report.less("console", name, "lines lost", lost, target=0)
    micro = [each / (lines * count) * 1e6 for each in cpu]
    report.less("console", name, "µs cpu/delivery", micro, target=1e6 / target if target else None)


def pace(options: Options, report: Report, serve: Serve, server: dict[str, Any], dialect: str, count: int) -> None:
    """Measure lines that come evenly."""
    lines = int(RATE * PACED_S)
    lost, cpu = [], []
    ours: list[list[float]] = []
    limits: list[list[float]] = []
    for repeat in range(options.repeats):
        if options.with_limit(repeat):
            limits.append(raw(count, "pace", f"pace {RATE} 1").latencies_ms)
        with serve.cpu(cpu), follow(serve, server, dialect, count, "pace") as following:
            serve.command(server, f"pace {RATE} {PACED_S}")
            result = following()
        ours.append(result.latencies_ms)
        lost.append(float(lines * count - sum(result.lines)) if result.in_order else float("nan"))
    name = f"{dialect} {RATE}/s to {count}"
    for place, part in enumerate(("p50", "p99")):
        report.less(
            "console",
            name,
            f"ms {part}",
            [each[place] for each in ours],
            limit=min(each[place] for each in limits),
            target=_PACE_TARGETS.get(count, (None, None))[place],
        )
    report.less("console", name, "lines lost", lost, target=0)
    percent = [each / PACED_S * 100 for each in cpu]
    report.less("console", name, "% cpu of serve", percent)


def _rate(result: Result, lines: int, count: int) -> float:
    seconds = (result.ended_ns - result.begun_ns) / 1e9
    if result.ended < count or not result.begun_ns or seconds <= 0:
        return 0.0
    return lines * count / seconds


@contextmanager
def follow(serve: Serve, server: dict[str, Any], dialect: str, count: int, kind: str) -> Iterator[Any]:
    """Have subscribers follow the console; yields what waits for their result."""
    with client(task_of(serve, server, dialect, count, kind)) as following:
        yield following


def task_of(serve: Serve, server: dict[str, Any], dialect: str, count: int, kind: str) -> Task:
    """Return how a console is followed in a dialect."""
    if dialect == "exaroton":
        path = f"/v1/servers/{server['dialect_ids']['exaroton']}/websocket"
        hello, begun = '{"stream":"console","type":"start","data":{"tail":0}}', '"started"'
    else:
        path = f"{API}/servers/{server['id']}/console/stream?tail=0"
        hello, begun = None, "{"
    return Task(serve.host, serve.port, path, serve.headers, count, kind, hello=hello, begun=begun)


@contextmanager
def client(task: Task) -> Iterator[Any]:
    """Run the subscribers in a process of their own; yields what waits for their result."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load.subscribers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    out = process.stdout
    try:
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        process.stdin.flush()
        if out.readline() != b"ready\n":
            raise RuntimeError("the subscribers did not come to follow")

        def result() -> Result:
            return msgspec.json.decode(out.readline(), type=Result)

        yield result
    finally:
        process.kill()
        process.communicate()


def raw(count: int, kind: str, order: str) -> Result:
    """Return what the same client gets of the bare way."""
    source = subprocess.Popen(
        [sys.executable, "-m", "bench.limits.fanout"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert source.stdin is not None
    assert source.stdout is not None
    try:
        port = int(source.stdout.readline())
        task = Task("127.0.0.1", port, "", {}, count, kind, raw=True)
        with client(task) as following:
            source.stdin.write(order.encode() + b"\n")
            source.stdin.flush()
            return following()
    finally:
        source.kill()
        source.communicate()
