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

from innkeeper.wire.messages import NodeFacts

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
TOOLS: dict[str, list[str]] = {"node": ["--version"], "java": ["-version"]}
_TOOL_TIMEOUT_S = 10
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def tool_versions(path: str | None = None) -> dict[str, str]:
    """Return name → version of the tools found on `path` (default: our own PATH). Blocking, runs each tool once."""
    versions = {}
    for name, arguments in TOOLS.items():
        program = shutil.which(name, path=path)
        if program is None:
            continue
        try:
            done = subprocess.run(
                [program, *arguments],
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


def collect_facts(data: Path, *, runtimes: Sequence[str], isolation: Sequence[str], tools: dict[str, str]) -> NodeFacts:
    """Return what this host is; disk figures are those of the file system that holds `data`. Blocking."""
    disk = shutil.disk_usage(data)
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
    )
