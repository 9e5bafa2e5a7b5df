"""The conditions under which metrics are refused."""

from innkeeper.core.errors import Unavailable


class HostIsNotSampled(Unavailable):
    """This host has not told lately what it uses."""
