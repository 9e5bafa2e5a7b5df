"""What can be wrong about packages."""

from innkeeper.core.errors import Conflict, Gone, Invalid, NotFound, Unavailable


class NoSuchPackage(NotFound):
    """The catalogue has no such package."""


class NoSuchRuntime(Invalid):
    """The package has no such runtime."""


class NoSuchVersion(Invalid):
    """The runtime has no such version."""


class PackageIsBroken(Invalid):
    """The package file cannot be used."""


class NoSuchPlan(NotFound):
    """There is no such plan."""


class NoSuchRegion(NotFound):
    """There is no such region."""


class IsRetired(Gone):
    """This is not offered any more."""


class VendorIsUnavailable(Unavailable):
    """The vendor of this software does not answer now, and nothing is known of it from before."""


class PlanIsInvalid(Invalid):
    """A plan has a name, resources within reason and at most one price for each currency."""


class PlanIsInUse(Conflict):
    """Servers still have this plan; it can be retired."""


class RegionIsInvalid(Invalid):
    """A region's name has 1 to 63 lower-case letters, digits and dashes."""
