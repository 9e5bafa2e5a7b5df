"""Failed sign-ins, counted by account and by address, so that nobody can go on guessing.

Counted in the database: all panels share the count, and a restart forgets nothing. A count holds from its first failure
on for a time; what has ended is deleted by the next failure, and there are so many counts at most: one more ends those
of the fewest failures. Names that somebody typed may be passwords, so they are kept hashed. Who signs in without having
failed costs no row. Knows neither accounts nor passwords.
"""

import ipaddress
from datetime import timedelta

from innkeeper.core.accounts.errors import TooManyAttempts
from innkeeper.core.accounts.model import FailedSignIns
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import digest_of

FAILURES_ALLOWED = 10
WINDOW = timedelta(minutes=10)
"""For how long a first failure counts, and all that follow it meanwhile."""
_MOST_COUNTED = 50_000


class Guesses:
    """Counts failures and refuses who has too many."""

    def __init__(self, works: Works, clock: Clock) -> None:
        self._works = works
        self._clock = clock

    @staticmethod
    def names(username: str, address: str | None) -> list[str]:
        """Return under which names an attempt counts: the account's first."""
        named = [f"name:{username.lower()[:64]}"]
        if address:
            named.append(f"address:{_neighbourhood(address)}")
        return [digest_of(name) for name in named]

    async def refuse_hammering(self, names: list[str]) -> None:
        """Raise TooManyAttempts, which says in how many seconds the next attempt is answered (`retry_after_s`)."""
        async with self._works() as work:
            counted = await work.accounts.failed_sign_ins(names, self._clock.now())
        self._refuse(counted, FAILURES_ALLOWED)

    async def count_failure(self, names: list[str]) -> None:
        """Note a failed attempt; raise TooManyAttempts where others used up meanwhile what was allowed."""
        now = self._clock.now()
        async with self._works() as work:
            counted = await work.accounts.count_failed_sign_in(names, now, now + WINDOW)
            await work.accounts.delete_failed_sign_ins(now, most=_MOST_COUNTED)
        self._refuse(counted, FAILURES_ALLOWED + 1)

    @staticmethod
    async def forget(work: Work, name: str) -> None:
        """Forget the failures of one name: whose it is has proven it."""
        await work.accounts.forget_failed_sign_ins(name)

    def _refuse(self, counted: list[FailedSignIns], too_many: int) -> None:
        ends = [one.ends_at for one in counted if one.failures >= too_many]
        if ends:
            raise TooManyAttempts(retry_after_s=int((max(ends) - self._clock.now()).total_seconds()) + 1)


def _neighbourhood(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, all of which one household has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(getattr(found, "ipv4_mapped", None) or found)
