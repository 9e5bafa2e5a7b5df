"""Rows for tests of stores: whole ones, every field away from its default, and the least that may stand beside them.

Knows core's structs and how to put the rows that others refer to into a transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from innkeeper.core.access.model import ApiKey, Grant, Role
from innkeeper.core.accounts.model import Account
from innkeeper.core.activity.model import Activity
from innkeeper.core.errors import CoreError
from innkeeper.core.nodes.model import EnrolmentToken, Node, NodeFacts
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import CrashPolicy, Download, Handling, Limits, Release, Server, Usage
from innkeeper.core.work import Changed, Work
from innkeeper.kit.ids import digest_of, uuid7

NOON = datetime(2026, 11, 21, 12, 0, 0, 123457, UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
_numbers = count(1)


class Stores:
    """What a suite is run on: transactions, and the announcements they made, oldest first."""

    def __init__(self, works: Callable[[], AbstractAsyncContextManager[Work]], announced: list[list[Changed]]) -> None:
        self.works = works
        self.announced = announced

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[Work]:
        """Begin a transaction that is given up at its end."""
        try:
            async with self.works() as work:
                yield work
                raise GivenUp
        except GivenUp:
            return


class GivenUp(Exception):
    """A transaction was given up on purpose."""


def an_account(**fields: Any) -> Account:
    """Return an account that is not kept yet."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "username": f"Keeper{number}",
        "email": "keeper@example.org",
        "email_verified": True,
        "password_hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "superuser": True,
        "disabled": True,
        "given_name": "Ärni",
        "family_name": "Müller",
        "country": "CH",
        "currency": "CHF",
        "referred_by": 7,
        "permissions": frozenset({"servers.create", "accounts.read"}),
        "limits": {"servers.create": 12, "accounts.write": 3},
        "manager_id": 5,
        "created_by": 6,
        "language": "de_CH",
        "theme": "dark",
        "hints": False,
        "attributes": {"crafty.server_order": "3,1,2"},
        "second_factor": True,
        "token_generation": 9,
        "tokens_valid_from": NOON - TICK,
        "last_login_at": NOON + TICK,
        "last_address": "2001:db8::7",
        "created_at": NOON,
        "changed_at": NOON + SECOND,
    }
    return Account(**(values | fields))


def a_key(account_id: int, **fields: Any) -> ApiKey:
    """Return a key of that account, not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "account_id": account_id,
        "name": "backup “nightly”",
        "digest": digest_of(str(next(_numbers))),
        "kind": "session",
        "permissions": frozenset({"server.view", "power.start"}),
        "networks": ("192.0.2.0/24", "2001:db8::1"),
        "expires_at": NOON + SECOND,
        "created_at": NOON,
        "last_used_at": NOON + TICK,
    }
    return ApiKey(**(values | fields))


def a_role(**fields: Any) -> Role:
    """Return a role without servers and members, not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "name": f"Moderators {next(_numbers)}",
        "permissions": frozenset({"console.read", "console.write"}),
        "all_servers": True,
        "manager_id": 5,
        "created_by": 6,
        "created_at": NOON,
        "changed_at": NOON + SECOND,
    }
    return Role(**(values | fields))


def a_grant(account_id: int, server_id: int, **fields: Any) -> Grant:
    """Return a grant for that account and server."""
    values: dict[str, Any] = {"permissions": frozenset({"server.view"}), "created_at": NOON}
    return Grant(account_id=account_id, server_id=server_id, **(values | fields))


def a_node(**fields: Any) -> Node:
    """Return a node that is not kept yet."""
    facts = NodeFacts(version="1", hostname="haus", cpus=2, memory_mib=8192, runtimes=["process"], tools={"java": "21"})
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "name": f"node-{next(_numbers)}",
        "secret_digest": digest_of("secret"),
        "address": "::",
        "public_host": "play.example.org",
        "first_port": 30000,
        "last_port": 30100,
        "region": "uk-1",
        "memory_mib": 4096,
        "disk_mib": 100_000,
        "most_servers": 50,
        "facts": facts,
        "last_seen_at": NOON + TICK,
        "created_at": NOON,
    }
    return Node(**(values | fields))


def a_token(digest: str, created_by: int | None, expires_at: datetime) -> EnrolmentToken:
    """Return an enrolment token."""
    return EnrolmentToken(digest=digest, created_by=created_by, expires_at=expires_at)


def a_server(owner_id: int, node_id: int, **fields: Any) -> Server:
    """Return a server that is not kept yet, on a port of its own."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "owner_id": owner_id,
        "node_id": node_id,
        "name": "Gasthaus „Zur Höhle“ 🏰",
        "description": "Two\nlines",
        "package": "minecraft-java",
        "runtime": "paper",
        "version": "1.21.4",
        "addons": {"sourcemod": "1.11-6645"},
        "releases": {
            "vanilla": Release(
                version="1.21.4",
                game_version="1.21",
                downloads=(Download(url="https://example.com/a", path="a", algorithm="sha1", digest="ab", size=3),),
                java=21,
                facts={"a": "b"},
            )
        },
        "plan": "mc.grass",
        "billing_type": "hourly",
        "purge_at": NOON + TICK,
        "properties": {"motd": "a\x00b", "max-players": 20, "difficulty": 1.5, "pvp": False},
        "address": "0.0.0.0",  # noqa: S104
        "port": 20000 + next(_numbers),
        "protocol": "udp",
        "limits": Limits(memory_mib=2048, cpu_percent=150, disk_mib=10_000),
        "crash": CrashPolicy(restart=False, limit=2),
        "autostart": False,
        "handling": Handling(autostart_delay_s=7, show_status=True),
        "power": "on",
        "suspended": True,
        "suspended_reason": "unpaid",
        "state": State.RUNNING,
        "order_id": uuid7(),
        "generation": 1,
        "created_at": NOON,
    }
    return Server(**(values | fields))


def an_operation(server_id: int, **fields: Any) -> Operation:
    """Return an operation on that server, not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "server_id": server_id,
        "verb": "start",
        "state": OperationState.RUNNING,
        "reason": "waits for its port",
        "steps": ("download", "unpack"),
        "fraction": 1 / 3,
        "account_id": 77,
        "via": "exaroton",
        "created_at": NOON,
        "started_at": NOON + TICK,
        "finished_at": NOON + SECOND,
    }
    return Operation(**(values | fields))


def an_entry(**fields: Any) -> Activity:
    """Return an activity entry, not kept yet."""
    values: dict[str, Any] = {
        "id": 0,
        "at": NOON,
        "account_id": 77,
        "server_id": 88,
        "action": "console.command",
        "data": {"line": "say \x00 ä", "nested": [1, 2.5, None, {"deep": True}]},
        "via": "api",
        "address": "2001:db8::1",
    }
    return Activity(**(values | fields))


def a_usage(at: datetime, **fields: Any) -> Usage:
    """Return a sample of that moment."""
    values: dict[str, Any] = {"cpu_percent": 12.1, "memory_bytes": 5 << 40, "disk_bytes": 6 << 40, "players": 3}
    return Usage(at=at, **(values | fields))


async def keep_account(work: Work, **fields: Any) -> Account:
    """Keep an account."""
    return await work.accounts.add(an_account(**fields))


async def keep_server(work: Work, **fields: Any) -> Server:
    """Keep a server, with an owner and a node of its own where none are given."""
    owner_id = fields.pop("owner_id", None) or (await keep_account(work)).id
    node_id = fields.pop("node_id", None) or (await work.nodes.add(a_node())).id
    return await work.servers.add(a_server(owner_id, node_id, **fields))


async def refusals(*attempts: Awaitable[object]) -> list[type[CoreError]]:
    """Make the attempts at the same time; return the conditions with which some were refused."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, CoreError):
            raise result
    return [type(result) for result in results if isinstance(result, CoreError)]
