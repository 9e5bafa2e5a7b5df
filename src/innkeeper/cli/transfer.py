"""Bytes to and from an Innkeeper, with a progress bar on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from innkeeper.cli.text import plain

PART = 256 * 1024
Advance = Callable[[int], None]


@contextmanager
def bar(what: str, total: int | None, *, quiet: bool) -> Iterator[Advance]:
    """Give a function that is told how many bytes have passed; it shows nothing where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(plain(what), total=total)
        yield lambda count: progress.advance(task, count)


def parts_of(file: IO[bytes], advance: Advance) -> Iterator[bytes]:
    """Give a file's content in parts, telling how many bytes have passed."""
    while part := file.read(PART):
        yield part
        advance(len(part))
