"""Every permission there is.

Fine-grained strings; what other systems call levels, masks and shares are views of these. A server permission is held
through ownership, a grant or a role; a product permission through a role. A superuser holds all.
"""

from enum import StrEnum


class ServerPermission(StrEnum):
    """What may be done with one server."""

    VIEW = "server.view"
    """See that it exists, its state and its address."""
    START = "power.start"
    STOP = "power.stop"
    RESTART = "power.restart"
    KILL = "power.kill"
    CONSOLE_READ = "console.read"
    """Follow the console as it is written."""
    CONSOLE_WRITE = "console.write"
    LOGS_READ = "logs.read"
    """Read what the console said before: its history, search in it, and the links that show it to others."""
    FILES_READ = "files.read"
    FILES_WRITE = "files.write"
    """Create, change and rename; deleting is a permission of its own."""
    FILES_DELETE = "files.delete"
    PLAYERS_READ = "players.read"
    """See the player lists."""
    PLAYERS_WRITE = "players.write"
    """Change the player lists: whitelist, operators, bans."""
    MANAGEMENT = "console.manage"
    """Use the game's own management protocol, which can do whatever the console can."""
    METRICS_READ = "metrics.read"
    SETTINGS_WRITE = "settings.write"
    """Change name, properties, limits within the plan, autostart."""
    REINSTALL = "server.reinstall"
    DELETE = "server.delete"
    SUSPEND = "server.suspend"
    GRANTS_READ = "grants.read"
    GRANTS_WRITE = "grants.write"
    """Share it with others, never more than one holds oneself."""
    BACKUPS_READ = "backups.read"
    """See the backups and how they are made, and download them."""
    BACKUPS_CREATE = "backups.create"
    """Make a backup."""
    BACKUPS_WRITE = "backups.write"
    """Verify backups, and decide what is backed up and for how long it is kept."""
    BACKUPS_RESTORE = "backups.restore"
    BACKUPS_DELETE = "backups.delete"
    SCHEDULES_READ = "schedules.read"
    SCHEDULES_WRITE = "schedules.write"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    OPERATIONS_READ = "operations.read"
    ACTIVITY_READ = "activity.read"


class ProductPermission(StrEnum):
    """What may be done beside single servers."""

    SERVERS_CREATE = "servers.create"
    SERVERS_RESTORE = "servers.restore"
    """See servers that were deleted and are still kept, bring them back, or end their keeping."""
    ACCOUNTS_READ = "accounts.read"
    ACCOUNTS_WRITE = "accounts.write"
    ROLES_READ = "roles.read"
    ROLES_WRITE = "roles.write"
    NODES_READ = "nodes.read"
    NODES_WRITE = "nodes.write"
    SELLING_WRITE = "selling.write"
    """Decide what is sold: plans, regions, and what is offered no more."""
    BILLING_READ_ALL = "billing.read_all"
    """See every wallet, pool and entry, and check the books."""
    BILLING_WRITE = "billing.write"
    """Give and take credits and money, set the price, switch charging for rented servers on and off."""
    ACTIVITY_READ_ALL = "activity.read_all"
    HOUSE_READ = "house.read"
    """See what the hosts use, and the metrics of everything."""
    HOUSE_WRITE = "house.write"
    """Change the settings of the house itself."""


ALL_SERVER = frozenset(str(permission) for permission in ServerPermission)
ALL_PRODUCT = frozenset(str(permission) for permission in ProductPermission)
ALL = ALL_SERVER | ALL_PRODUCT

OWNER = ALL_SERVER - {str(ServerPermission.SUSPEND)}
"""What owning a server means: everything but lifting a suspension that the house imposed."""
