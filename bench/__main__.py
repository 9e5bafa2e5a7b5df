"""`python -m bench [names] [--json FILE] [--repeats N] [--quick]`: run benchmarks, print them beside their limits."""

import argparse
import time
from pathlib import Path

from bench import api, backups, console, idle, recovery, starts, transfers
from bench.options import Options
from bench.report import Report

BENCHES = {
    "console": console,
    "api": api,
    "starts": starts,
    "idle": idle,
    "recovery": recovery,
    "transfers": transfers,
    "backups": backups,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of the running product.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which of {', '.join(BENCHES)}; all if none is named")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="once each, and briefly: to see that it works")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    options = Options(repeats=given.repeats)
    if given.quick:
        options = Options(repeats=1, seconds=0.5, idle_seconds=3.0, idle_servers=(0, 10), transfer_mib=64, backup_mb=50)
    begun = time.monotonic()
    report = Report()
    for name in given.names or BENCHES:
        BENCHES[name].run(options, report)
    if given.json is not None:
        report.write(given.json)
    missed = sum(1 for each in report.figures if each.reached is False)
    print(f"\n{len(report.figures)} figures in {time.monotonic() - begun:.0f} s; {missed} short of their target")


if __name__ == "__main__":
    main()
