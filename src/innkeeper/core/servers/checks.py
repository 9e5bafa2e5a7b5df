"""What a server may be called and given: bounds that hold whoever asks, when it is made and when it is changed."""

import ipaddress

import msgspec

from innkeeper.core.catalog.model import Blueprint, Resources
from innkeeper.core.servers.errors import (
    AddressIsInvalid,
    CommandIsInvalid,
    DescriptionIsTooLong,
    LimitIsInvalid,
    PortIsInvalid,
    ServerNameIsInvalid,
)
from innkeeper.core.servers.model import CrashPolicy, Handling, Limits, Server
from innkeeper.kit.lines import NOT_IN_A_LINE

MAX_IDLE_MINUTES = 10_080
_LONGEST = {"stop_timeout_s": 86_400, "autostart_delay_s": 86_400}
_MOST_EXITS = 64
_MOST_COMMAND_BYTES = 4096
_MOST = {"memory_mib": 1 << 24, "cpu_percent": 100_000, "disk_mib": 1 << 30}


def check_name(name: str) -> None:
    """Raise ServerNameIsInvalid."""
    if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip():
        raise ServerNameIsInvalid


def check_description(description: str) -> None:
    """Raise DescriptionIsTooLong."""
    if len(description) > 2000:
        raise DescriptionIsTooLong


def check_address(address: str) -> None:
    """Raise AddressIsInvalid."""
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise AddressIsInvalid(address=address) from error


def check_port(port: int) -> None:
    """Raise PortIsInvalid."""
    if not 1 <= port <= 65535:
        raise PortIsInvalid(port=port)


def check_limits(limits: Limits) -> None:
    """Raise LimitIsInvalid."""
    for name, most in _MOST.items():
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= most:
            raise LimitIsInvalid(f"{name} is from 1 to {most}.", limit=name)


def check_crash(crash: CrashPolicy) -> None:
    """Raise LimitIsInvalid."""
    if not 0 <= crash.limit <= 1000:
        raise LimitIsInvalid("crash.limit is from 0 to 1000.", limit="crash.limit")


def check_handling(handling: Handling) -> None:
    """Raise LimitIsInvalid, CommandIsInvalid."""
    for name, most in _LONGEST.items():
        value = getattr(handling, name)
        if value is not None and not 0 <= value <= most:
            raise LimitIsInvalid(f"handling.{name} is from 0 to {most}.", limit=f"handling.{name}")
    exits = handling.clean_exits or ()
    if len(exits) > _MOST_EXITS or not all(-64 <= code <= 255 for code in exits):
        raise LimitIsInvalid(
            f"handling.clean_exits are at most {_MOST_EXITS} numbers from -64 to 255.", limit="handling.clean_exits"
        )
    if handling.stop_command is not None and (
        len(handling.stop_command.encode("utf-8", "surrogatepass")) > _MOST_COMMAND_BYTES
        or NOT_IN_A_LINE.search(handling.stop_command)
    ):
        raise CommandIsInvalid


def check_idle_stop(server: Server, blueprint: Blueprint) -> None:
    """Raise LimitIsInvalid where a server cannot be stopped for want of players as it is asked."""
    if server.idle_stop_minutes is None:
        return
    if not 1 <= server.idle_stop_minutes <= MAX_IDLE_MINUTES:
        raise LimitIsInvalid(f"idle_stop_minutes is from 1 to {MAX_IDLE_MINUTES}.", limit="idle_stop_minutes")
    if blueprint.console.join is None:
        raise LimitIsInvalid("This game does not tell who plays on it.", limit="idle_stop_minutes")


def with_memory(needs: Resources, given: Limits) -> Limits:
    """Return limits with the memory that the game's start may be filled with; raise LimitIsInvalid for too little."""
    if given.memory_mib is None:
        return msgspec.structs.replace(given, memory_mib=needs.memory_mib)
    if given.memory_mib < needs.minimum_memory_mib:
        raise LimitIsInvalid(
            f"This game needs a memory_mib of at least {needs.minimum_memory_mib}.",
            limit="memory_mib",
            minimum=needs.minimum_memory_mib,
        )
    return given
