"""What can be wrong about packages."""

from innkeeper.core.errors import Invalid, NotFound


class NoSuchPackage(NotFound):
    """The catalogue has no such package."""


class NoSuchRuntime(Invalid):
    """The package has no such runtime."""


class NoSuchVersion(Invalid):
    """The runtime has no such version."""


class PackageIsBroken(Invalid):
    """The package file cannot be used."""
