"""Samples that wait to be kept: of each subject, a server or a host, the first in every span of so many seconds.

Which one that is the sample's own moment says, not when a panel looks, so all panels choose the same ones. Knows
neither what was sampled nor where it is kept.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from innkeeper.kit.log import get_logger

log = get_logger(__name__)

LATEST = timedelta(hours=1)
"""A sample that could not be kept for so long is not kept any more: what it was gathered into stays exact.

It is far shorter than the least time for which samples are kept, so that one that comes again always finds itself."""
EARLIEST = timedelta(minutes=5)
"""By so much a node's clock may be ahead of ours."""
MOST_UNSAVED = 50_000


class Sample(Protocol):
    """What was seen at one moment."""

    @property
    def at(self) -> datetime: ...


S = TypeVar("S", bound=Sample)


class Waiting(Generic[S]):
    """Takes samples by the number of their subject; gives those to be kept."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[int, int]] = {}
        """By subject: the last span of which a sample was taken to be kept, and how long such spans are."""
        self._unsaved: list[tuple[int, S]] = []

    def take(self, subject: int, sample: S, seconds: int) -> None:
        """Have a sample kept if it is the first of its subject within a span of so many seconds."""
        span = int(sample.at.timestamp()) // seconds
        if self._spans.get(subject) == (span, seconds):
            return
        self._spans[subject] = (span, seconds)
        if len(self._unsaved) >= MOST_UNSAVED:
            log.warning("samples.given_up", samples=1, reason="too many wait for the database")
            return
        self._unsaved.append((subject, sample))

    def due(self, now: datetime) -> list[tuple[int, S]]:
        """Return what is to be kept, which no longer waits; what is too old, or of a clock too far ahead, is not."""
        taken, self._unsaved = self._unsaved, []
        due = [(subject, sample) for subject, sample in taken if now - LATEST < sample.at < now + EARLIEST]
        if len(due) < len(taken):
            log.warning("samples.given_up", samples=len(taken) - len(due))
        return due

    def put_back(self, due: list[tuple[int, S]]) -> None:
        """Have what could not be kept wait again, before all others."""
        self._unsaved = due + self._unsaved

    def forget_all_but(self, subjects: Collection[int]) -> None:
        """Forget the spans of those that are gone."""
        self._spans = {subject: span for subject, span in self._spans.items() if subject in subjects}
