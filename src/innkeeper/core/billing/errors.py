"""What can be wrong about credits."""

from innkeeper.core.errors import Conflict, Exhausted, Invalid, NotFound


class CreditsAreExhausted(Exhausted):
    """There are not enough credits for this."""


class ServerIsNotRented(NotFound):
    """The server has no plan that is paid for."""


class CurrencyIsInvalid(Invalid):
    """A currency is three capital letters, as ISO 4217 has them."""


class NoSuchPool(NotFound):
    """There is no such credit pool."""


class NoSuchPoolMember(NotFound):
    """The account is no member of this credit pool."""


class AmountIsInvalid(Invalid):
    """An amount is a whole number of micro-credits within reason."""


class KeyIsInvalid(Invalid):
    """An idempotency key has 1 to 100 printable characters."""


class KeyWasUsed(Conflict):
    """This idempotency key was used for something else."""


class PoolNameIsInvalid(Invalid):
    """A credit pool's name has 1 to 100 printable characters."""


class IsPoolMember(Conflict):
    """The account is a member of this credit pool already."""


class OwnerStaysInPool(Conflict):
    """The owner of a credit pool cannot leave it; it can be deleted."""


class AccountOwnsPools(Conflict):
    """The account still owns credit pools."""


class TooManyPools(Exhausted):
    """The account has as many credit pools as it may have."""


class TooManyPoolMembers(Exhausted):
    """The credit pool has as many members as it may have."""
