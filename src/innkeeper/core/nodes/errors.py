"""What can be wrong about nodes."""

from innkeeper.core.errors import Conflict, Exhausted, Invalid, NotFound, Unauthenticated, Unavailable


class NoSuchNode(NotFound):
    """There is no such node."""


class NodeIsOffline(Unavailable):
    """The node that keeps this server cannot be reached now."""


class NodeFailed(Unavailable):
    """The node could not do what it was asked."""


class NodeNameIsTaken(Conflict):
    """Another node has this name."""


class NodeNameIsInvalid(Invalid):
    """A node's name has 1 to 63 letters, digits and dashes."""


class NodeHasServers(Conflict):
    """The node still keeps servers."""


class NoNodeIsOnline(Exhausted):
    """No node is there that could keep the server."""


class NodeHasNoRoom(Exhausted):
    """No node has room for such a server."""


class ToolIsMissing(Exhausted):
    """No node has what this software needs, such as the right Java."""


class CapacityIsInvalid(Invalid):
    """A capacity is a number from 0 to 1,073,741,824."""


class RegionHasNodes(Conflict):
    """The region still has nodes."""


class NodeIsUnknown(Unauthenticated):
    """The node's secret or token is not valid."""
