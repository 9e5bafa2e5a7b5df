"""Lists of servers, authenticated, over 16 connections: our own API, exaroton's dialect and ServerFlex's.

The limit is a raw ASGI application under the same web server that has the same bytes at hand.
"""

import subprocess
import sys
import tempfile
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.options import Options
from bench.report import Report
from bench.serving import API, IDLER, Serve, cpu_seconds

CONNECTIONS = 16
_DIALECTS = {API: "native", "/v1": "exaroton", "/1.0": "serverflex"}
_TARGETS = {"1": (8000, 5), "100": (5000, 8), "1,000": (500, 80), "50 of 1,000": (5000, 8)}


def run(options: Options, report: Report) -> None:
    """Measure."""
    for count, running in ((1, 1), (100, 50), (1000, 0)):
        report.heading(f"api, {count:,} servers, {running} running")
        with Serve() as serve:
            fill(serve, count, running)
            paths = [(f"{count:,}", f"{API}/servers?limit=1000"), (f"{count:,}", "/v1/servers")]
            if count == 1000:
                paths += [("50 of 1,000", f"{API}/servers?limit=50"), ("50 of 1,000", "/1.0/server?limit=50")]
            for what, path in paths:
                measure(options, report, serve, what, path)


def fill(serve: Serve, count: int, running: int) -> None:
    """Have `count` servers of which `running` run."""
    made = [serve.create(f"game-{number}", IDLER) for number in range(max(running, 1))]
    orders = [serve.call("POST", f"/servers/{server['id']}/start") for server in made[:running]]
    for order in orders:
        serve.finish(order)
    if count > len(made):
        serve.insert(count - len(made))


def measure(options: Options, report: Report, serve: Serve, what: str, path: str) -> None:
    """Load one path, and its limit."""
    dialect = next(name for prefix, name in _DIALECTS.items() if path.startswith(prefix))
    request = urllib.request.Request(f"http://{serve.host}:{serve.port}{path}", headers=serve.headers)
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        body = answer.read()
    rates, p99s, costs = [], [], []
    bare_rates, bare_p99s, bare_costs = [], [], []
    for repeat in range(options.repeats):
        if options.with_limit(repeat):
            bare = raw(options, body)
            bare_rates.append(bare["requests"] / bare["seconds"])
            bare_p99s.append(bare["latencies_ms"][1])
            bare_costs.append(bare["cpu_us"])
        spent: list[float] = []
        with serve.cpu(spent):
            ours = load(options, serve.host, serve.port, path, serve.headers)
        if ours["wrong"]:
            raise RuntimeError(f"{ours['wrong']} answers were no 200")
        rates.append(ours["requests"] / ours["seconds"])
        p99s.append(ours["latencies_ms"][1])
        costs.append(spent[0] / ours["in_all"] * 1e6)
    name, note = f"{dialect} list {what}", f"{len(body) / 1024:,.1f} KiB"
    rate, p99 = _TARGETS[what] if dialect == "native" or what != "1,000" else (None, None)
    report.more("api", name, "requests/s", rates, limit=max(bare_rates), target=rate, note=note)
    report.less("api", name, "ms p99", p99s, limit=min(bare_p99s), target=p99)
    report.less("api", name, "µs cpu/request", costs, limit=min(bare_costs), target=1e6 / rate if rate else None)


def load(options: Options, host: str, port: int, path: str, headers: dict[str, str]) -> Any:
    """Return how a path does under load."""
    task = {
        "host": host,
        "port": port,
        "path": path,
        "headers": headers,
        "connections": CONNECTIONS,
        "seconds": options.seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load.requests"],
        input=msgspec.json.encode(task),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout)


def raw(options: Options, body: bytes) -> Any:
    """Return how the same bytes do from a raw application."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        source = subprocess.Popen(
            [sys.executable, "-m", "bench.limits.answer", file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert source.stdout is not None
        try:
            url = urlsplit(read_url(source.stdout))
            before = cpu_seconds(source.pid)
            done = load(options, url.hostname or "", url.port or 0, "/", {})
            return {**done, "cpu_us": (cpu_seconds(source.pid) - before) / done["in_all"] * 1e6}
        finally:
            source.kill()
            source.communicate()


def read_url(out: Any) -> str:
    """Return the URL among the lines that a limit prints."""
    for line in out:
        if line.startswith(b"http://"):
            return str(line.decode().strip())
    raise RuntimeError("the raw application did not come up")
