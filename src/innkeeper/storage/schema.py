"""The tables, as the newest migration leaves them.

Says what is kept and what can never be true of it; knows no query. Every constraint has a name, since that is what
becomes a condition of core. Numbers are never given out twice.

Who did or made or looks after something (operations, activity, `created_by`, `manager_id`) is a bare number and not a
foreign key: history outlives what it speaks of. A server that is deleted stays, so that it can be said. Once it is
not even kept any more (`purge_at` is null) it holds neither its port, nor its owner, nor its node, and either of the
latter may be deleted: this is what `live_owner_id` and `live_node_id` are for.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from innkeeper.core.backups.model import Restoring
from innkeeper.core.catalog.plans import PlanPrice, PlanResources
from innkeeper.core.catalog.versions import IndexSource, VersionIndex
from innkeeper.core.happenings import Happening, Sighting
from innkeeper.core.nodes.model import NodeFacts
from innkeeper.core.operations.model import OperationState
from innkeeper.core.schedules.model import Act, Trigger
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import CrashPolicy, Handling, Limits, PropertyValue, Release
from innkeeper.storage.columns import BigId, Enumerated, Json, Moment

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
NEVER_TWICE: dict[str, Any] = {"sqlite_autoincrement": True}
NO_ROWID: dict[str, Any] = {"sqlite_with_rowid": False}


def _id() -> Column[int]:
    return Column("id", BigId, primary_key=True)


accounts = Table(
    "accounts",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("username", Text, nullable=False),
    Column("username_folded", Text, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_verified", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("superuser", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("family_name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("referred_by", BigId, nullable=True),
    Column("permissions", Json(frozenset[str]), nullable=False),
    Column("limits", Json(dict[str, int]), nullable=False),
    Column("manager_id", BigId, nullable=True),
    Column("created_by", BigId, nullable=True, index=True),
    Column("language", Text, nullable=False),
    Column("theme", Text, nullable=False),
    Column("hints", Boolean, nullable=False),
    Column("attributes", Json(dict[str, str]), nullable=False),
    Column("second_factor", Boolean, nullable=False),
    Column("token_generation", BigId, nullable=False),
    Column("tokens_valid_from", Moment, nullable=True),
    Column("last_login_at", Moment, nullable=True),
    Column("last_address", Text, nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=True),
    **NEVER_TWICE,
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("secret", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("last_counter", BigId, nullable=False),
    Column("created_at", Moment, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Text, primary_key=True),
    **NO_ROWID,
)

failed_sign_ins = Table(
    "failed_sign_ins",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
    **NO_ROWID,
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("permissions", Json(frozenset[str]), nullable=True),
    Column("networks", Json(tuple[str, ...]), nullable=False),
    Column("expires_at", Moment, nullable=True, index=True),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=True),
    **NEVER_TWICE,
)

roles = Table(
    "roles",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False, unique=True),
    Column("permissions", Json(frozenset[str]), nullable=False),
    Column("all_servers", Boolean, nullable=False),
    Column("manager_id", BigId, nullable=True),
    Column("created_by", BigId, nullable=True, index=True),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=True),
    **NEVER_TWICE,
)

role_servers = Table(
    "role_servers",
    metadata,
    Column("role_id", BigId, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("permissions", Json(frozenset[str]), nullable=False),
    **NO_ROWID,
)

role_members = Table(
    "role_members",
    metadata,
    Column("role_id", BigId, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
    **NO_ROWID,
)

grants = Table(
    "grants",
    metadata,
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("permissions", Json(frozenset[str]), nullable=False),
    Column("created_at", Moment, nullable=False),
    **NO_ROWID,
)

nodes = Table(
    "nodes",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("secret_digest", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("public_host", Text, nullable=False),
    Column("first_port", Integer, nullable=False),
    Column("last_port", Integer, nullable=False),
    Column("region", Text, nullable=False),
    Column("memory_mib", Integer, nullable=True),
    Column("disk_mib", Integer, nullable=True),
    Column("most_servers", Integer, nullable=True),
    Column("facts", Json(NodeFacts), nullable=False),
    Column("last_seen_at", Moment, nullable=True),
    Column("created_at", Moment, nullable=False),
    **NEVER_TWICE,
)

enrolment_tokens = Table(
    "enrolment_tokens",
    metadata,
    Column("digest", Text, primary_key=True),
    # A right to add a node ends with the account that gave it.
    Column("created_by", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("expires_at", Moment, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("owner_id", BigId, nullable=False),
    Column("node_id", BigId, nullable=False),
    Column("live_owner_id", BigId, ForeignKey("accounts.id"), nullable=True, index=True),
    Column("live_node_id", BigId, ForeignKey("nodes.id"), nullable=True, index=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("package", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("addons", Json(dict[str, str]), nullable=False),
    Column("releases", Json(dict[str, Release]), nullable=False),
    Column("plan", Text, nullable=True),
    Column("billing_type", Text, nullable=True),
    Column("properties", Json(dict[str, PropertyValue]), nullable=False),
    Column("address", Text, nullable=False),
    Column("port", Integer, nullable=True),
    Column("protocol", Text, nullable=False),
    Column("limits", Json(Limits), nullable=False),
    Column("crash", Json(CrashPolicy), nullable=False),
    Column("autostart", Boolean, nullable=False),
    Column("handling", Json(Handling), nullable=False),
    Column("idle_stop_minutes", Integer, nullable=True),
    Column("keep_until", Moment, nullable=True),
    Column("pool_id", BigId, nullable=True),
    Column("paid_by", BigId, nullable=True),
    Column("power", Text, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("suspended_reason", Text, nullable=True),
    Column("state", Enumerated(State), nullable=False),
    Column("order_id", Uuid, nullable=True),
    Column("generation", BigId, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("deleted_at", Moment, nullable=True),
    Column("purge_at", Moment, nullable=True),
    **NEVER_TWICE,
)
_NOT_PURGED = text("deleted_at IS NULL OR purge_at IS NOT NULL")
servers_port = Index(
    "uq_servers_node_id_protocol_port",
    servers.c.node_id,
    servers.c.protocol,
    servers.c.port,
    unique=True,
    sqlite_where=_NOT_PURGED,
    postgresql_where=_NOT_PURGED,
)

operations = Table(
    "operations",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), nullable=False),
    Column("verb", Text, nullable=False),
    Column("restore", Json(Restoring), nullable=True),
    Column("state", Enumerated(OperationState), nullable=False),
    Column("reason", Text, nullable=True),
    Column("steps", Json(tuple[str, ...]), nullable=False),
    Column("fraction", Float(53), nullable=True),
    Column("account_id", BigId, nullable=True),
    Column("via", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment, nullable=True),
    Column("finished_at", Moment, nullable=True),
    Index("ix_operations_server_id_id", "server_id", "id"),
    **NEVER_TWICE,
)
UNFINISHED = text("state IN ('created', 'running')")
Index("ix_operations_unfinished", operations.c.id, sqlite_where=UNFINISHED, postgresql_where=UNFINISHED)

backups = Table(
    "backups",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("fraction", Float(53), nullable=True),
    Column("steps", Json(tuple[str, ...]), nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("bytes", BigId, nullable=True),
    Column("stored_bytes", BigId, nullable=True),
    Column("files", BigId, nullable=True),
    Column("digest", Text, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("verified_at", Moment, nullable=True),
    Column("verified", Boolean, nullable=True),
    Column("problem", Text, nullable=False),
    Column("job_id", Uuid, nullable=True, unique=True),
    Column("job_verb", Text, nullable=True),
    Column("account_id", BigId, nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment, nullable=True),
    Index("ix_backups_server_id_id", "server_id", "id"),
    **NEVER_TWICE,
)

backup_policies = Table(
    "backup_policies",
    metadata,
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True),
    Column("exclusions", Json(tuple[str, ...]), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("stop_first", Boolean, nullable=False),
    Column("keep_last", Integer, nullable=True),
    Column("keep_days", Integer, nullable=True),
    Column("keep_daily", Integer, nullable=False),
    Column("keep_weekly", Integer, nullable=False),
    Column("keep_monthly", Integer, nullable=False),
    Column("verify", Boolean, nullable=False),
    **NO_ROWID,
)

# No foreign key: a sample that comes late, for a server that is gone, must not take its whole batch down.
samples = Table(
    "samples",
    metadata,
    Column("server_id", BigId, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("cpu_percent", Float(53), nullable=False),
    Column("memory_bytes", BigId, nullable=False),
    Column("disk_bytes", BigId, nullable=True),
    Column("players", Integer, nullable=False),
    Index("ix_samples_at", "at"),
    **NO_ROWID,
)

host_samples = Table(
    "host_samples",
    metadata,
    Column("node_id", BigId, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("cpu_percent", Float(53), nullable=False),
    Column("memory_bytes", BigId, nullable=False),
    Column("disk_bytes", BigId, nullable=True),
    Index("ix_host_samples_at", "at"),
    **NO_ROWID,
)


def _gathered(name: str, subject: str, *more: Column[Any]) -> Table:
    """Return a table of what a subject's samples were gathered into: `at` is where the span begins."""
    return Table(
        name,
        metadata,
        Column(subject, BigId, primary_key=True),
        Column("at", Moment, primary_key=True),
        Column("samples", Integer, nullable=False),
        Column("cpu_sum", BigId, nullable=False),
        Column("cpu_max", BigId, nullable=False),
        Column("memory_sum", BigId, nullable=False),
        Column("memory_max", BigId, nullable=False),
        *more,
        Column("disk_samples", Integer, nullable=False),
        Column("disk_sum", BigId, nullable=False),
        Column("disk_max", BigId, nullable=False),
        Index(f"ix_{name}_at", "at"),
        **NO_ROWID,
    )


def _players() -> tuple[Column[Any], Column[Any]]:
    return Column("players_sum", BigId, nullable=False), Column("players_max", Integer, nullable=False)


usage_by_minute = _gathered("usage_by_minute", "server_id", *_players())
usage_by_hour = _gathered("usage_by_hour", "server_id", *_players())
host_usage_by_minute = _gathered("host_usage_by_minute", "node_id")
host_usage_by_hour = _gathered("host_usage_by_hour", "node_id")

activity = Table(
    "activity",
    metadata,
    _id(),
    Column("at", Moment, nullable=False, index=True),
    Column("account_id", BigId, nullable=True),
    Column("server_id", BigId, nullable=True),
    Column("action", Text, nullable=False),
    Column("data", Json(dict[str, Any]), nullable=False),
    Column("via", Text, nullable=False),
    Column("address", Text, nullable=True),
    Index("ix_activity_server_id_id", "server_id", "id"),
    Index("ix_activity_account_id_id", "account_id", "id"),
    **NEVER_TWICE,
)

ledgers = Table(
    "ledgers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account_id", BigId, nullable=True),
    Column("pool_id", BigId, nullable=True, index=True),
    Column("currency", Text, nullable=True),
    Column("balance", BigId, nullable=False),
    **NO_ROWID,
)
WALLET = text("kind = 'wallet'")
Index("ix_ledgers_wallets", ledgers.c.account_id, sqlite_where=WALLET, postgresql_where=WALLET)

ledger_transactions = Table(
    "ledger_transactions",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    Column("actor_id", BigId, nullable=True),
    Column("server_id", BigId, nullable=True),
    Column("meter_id", BigId, nullable=True),
    Column("term_id", BigId, nullable=True),
    Column("since", Moment, nullable=True),
    Column("until", Moment, nullable=True),
    **NEVER_TWICE,
)
_METERED = text("meter_id IS NOT NULL")
Index(
    "ix_ledger_transactions_meter_id_id",
    ledger_transactions.c.meter_id,
    ledger_transactions.c.id,
    sqlite_where=_METERED,
    postgresql_where=_METERED,
)
_RENTED = text("term_id IS NOT NULL")
Index(
    "ix_ledger_transactions_term_id_id",
    ledger_transactions.c.term_id,
    ledger_transactions.c.id,
    sqlite_where=_RENTED,
    postgresql_where=_RENTED,
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("ledger", Text, ForeignKey("ledgers.name"), primary_key=True),
    Column("transaction_id", BigId, ForeignKey("ledger_transactions.id"), primary_key=True, index=True),
    Column("amount", BigId, nullable=False),
    **NO_ROWID,
)

prices = Table(
    "prices",
    metadata,
    _id(),
    Column("amount", BigId, nullable=False),
    Column("at", Moment, nullable=False),
    Column("set_by", BigId, nullable=True),
    **NEVER_TWICE,
)

pools = Table(
    "pools",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("owner_id", BigId, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    **NEVER_TWICE,
)

pool_members = Table(
    "pool_members",
    metadata,
    Column("pool_id", BigId, ForeignKey("pools.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("joined_at", Moment, nullable=False),
    **NO_ROWID,
)

# No foreign keys: what was charged outlives whoever paid and whatever ran.
meters = Table(
    "meters",
    metadata,
    _id(),
    Column("server_id", BigId, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("payer_account_id", BigId, nullable=True),
    Column("payer_pool_id", BigId, nullable=True),
    Column("price", BigId, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("billed_until", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("warned", Integer, nullable=False),
    UniqueConstraint("server_id", "run_id"),
    **NEVER_TWICE,
)
OPEN = text("ended_at IS NULL")
Index("ix_meters_open", meters.c.id, sqlite_where=OPEN, postgresql_where=OPEN)

# No foreign keys: what was charged outlives whoever paid and whatever was rented.
rentals = Table(
    "rentals",
    metadata,
    _id(),
    Column("server_id", BigId, nullable=False, unique=True),
    Column("account_id", BigId, nullable=False),
    Column("plan", Text, nullable=False),
    Column("billing_type", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("unpaid_since", Moment, nullable=True),
    Column("month", Moment, nullable=True),
    Column("spent", BigId, nullable=False),
    Column("warned", Integer, nullable=False),
    Column("closed_at", Moment, nullable=True),
    **NEVER_TWICE,
)
RENTED = text("closed_at IS NULL")
Index("ix_rentals_open", rentals.c.id, sqlite_where=RENTED, postgresql_where=RENTED)

rental_terms = Table(
    "rental_terms",
    metadata,
    _id(),
    Column("rental_id", BigId, nullable=False),
    Column("since", Moment, nullable=False),
    Column("paid_until", Moment, nullable=False),
    Column("charged_from", Moment, nullable=False),
    Column("charging_since", Moment, nullable=False),
    Index("ix_rental_terms_rental_id_id", "rental_id", "id"),
    **NEVER_TWICE,
)

# What plans have cost; it outlives them.
rates = Table(
    "rates",
    metadata,
    _id(),
    Column("plan", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("hourly", BigId, nullable=False),
    Column("monthly", BigId, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_rates_plan_currency_at", "plan", "currency", "at"),
    **NEVER_TWICE,
)

regions = Table(
    "regions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("country", Text, nullable=False),
    Column("city", Text, nullable=False),
    **NO_ROWID,
)

# Only those that an administrator made or changed: the others stand in the packages.
plans = Table(
    "plans",
    metadata,
    Column("name", Text, primary_key=True),
    Column("package", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("resources", Json(PlanResources), nullable=False),
    Column("prices", Json(tuple[PlanPrice, ...]), nullable=False),
    **NO_ROWID,
)

# What is sold no more; servers that have it keep it.
retirements = Table(
    "retirements",
    metadata,
    Column("noun", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    **NO_ROWID,
)

catalog_indexes = Table(
    "catalog_indexes",
    metadata,
    Column("package", Text, primary_key=True),
    Column("runtime", Text, primary_key=True),
    Column("source", Json(IndexSource), nullable=False),
    Column("index", Json(VersionIndex), nullable=False),
    Column("fetched_at", Moment, nullable=False),
    **NO_ROWID,
)

catalog_releases = Table(
    "catalog_releases",
    metadata,
    Column("package", Text, primary_key=True),
    Column("runtime", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("release", Json(Release), nullable=False),
    Column("fetched_at", Moment, nullable=False),
    **NO_ROWID,
)

schedules = Table(
    "schedules",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("trigger", Json(Trigger), nullable=False),
    # The schedule that its trigger waits for, so that those can be asked for; it may be gone.
    Column("parent_id", BigId, nullable=True),
    Column("zone", Text, nullable=False),
    Column("act", Json(Act), nullable=False),
    Column("once", Boolean, nullable=False),
    Column("missed", Text, nullable=False),
    Column("next_at", Moment, nullable=True),
    Column("last_at", Moment, nullable=True),
    Column("account_id", BigId, nullable=True),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("created_at", Moment, nullable=False),
    **NEVER_TWICE,
)
DUE = text("next_at IS NOT NULL")
Index("ix_schedules_due", schedules.c.next_at, schedules.c.id, sqlite_where=DUE, postgresql_where=DUE)

# That there is one run for each moment at which a schedule is due is what makes it happen once.
schedule_runs = Table(
    "schedule_runs",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("schedule_id", BigId, ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
    Column("server_id", BigId, nullable=False),
    Column("account_id", BigId, nullable=True),
    Column("act", Json(Act), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment, nullable=True),
    Column("backup", Uuid, nullable=True),
    Column("holder", Text, nullable=True),
    Column("leased_until", Moment, nullable=True),
    UniqueConstraint("schedule_id", "due_at", "cause"),
    Index("ix_schedule_runs_schedule_id_id", "schedule_id", "id"),
    **NEVER_TWICE,
)
UNDER_WAY = text("state = 'running'")
Index("ix_schedule_runs_under_way", schedule_runs.c.id, sqlite_where=UNDER_WAY, postgresql_where=UNDER_WAY)

webhooks = Table(
    "webhooks",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("bot_name", Text, nullable=False),
    Column("triggers", Json(frozenset[str]), nullable=False),
    Column("body", Text, nullable=False),
    Column("colour", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("secret", Text, nullable=False),
    Column("failing_since", Moment, nullable=True),
    Column("disabled_reason", Text, nullable=True),
    Column("created_at", Moment, nullable=False),
    **NEVER_TWICE,
)

# No foreign key: what happens to a server is kept even while one of its webhooks is being deleted.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _id(),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("webhook_id", BigId, nullable=False),
    Column("event", Uuid, nullable=False),
    Column("happening", Text, nullable=False),
    Column("facts", Json(Happening), nullable=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("claim", Uuid, nullable=True),
    Column("claimed_until", Moment, nullable=True),
    Column("status", Integer, nullable=True),
    Column("reason", Text, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("finished_at", Moment, nullable=True),
    UniqueConstraint("webhook_id", "event"),
    Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    **NEVER_TWICE,
)
DELIVERY_WAITING = text("state = 'waiting'")
Index(
    "ix_webhook_deliveries_waiting",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.id,
    sqlite_where=DELIVERY_WAITING,
    postgresql_where=DELIVERY_WAITING,
)

sightings = Table(
    "sightings",
    metadata,
    Column("server_id", BigId, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True),
    Column("seen", Json(Sighting), nullable=False),
    **NO_ROWID,
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
