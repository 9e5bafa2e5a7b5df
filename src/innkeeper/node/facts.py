"""What this host is, as its panel is told: size, tools, isolation.

Asks each tool for its version once, in a thread. Knows no servers.
"""

import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import structlog

from innkeeper.node.java import JavaRuntime
from innkeeper.wire.messages import NodeFacts

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
ASKED: dict[str, str] = {"node": "--version", "java": "-version", "git": "--version", "python3": "--version"}
"""The tools that are asked for their version, and how."""
SEEN = ("npm", "steamcmd", "tar", "dpkg-deb", "apt-get")
"""The tools of which only the presence is told: some take long to answer, or change themselves when they are run."""
PRESENT = "present"
_TOOL_TIMEOUT_S = 10
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def tool_versions(path: str | None = None) -> dict[str, str]:
    """Return name → version of the tools found on `path` (default: our own PATH). Blocking, runs each tool once."""
    versions = {}
    for name in (*ASKED, *SEEN):
        program = shutil.which(name, path=path)
        if program is None:
            continue
        if name in SEEN:
            versions[name] = PRESENT
            continue
        try:
            done = subprocess.run(
                [program, ASKED[name]],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_TOOL_TIMEOUT_S,
                check=True,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("node.tool.unusable", tool=program, error=str(error))
            continue
        found = _VERSION.search(done.stdout or done.stderr)
        versions[name] = found.group() if found else "unknown"
    return versions


def collect_facts(
    data: Path,
    *,
    runtimes: Sequence[str],
    isolation: Sequence[str],
    tools: dict[str, str],
    javas: Sequence[JavaRuntime] = (),
    backups: str = "",
) -> NodeFacts:
    """Return what this host is; disk figures are those of the file system that holds `data`. Blocking.

    `backups` is where backups are kept, empty for the usual place in `data`.
    """
    disk = shutil.disk_usage(data)
    if javas and "java" not in tools:  # not where programs are looked for, but there all the same
        tools = {**tools, "java": max(javas, key=lambda java: java.major).version}
    return NodeFacts(
        version=version("innkeeper"),
        hostname=socket.gethostname(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpus=len(os.sched_getaffinity(0)),
        memory_mib=os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES") // MIB,
        disk_mib=disk.total // MIB,
        disk_free_mib=disk.free // MIB,
        runtimes=list(runtimes),
        tools=tools,
        isolation=list(isolation),
        servers_path=str(data / "servers"),
        backups_path=backups or str(data / "backups"),
        javas=sorted({java.major for java in javas}),
    )
