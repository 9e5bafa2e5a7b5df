"""Follow one server's console: every line once and in order, from the journal and from what its keeper sends.

The journal is the truth; what is sent is a quicker way to the same lines. Knows line numbers and who is online, and
refuses to know what being ready or stopped means.
"""

from collections.abc import Callable

from innkeeper.kit.tasks import in_thread
from innkeeper.node.console.journal import JournalReader
from innkeeper.node.console.record import count_lines
from innkeeper.node.supervisor.patterns import Seen, Watcher
from innkeeper.node.supervisor.place import Kept
from innkeeper.wire.messages import Block, OnlinePlayer, Patterns

MOST_PLAYERS = 10_000


class Listener:
    """The ears of one server's supervisor.

    `kept` is advanced as lines are taken in. `announce` gets each block once; `seen` what a line means, after the list
    of players was changed by it; `printed` is called when there was any output at all.
    """

    def __init__(
        self,
        *,
        reader: JournalReader,
        kept: Kept,
        announce: Callable[[list[Block]], None],
        seen: Callable[[Seen], None],
        printed: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._kept = kept
        self._announce = announce
        self._seen = seen
        self._printed = printed
        self._watcher = Watcher(Patterns())
        self._cursor = kept.seen_seq

    @property
    def next_seq(self) -> int:
        """The number of the next line to be taken in."""
        return self._cursor + 1

    def watch(self, watcher: Watcher) -> None:
        """Look for other patterns from now on; an unfinished line is forgotten."""
        self._watcher = watcher

    async def start_run(self) -> None:
        """Before a launch: whatever stands in the journal is of the past."""
        self._watcher.restart()
        self._cursor = await in_thread(lambda: self._reader.next_seq) - 1
        self._kept.seen_seq = self._cursor
        self._kept.announced_seq = max(self._kept.announced_seq, self._cursor)
        self._kept.players = []

    async def resume(self, *, foreign_since_us: int | None = None) -> None:
        """After a restart of the node: go on behind the last line whose meaning is known.

        `foreign_since_us`: the run is not the one remembered, and began then; what was printed earlier means nothing.
        """
        if foreign_since_us is not None:
            await self.start_run()
            self._cursor = await in_thread(self._last_before, foreign_since_us)
            self._kept.seen_seq = self._kept.announced_seq = self._cursor
            return
        self._watcher.restart()
        self._cursor = self._kept.seen_seq

    async def catch_up(self, before_seq: int | None = None) -> None:
        """Take in what the journal has, up to line `before_seq` (not included) or to its end."""
        while before_seq is None or self.next_seq < before_seq:
            blocks = await in_thread(self._reader.read, self._cursor)
            if not blocks:
                if before_seq is not None:  # torn away by a crash of the host, or retention: it will not come
                    self._cursor = before_seq - 1
                return
            self.take([Block(block.first_seq, block.time_us, block.payload) for block in blocks])

    async def last_printed_us(self) -> int | None:
        """Return when the journal's last line was printed, None where it has none."""
        blocks = await in_thread(self._reader.tail, 1)
        return blocks[-1].time_us if blocks else None

    def take(self, blocks: list[Block]) -> None:
        """Take in consecutive blocks; lines that were taken in before are left out."""
        fresh: list[Block] = []
        for block in blocks:
            cut = after(block, max(self._cursor, self._kept.announced_seq))
            if cut is not None:
                fresh.append(cut)
            unseen = after(block, self._cursor)
            if unseen is not None:
                self._cursor = unseen.first_seq + count_lines(unseen.payload) - 1
                self._understand(unseen)
                self._advance(unseen)
        if fresh:
            self._kept.announced_seq = fresh[-1].first_seq + count_lines(fresh[-1].payload) - 1
            self._announce(fresh)

    def _understand(self, block: Block) -> None:
        self._printed()
        for found in self._watcher.feed(block.payload):
            self._note_player(found, block.time_us)
            self._seen(found)

    def _advance(self, block: Block) -> None:
        # A state is only ever that after whole lines: an unfinished one is read again by the node's next life.
        if not self._watcher.in_line:
            self._kept.seen_seq = self._cursor
        elif b"\n" in block.payload:
            self._kept.seen_seq = self._cursor - 1

    def _last_before(self, since_us: int) -> int:
        after_seq: int | None = 0
        while after_seq is not None:
            page = self._reader.search(since_us=since_us, after_seq=after_seq, limit=1)
            if page.found:
                return page.found[0].seq - 1
            after_seq = page.next_after
        return self._reader.next_seq - 1

    def _note_player(self, found: Seen, at_us: int) -> None:
        if found.player is None or found.kind not in ("join", "leave"):
            return
        players = self._kept.players
        is_there = any(player.name == found.player for player in players)
        if found.kind == "join" and not is_there and len(players) < MOST_PLAYERS:
            self._kept.players = [*players, OnlinePlayer(name=found.player, since_us=at_us)]
        elif found.kind == "leave" and is_there:
            self._kept.players = [player for player in players if player.name != found.player]


def after(block: Block, seq: int) -> Block | None:
    """Return the part of `block` after line `seq`, None where there is none."""
    skipped = seq + 1 - block.first_seq
    if skipped <= 0:
        return block
    parts = block.payload.split(b"\n", skipped)
    if len(parts) <= skipped or not parts[-1]:
        return None
    return Block(seq + 1, block.time_us, parts[-1])
