"""What an installation costs whose servers run and do nothing: cpu and memory of panel and node, and of each keeper.

The limit of a keeper's memory is a bare interpreter that sleeps.
"""

import subprocess
import sys
import time

from bench.api import fill
from bench.options import Options
from bench.report import Report
from bench.serving import Serve, cpu_seconds, memory_mib


def run(options: Options, report: Report) -> None:
    """Measure."""
    bare = bare_interpreter()
    for count in options.idle_servers:
        report.heading(f"idle, {count} servers running")
        with Serve() as serve:
            if count:
                fill(serve, count, count)
            time.sleep(2)
            spent: list[float] = []
            keepers = serve.keepers()
            before = sum(cpu_seconds(pid) for pid in keepers)
            with serve.cpu(spent):
                time.sleep(options.idle_seconds)
            kept = sum(cpu_seconds(pid) for pid in keepers) - before
            share, own = memory_mib(serve.pid)
            most = count == max(options.idle_servers)
            report.less(
                "idle",
                f"{count} idle: serve",
                "% cpu",
                [spent[0] / options.idle_seconds * 100],
                target=1 if most else None,
            )
            report.less(
                "idle",
                f"{count} idle: serve",
                "MiB (PSS)",
                [share],
                target=160 if most else None,
                note=f"{own:.0f} its own",
            )
            if not keepers:
                continue
            memory = [memory_mib(pid) for pid in keepers]
            report.less(
                "idle", f"{count} idle: a keeper", "MiB its own", [own for _, own in memory], target=3, limit=bare
            )
            report.less("idle", f"{count} idle: all keepers", "MiB (PSS)", [sum(share for share, _ in memory)])
            report.less("idle", f"{count} idle: all keepers", "% cpu", [kept / options.idle_seconds * 100])


def bare_interpreter() -> float:
    """Return the MiB of its own that an interpreter has which does nothing."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        own = memory_mib(process.pid)[1]
        process.communicate(b"\n")
    return own
