"""Figures, and how they are shown: a table as they come, JSON in the end."""

import os
from pathlib import Path
from statistics import median
from typing import Any

import msgspec


class Figure(msgspec.Struct, kw_only=True):
    """One measured thing: our repeats, and what the bare machine did in the same run."""

    bench: str
    what: str
    unit: str
    values: list[float]
    limit: float | None = None
    """The least that could do the same work, measured beside it."""
    target: float | None = None
    less_is_better: bool = False
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return median(self.values)

    @property
    def best(self) -> float:
        """The best of the repeats: what the product can do while nobody else uses the machine."""
        return min(self.values) if self.less_is_better else max(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the best repeat reaches the target; None where there is none.

        A target of nothing at all (lines lost) has to be reached every time.
        """
        if self.target is None:
            return None
        if self.target == 0:
            return all(value == 0 for value in self.values)
        return self.best <= self.target if self.less_is_better else self.best >= self.target


class Report:
    """Prints figures as they come and keeps them."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        print(f"{'':44} {'median':>11} {'best':>11} {'limit':>11} {'of limit':>8} {'target':>12}")

    def more(self, bench: str, what: str, unit: str, values: list[float], **further: Any) -> None:
        """Add a figure of which more is better."""
        self.add(Figure(bench=bench, what=what, unit=unit, values=values, **further))

    def less(self, bench: str, what: str, unit: str, values: list[float], **further: Any) -> None:
        """Add a figure of which less is better."""
        self.add(Figure(bench=bench, what=what, unit=unit, values=values, less_is_better=True, **further))

    def add(self, figure: Figure) -> None:
        """Print a figure."""
        self.figures.append(figure)
        ratio = f"{figure.median / figure.limit:.2f}" if figure.limit else ""
        target = "" if figure.target is None else f"{'≤' if figure.less_is_better else '≥'} {number(figure.target)}"
        mark = {None: " ", True: "✓", False: "✗"}[figure.reached]
        limit = number(figure.limit) if figure.limit is not None else ""
        print(
            f"{figure.what + ', ' + figure.unit:44} {number(figure.median):>11} {number(figure.best):>11} {limit:>11} "
            f"{ratio:>8} {target:>12} {mark} {figure.note}",
            flush=True,
        )

    def heading(self, text: str) -> None:
        """Print what comes next, and how busy the machine is just now."""
        print(f"\n{text}   (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)", flush=True)

    def write(self, path: Path) -> None:
        """Keep everything as JSON."""
        shown = [
            {**msgspec.to_builtins(each), "median": each.median, "best": each.best, "reached": each.reached}
            for each in self.figures
        ]
        content = {"cores": os.cpu_count(), "load": os.getloadavg(), "figures": shown}
        path.write_bytes(msgspec.json.format(msgspec.json.encode(content)))


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
