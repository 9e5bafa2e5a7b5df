"""Make ready what a start needs: placeholders resolved, config written, the port looked at, the execution planned.

Blocking; runs in a thread. Executes nothing and knows neither keeper nor machine.
"""

import errno
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping

from innkeeper.contracts.configfile import ConfigUnreadable
from innkeeper.contracts.installer import FolderError
from innkeeper.contracts.runtime import ExecPlan, Launch, Limits, Runtime, RuntimeRefused
from innkeeper.node.files.jail import Jail
from innkeeper.node.java import ChooseJava, JavaRuntime, NoSuchJava, no_java
from innkeeper.node.limits.storage import Storage
from innkeeper.node.supervisor.access import ManagementAccess
from innkeeper.node.supervisor.patterns import BadPattern, check
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.wire.messages import ConfigValue, ConfigWrite, DesiredServer

HEAP_PERCENT = 70
"""Of the memory that a server may use: a virtual machine needs the rest for code, threads and buffers."""
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")

WriteConfig = Callable[[Jail, ConfigWrite], None]
"""Sets values in one config file through the jail; what is not set stays. Raises ConfigUnreadable, FolderError."""


class StartRefused(Exception):
    """The server cannot be started as things are; the message says why, for people. `lasting`: nor later, by itself."""

    lasting = False


class OutOfStorage(StartRefused):
    """Its files take more than they may."""

    lasting = True


def prepare(
    desired: DesiredServer,
    run_id: str,
    *,
    place: ServerPlace,
    exports: Mapping[str, str],
    management: ManagementAccess | None = None,
    runtime: Runtime,
    write_config: WriteConfig,
    choose_java: ChooseJava = no_java,
    storage: Storage,
) -> ExecPlan:
    """Write config files and return how to execute the start `run_id`. Raises StartRefused."""
    try:
        if (shortage := storage.shortage()) is not None:
            raise OutOfStorage(shortage)
        check(desired.patterns)
        java = _java(desired, choose_java)
        known = placeholders(desired, place, exports, management)
        if java is not None:
            known["java"] = str(java.program)
        jail = jail_of(desired, place, runtime, storage)
        for write in desired.config:
            values, initial = _filled(write.values, known), _filled(write.initial, known)
            write_config(jail, ConfigWrite(path=write.path, format=write.format, values=values, initial=initial))
        if desired.port is not None:
            check_port(desired.address, desired.port, desired.protocol)
        return runtime.plan(
            Launch(
                server=desired.uuid,
                number=desired.number,
                run_id=run_id,
                argv=[fill(word, known) for word in desired.argv],
                environment={name: fill(value, known) for name, value in desired.environment.items()},
                folder=place.files,
                readable=[place.shared, *([java.home] if java is not None else [])],
                hidden=[place.root.parent],
                limits=limits_of(desired),
                rows=desired.rows,
                columns=desired.columns,
            )
        )
    except (BadPattern, RuntimeRefused) as error:
        raise StartRefused(str(error)) from error
    except (ConfigUnreadable, FolderError) as error:
        raise StartRefused(f"its config could not be written: {error}") from error


def _java(desired: DesiredServer, choose: ChooseJava) -> JavaRuntime | None:
    """Return the Java that the command line asks for, None where it asks for none. Raises StartRefused."""
    if not any("{java}" in word for word in (*desired.argv, *desired.environment.values())):
        return None
    try:
        return choose(desired.java)
    except NoSuchJava as error:
        raise StartRefused(str(error)) from error


def jail_of(desired: DesiredServer, place: ServerPlace, runtime: Runtime, storage: Storage) -> Jail:
    """Return the jail around the server's files."""
    owner = runtime.owner(desired.number)
    return Jail(place.files, None if owner is None else (owner.uid, owner.gid), room=storage)


def limits_of(desired: DesiredServer) -> Limits:
    """Return what the server may use."""
    return Limits(
        memory_mib=desired.memory_mib,
        cpu_percent=desired.cpu_percent,
        processes=desired.processes,
        open_files=desired.open_files,
        storage_mib=desired.disk_mib,
    )


def placeholders(
    desired: DesiredServer, place: ServerPlace, exports: Mapping[str, str], management: ManagementAccess | None = None
) -> dict[str, str]:
    """Return what each placeholder stands for on this node."""
    known = {f"shared:{key}": value for key, value in exports.items()}
    known |= {"server": str(place.files), "address": desired.address}
    if desired.port is not None:
        known["port"] = str(desired.port)
    if desired.memory_mib is not None:
        known["memory_mib"] = str(desired.memory_mib)
        known["heap_mib"] = str(max(1, desired.memory_mib * HEAP_PERCENT // 100))
    if management is not None:
        known |= {"management_port": str(management.port), "management_secret": management.secret}
    return known


def _filled(values: Mapping[str, ConfigValue], known: Mapping[str, str]) -> dict[str, ConfigValue]:
    return {key: fill(value, known) if isinstance(value, str) else value for key, value in values.items()}


def fill(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with its placeholders filled; a doubled brace means a brace. Raises StartRefused."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group()[0]
        if name in known:
            return known[name]
        if name.startswith("shared:"):
            raise StartRefused(f"{name.removeprefix('shared:')} is not installed on this node: reinstall the server")
        raise StartRefused(f"nothing is known to put in the place of {match.group()}")

    return _TOKEN.sub(one, text)


def check_port(address: str, port: int, protocol: str) -> None:
    """Raise StartRefused where a game could not listen there."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if _is_ipv6(address) else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:  # what lingers of closed connections holds nobody up
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartRefused(f"port {port}/{protocol} is held by another program") from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise StartRefused(f"{address} is no address of this host") from error
            if error.errno != errno.EACCES:  # the game may have a right that we have not
                raise StartRefused(f"port {port}/{protocol} cannot be used: {error.strerror or error}") from error


def reachable(address: str) -> str:
    """Return where a server that listens at `address` is asked from this host."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - nothing is bound


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False
