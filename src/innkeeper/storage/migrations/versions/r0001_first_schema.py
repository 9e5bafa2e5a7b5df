"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _accounts_and_access()
    _nodes_and_servers()
    _sharing()
    _history()
    _billing()
    _selling()
    _schedules()
    _webhooks()


def _accounts_and_access() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_folded", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("superuser", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("referred_by", BIG, nullable=True),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("manager_id", BIG, nullable=True),
        sa.Column("created_by", BIG, nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("hints", sa.Boolean(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("second_factor", sa.Boolean(), nullable=False),
        sa.Column("token_generation", BIG, nullable=False),
        sa.Column("tokens_valid_from", sa.BigInteger(), nullable=True),
        sa.Column("last_login_at", sa.BigInteger(), nullable=True),
        sa.Column("last_address", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("username_folded", name=op.f("uq_accounts_username_folded")),
        sa.UniqueConstraint("uuid", name=op.f("uq_accounts_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_accounts_created_by"), "accounts", ["created_by"], unique=False)
    op.create_table(
        "second_factors",
        sa.Column("account_id", BIG, autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("last_counter", BIG, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_second_factors_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_recovery_codes_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "digest", name=op.f("pk_recovery_codes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "failed_sign_ins",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_failed_sign_ins")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_failed_sign_ins_ends_at"), "failed_sign_ins", ["ends_at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=True),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_api_keys_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        sa.UniqueConstraint("uuid", name=op.f("uq_api_keys_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_api_keys_account_id"), "api_keys", ["account_id"], unique=False)
    op.create_index(op.f("ix_api_keys_expires_at"), "api_keys", ["expires_at"], unique=False)
    op.create_table(
        "roles",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("all_servers", sa.Boolean(), nullable=False),
        sa.Column("manager_id", BIG, nullable=True),
        sa.Column("created_by", BIG, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("name_folded", name=op.f("uq_roles_name_folded")),
        sa.UniqueConstraint("uuid", name=op.f("uq_roles_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_roles_created_by"), "roles", ["created_by"], unique=False)


def _nodes_and_servers() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("public_host", sa.Text(), nullable=False),
        sa.Column("first_port", sa.Integer(), nullable=False),
        sa.Column("last_port", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=True),
        sa.Column("disk_mib", sa.Integer(), nullable=True),
        sa.Column("most_servers", sa.Integer(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("name", name=op.f("uq_nodes_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_nodes_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "enrolment_tokens",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_by", BIG, nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["accounts.id"], name=op.f("fk_enrolment_tokens_created_by"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_enrolment_tokens")),
    )
    op.create_index(op.f("ix_enrolment_tokens_created_by"), "enrolment_tokens", ["created_by"], unique=False)
    op.create_table(
        "servers",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.Column("node_id", BIG, nullable=False),
        sa.Column("live_owner_id", BIG, nullable=True),
        sa.Column("live_node_id", BIG, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("addons", sa.Text(), nullable=False),
        sa.Column("releases", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("billing_type", sa.Text(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("crash", sa.Text(), nullable=False),
        sa.Column("autostart", sa.Boolean(), nullable=False),
        sa.Column("handling", sa.Text(), nullable=False),
        sa.Column("idle_stop_minutes", sa.Integer(), nullable=True),
        sa.Column("keep_until", sa.BigInteger(), nullable=True),
        sa.Column("pool_id", BIG, nullable=True),
        sa.Column("paid_by", BIG, nullable=True),
        sa.Column("power", sa.Text(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("suspended_reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("purge_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["live_node_id"], ["nodes.id"], name=op.f("fk_servers_live_node_id")),
        sa.ForeignKeyConstraint(["live_owner_id"], ["accounts.id"], name=op.f("fk_servers_live_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
        sa.UniqueConstraint("uuid", name=op.f("uq_servers_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_servers_live_node_id"), "servers", ["live_node_id"], unique=False)
    op.create_index(op.f("ix_servers_live_owner_id"), "servers", ["live_owner_id"], unique=False)
    op.create_index(
        "uq_servers_node_id_protocol_port",
        "servers",
        ["node_id", "protocol", "port"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL OR purge_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NULL OR purge_at IS NOT NULL"),
    )


def _sharing() -> None:
    op.create_table(
        "grants",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_grants_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_grants_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "server_id", name=op.f("pk_grants")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_grants_server_id"), "grants", ["server_id"], unique=False)
    op.create_table(
        "role_members",
        sa.Column("role_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_role_members_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name=op.f("fk_role_members_role_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("role_id", "account_id", name=op.f("pk_role_members")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_role_members_account_id"), "role_members", ["account_id"], unique=False)
    op.create_table(
        "role_servers",
        sa.Column("role_id", BIG, nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name=op.f("fk_role_servers_role_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["server_id"], ["servers.id"], name=op.f("fk_role_servers_server_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "server_id", name=op.f("pk_role_servers")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_role_servers_server_id"), "role_servers", ["server_id"], unique=False)


def _history() -> None:
    op.create_table(
        "operations",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("restore", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("fraction", sa.Float(precision=53), nullable=True),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"], ["servers.id"], name=op.f("fk_operations_server_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.UniqueConstraint("uuid", name=op.f("uq_operations_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operations_server_id_id", "operations", ["server_id", "id"], unique=False)
    op.create_index(
        "ix_operations_unfinished",
        "operations",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('created', 'running')"),
        postgresql_where=sa.text("state IN ('created', 'running')"),
    )
    op.create_table(
        "backups",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("fraction", sa.Float(precision=53), nullable=True),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("bytes", BIG, nullable=True),
        sa.Column("stored_bytes", BIG, nullable=True),
        sa.Column("files", BIG, nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("job_verb", sa.Text(), nullable=True),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_backups_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
        sa.UniqueConstraint("uuid", name=op.f("uq_backups_uuid")),
        sa.UniqueConstraint("job_id", name=op.f("uq_backups_job_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_backups_server_id_id", "backups", ["server_id", "id"], unique=False)
    op.create_table(
        "backup_policies",
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("exclusions", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("stop_first", sa.Boolean(), nullable=False),
        sa.Column("keep_last", sa.Integer(), nullable=True),
        sa.Column("keep_days", sa.Integer(), nullable=True),
        sa.Column("keep_daily", sa.Integer(), nullable=False),
        sa.Column("keep_weekly", sa.Integer(), nullable=False),
        sa.Column("keep_monthly", sa.Integer(), nullable=False),
        sa.Column("verify", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"], ["servers.id"], name=op.f("fk_backup_policies_server_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_backup_policies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "samples",
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cpu_percent", sa.Float(precision=53), nullable=False),
        sa.Column("memory_bytes", BIG, nullable=False),
        sa.Column("disk_bytes", BIG, nullable=True),
        sa.Column("players", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "at", name=op.f("pk_samples")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_samples_at", "samples", ["at"], unique=False)
    op.create_table(
        "host_samples",
        sa.Column("node_id", BIG, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cpu_percent", sa.Float(precision=53), nullable=False),
        sa.Column("memory_bytes", BIG, nullable=False),
        sa.Column("disk_bytes", BIG, nullable=True),
        sa.PrimaryKeyConstraint("node_id", "at", name=op.f("pk_host_samples")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_host_samples_at", "host_samples", ["at"], unique=False)
    for name in ("host_usage_by_minute", "host_usage_by_hour"):
        op.create_table(
            name,
            sa.Column("node_id", BIG, nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("samples", sa.Integer(), nullable=False),
            sa.Column("cpu_sum", BIG, nullable=False),
            sa.Column("cpu_max", BIG, nullable=False),
            sa.Column("memory_sum", BIG, nullable=False),
            sa.Column("memory_max", BIG, nullable=False),
            sa.Column("disk_samples", sa.Integer(), nullable=False),
            sa.Column("disk_sum", BIG, nullable=False),
            sa.Column("disk_max", BIG, nullable=False),
            sa.PrimaryKeyConstraint("node_id", "at", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
        op.create_index(f"ix_{name}_at", name, ["at"], unique=False)
    for name in ("usage_by_minute", "usage_by_hour"):
        op.create_table(
            name,
            sa.Column("server_id", BIG, nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("samples", sa.Integer(), nullable=False),
            sa.Column("cpu_sum", BIG, nullable=False),
            sa.Column("cpu_max", BIG, nullable=False),
            sa.Column("memory_sum", BIG, nullable=False),
            sa.Column("memory_max", BIG, nullable=False),
            sa.Column("players_sum", BIG, nullable=False),
            sa.Column("players_max", sa.Integer(), nullable=False),
            sa.Column("disk_samples", sa.Integer(), nullable=False),
            sa.Column("disk_sum", BIG, nullable=False),
            sa.Column("disk_max", BIG, nullable=False),
            sa.PrimaryKeyConstraint("server_id", "at", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
        op.create_index(f"ix_{name}_at", name, ["at"], unique=False)
    op.create_table(
        "activity",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("server_id", BIG, nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_activity_account_id_id", "activity", ["account_id", "id"], unique=False)
    op.create_index(op.f("ix_activity_at"), "activity", ["at"], unique=False)
    op.create_index("ix_activity_server_id_id", "activity", ["server_id", "id"], unique=False)
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )


def _billing() -> None:
    op.create_table(
        "ledgers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("pool_id", BIG, nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("balance", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ledgers")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_ledgers_pool_id"), "ledgers", ["pool_id"], unique=False)
    op.create_index(
        "ix_ledgers_wallets",
        "ledgers",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("kind = 'wallet'"),
        postgresql_where=sa.text("kind = 'wallet'"),
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("actor_id", BIG, nullable=True),
        sa.Column("server_id", BIG, nullable=True),
        sa.Column("meter_id", BIG, nullable=True),
        sa.Column("term_id", BIG, nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_transactions_key")),
        sa.UniqueConstraint("uuid", name=op.f("uq_ledger_transactions_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_ledger_transactions_meter_id_id",
        "ledger_transactions",
        ["meter_id", "id"],
        unique=False,
        sqlite_where=sa.text("meter_id IS NOT NULL"),
        postgresql_where=sa.text("meter_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_transactions_term_id_id",
        "ledger_transactions",
        ["term_id", "id"],
        unique=False,
        sqlite_where=sa.text("term_id IS NOT NULL"),
        postgresql_where=sa.text("term_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("transaction_id", BIG, nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.ForeignKeyConstraint(["ledger"], ["ledgers.name"], name=op.f("fk_ledger_entries_ledger")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_entries_transaction_id")
        ),
        sa.PrimaryKeyConstraint("ledger", "transaction_id", name=op.f("pk_ledger_entries")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_ledger_entries_transaction_id"), "ledger_entries", ["transaction_id"], unique=False)
    op.create_table(
        "prices",
        sa.Column("id", BIG, nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("set_by", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
        sqlite_autoincrement=True,
    )
    _pools_and_meters()
    _rentals()


def _pools_and_meters() -> None:
    op.create_table(
        "pools",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_pools_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pools")),
        sa.UniqueConstraint("uuid", name=op.f("uq_pools_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pools_owner_id"), "pools", ["owner_id"], unique=False)
    op.create_table(
        "pool_members",
        sa.Column("pool_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_pool_members_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_pool_members_pool_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pool_id", "account_id", name=op.f("pk_pool_members")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_pool_members_account_id"), "pool_members", ["account_id"], unique=False)
    op.create_table(
        "meters",
        sa.Column("id", BIG, nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("payer_account_id", BIG, nullable=True),
        sa.Column("payer_pool_id", BIG, nullable=True),
        sa.Column("price", BIG, nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("billed_until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meters")),
        sa.UniqueConstraint("server_id", "run_id", name=op.f("uq_meters_server_id_run_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_meters_open",
        "meters",
        ["id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _rentals() -> None:
    op.create_table(
        "rentals",
        sa.Column("id", BIG, nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("billing_type", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_since", sa.BigInteger(), nullable=True),
        sa.Column("month", sa.BigInteger(), nullable=True),
        sa.Column("spent", BIG, nullable=False),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rentals")),
        sa.UniqueConstraint("server_id", name=op.f("uq_rentals_server_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_rentals_open",
        "rentals",
        ["id"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "rental_terms",
        sa.Column("id", BIG, nullable=False),
        sa.Column("rental_id", BIG, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("paid_until", sa.BigInteger(), nullable=False),
        sa.Column("charged_from", sa.BigInteger(), nullable=False),
        sa.Column("charging_since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rental_terms")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rental_terms_rental_id_id", "rental_terms", ["rental_id", "id"], unique=False)
    op.create_table(
        "rates",
        sa.Column("id", BIG, nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("hourly", BIG, nullable=False),
        sa.Column("monthly", BIG, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rates")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rates_plan_currency_at", "rates", ["plan", "currency", "at"], unique=False)


def _selling() -> None:
    op.create_table(
        "regions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_regions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "plans",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("prices", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_plans")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retirements",
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("noun", "name", name=op.f("pk_retirements")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "catalog_indexes",
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("index", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("package", "runtime", name=op.f("pk_catalog_indexes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "catalog_releases",
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("package", "runtime", "version", name=op.f("pk_catalog_releases")),
        sqlite_with_rowid=False,
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("parent_id", BIG, nullable=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_schedules_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("uuid", name=op.f("uq_schedules_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_schedules_server_id"), "schedules", ["server_id"], unique=False)
    op.create_index(
        "ix_schedules_due",
        "schedules",
        ["next_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "schedule_runs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", BIG, nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("backup", sa.Uuid(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_runs_schedule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_runs")),
        sa.UniqueConstraint("schedule_id", "due_at", "cause", name=op.f("uq_schedule_runs_schedule_id_due_at_cause")),
        sa.UniqueConstraint("uuid", name=op.f("uq_schedule_runs_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedule_runs_schedule_id_id", "schedule_runs", ["schedule_id", "id"], unique=False)
    op.create_index(
        "ix_schedule_runs_under_way",
        "schedule_runs",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("bot_name", sa.Text(), nullable=False),
        sa.Column("triggers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_webhooks_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhooks_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhooks_server_id"), "webhooks", ["server_id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", BIG, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", BIG, nullable=False),
        sa.Column("event", sa.Uuid(), nullable=False),
        sa.Column("happening", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhook_deliveries_uuid")),
        sa.UniqueConstraint("webhook_id", "event", name=op.f("uq_webhook_deliveries_webhook_id_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhook_deliveries_created_at"), "webhook_deliveries", ["created_at"], unique=False)
    op.create_index("ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["webhook_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "sightings",
        sa.Column("server_id", BIG, nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_sightings_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_sightings")),
        sqlite_with_rowid=False,
    )
