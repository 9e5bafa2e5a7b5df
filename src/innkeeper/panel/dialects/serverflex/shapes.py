"""ServerFlex's objects, field by field: what its documentation prints, and both spellings where it has two.

Data alone: what core's objects become of it, `views` and `catalogue` say. ref: the examples of every route, and the
section Object Definitions.
"""

import msgspec

from innkeeper.core.servers.model import PropertyValue


class BaseView(msgspec.Struct, frozen=True):
    name: str
    version: str
    documentation: str


class PricingView(msgspec.Struct, frozen=True):
    """One object, as every route's example has it; the definitions show a list of one, which a client refuses."""

    costHourly: float
    costMonthly: float
    currency: str


class ResourcesView(msgspec.Struct, frozen=True):
    backupsInMB: int
    cpuCount: float
    memoryInMB: int
    storageInMB: int


class PlanView(msgspec.Struct, frozen=True):
    displayName: str
    name: str
    pricing: PricingView
    resources: ResourcesView


class RegionView(msgspec.Struct, frozen=True):
    country: str
    city: str
    name: str


class VersionView(msgspec.Struct, frozen=True):
    displayName: str
    name: str


class RuntimeView(msgspec.Struct, frozen=True):
    aliases: dict[str, str]
    displayName: str
    name: str
    versions: list[VersionView]


class PackageRef(msgspec.Struct, frozen=True):
    displayName: str
    name: str


class PackageView(msgspec.Struct, frozen=True):
    displayName: str
    name: str
    plans: list[PlanView]
    runtimes: list[RuntimeView]
    regions: list[RegionView]


class AcceptedView(msgspec.Struct, frozen=True):
    display: str
    group: str | None
    value: PropertyValue


class PropertyView(msgspec.Struct, frozen=True):
    """`acceptedValues` is the route's spelling, `allowedValues` that of the object's definition."""

    acceptedValues: list[AcceptedView]
    allowedValues: list[AcceptedView]
    categoryName: str
    default: PropertyValue | None
    name: str
    required: bool
    value: PropertyValue | None
    valueType: str


class LockView(msgspec.Struct, frozen=True):
    isLocked: bool
    reason: str | None


class PortView(msgspec.Struct, frozen=True):
    name: str
    port: int
    protocol: str


class NetworkView(msgspec.Struct, frozen=True):
    ipAddress: str | None
    ports: list[PortView]
    subDomain: str


class ServerView(msgspec.Struct, frozen=True):
    """`bilingType` is what one version of the .NET client reads, `billingType` what the documentation prints."""

    uuid: str
    name: str
    state: str
    package: PackageRef
    billingType: str
    bilingType: str
    createdAt: str
    locked: LockView
    network: NetworkView
    permission: str
    plan: PlanView
    region: RegionView
    runtimes: list[RuntimeView]


class OperationView(msgspec.Struct, frozen=True):
    """Both spellings of success are in the documentation."""

    uuid: str
    type: str
    isCompleted: bool
    isCompletedSuccesfully: bool
    isCompletedSuccessfully: bool
    createdAt: str
    completedAt: str | None


class PlayersView(msgspec.Struct, frozen=True):
    online: int
    totalSlots: int


class StatsView(msgspec.Struct, frozen=True):
    """Each a moment → what was used then; null for what was not asked for."""

    cpuUsage: dict[str, float] | None
    ramUsage: dict[str, float] | None
    storageUsage: dict[str, float] | None


class UserRef(msgspec.Struct, frozen=True):
    emailAddress: str
    familyName: str
    givenName: str
    username: str
    uuid: str


class ShareView(msgspec.Struct, frozen=True):
    createdAt: str
    permission: str
    user: UserRef


class UserView(msgspec.Struct, frozen=True):
    country: str
    createdAt: str
    emailAddress: str
    givenName: str
    familyName: str
    referralToken: str
    username: str
    uuid: str


class BalanceView(msgspec.Struct, frozen=True):
    amount: float
    currency: str


class ReferralsView(msgspec.Struct, frozen=True):
    count: int
    currency: str
    earnings: float


class ErrorView(msgspec.Struct, frozen=True):
    error: str
    message: str


class RefusalView(msgspec.Struct, frozen=True):
    """What every refusal is: one client reads `errors`, another `code` or `error` with `message` and `field`."""

    errors: list[ErrorView]
    code: str
    error: str
    message: str
    field: str | None
