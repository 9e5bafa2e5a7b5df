"""What can be wrong about keys, roles and grants."""

from innkeeper.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, Unauthenticated


class KeyIsUnknown(Unauthenticated):
    """The key is not valid."""


class KeyIsMissing(Unauthenticated):
    """A key is needed: send it as `Authorization: Bearer KEY`."""


class KeyHasExpired(Unauthenticated):
    """The key has expired."""


class AccountIsDisabled(Unauthenticated):
    """The account is disabled."""


class AddressIsNotAllowed(Forbidden):
    """The key may not be used from this address."""


class PermissionIsMissing(Forbidden):
    """The permission for this is missing."""


class CannotGiveMoreThanHeld(Forbidden):
    """Nobody can give permissions that they do not hold."""


class NoSuchKey(NotFound):
    """There is no such key."""


class NoSuchRole(NotFound):
    """There is no such role."""


class NoSuchGrant(NotFound):
    """The server is not shared with this account."""


class RoleNameIsTaken(Conflict):
    """Another role has this name."""


class PermissionIsUnknown(Invalid):
    """There is no such permission."""


class NameIsInvalid(Invalid):
    """A name has 1 to 100 printable characters."""


class NetworkIsInvalid(Invalid):
    """This is neither an address nor a network."""


class OwnerNeedsNoGrant(Conflict):
    """The account owns the server already."""


class TooManyKeys(Exhausted):
    """The account has as many keys as it may have."""


class TooManyRoles(Exhausted):
    """You have made as many roles as you may."""


class TooManyGrants(Exhausted):
    """The server is shared with as many accounts as may be."""
