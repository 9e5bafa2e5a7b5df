"""The Java runtimes of this host: where they are, and which one a server gets.

Looked for where distributions and vendors put them, and where the administrator says. Each is asked for its version
once, and never as root where somebody else could have put it there; one that appears later is found when it is first
needed. Refuses to know what is run by them.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

log = structlog.get_logger(__name__)

FOLDERS = (Path("/usr/lib/jvm"), Path("/usr/java"), Path("/opt"))
OF_A_USER = (".sdkman/candidates/java", ".jdks", ".local/share/jdks")
_TIMEOUT_S = 30
_VERSION = re.compile(r'version "((?:1\.)?(\d+)[^"]*)"')


class NoSuchJava(Exception):
    """This node has no such Java; the message says what it has, for people."""


class JavaRuntime(msgspec.Struct, frozen=True):
    """One Java runtime. `program` is its `java`, without links; `home` is what it needs to be able to read."""

    major: int
    version: str
    program: Path

    @property
    def home(self) -> Path:
        """The folder that holds `bin/java`."""
        return self.program.parent.parent


ChooseJava = Callable[[int | None], JavaRuntime]
"""Gives the Java of a major, the newest for None or 0. Raises NoSuchJava; may block."""


class Javas:
    """What Java runtimes there are. All methods block, and may be called from any thread."""

    def __init__(
        self,
        told: Sequence[Path] = (),
        *,
        environment: Mapping[str, str] | None = None,
        folders: Sequence[Path] = FOLDERS,
        search: str | None = None,
    ) -> None:
        """`told`: programs, homes, or folders of homes that the administrator names; they come first.

        `environment`: whose JAVA_HOME and HOME count; `search`: the PATH that does.
        """
        environment = os.environ if environment is None else environment
        home = Path(environment["HOME"]) if environment.get("HOME") else None
        places = [*told]
        if environment.get("JAVA_HOME"):
            places.append(Path(environment["JAVA_HOME"]))
        on_path = shutil.which("java", path=search)
        if on_path is not None:
            places.append(Path(on_path))
        places += folders
        if home is not None:
            places += [home / name for name in OF_A_USER]
        self._places = places
        self._asked: dict[tuple[Path, int], JavaRuntime | None] = {}
        self._lock = threading.Lock()

    def all(self) -> list[JavaRuntime]:
        """Return every runtime that there is now, those first that were named first."""
        found: dict[Path, JavaRuntime] = {}
        with self._lock:
            for program in self._programs():
                if program not in found and (runtime := self._ask(program)) is not None:
                    found[program] = runtime
        return list(found.values())

    def majors(self) -> list[int]:
        """Return the majors that there are, ascending."""
        return sorted({runtime.major for runtime in self.all()})

    def choose(self, major: int | None) -> JavaRuntime:
        """Return a runtime of exactly that major, the newest of all for None or 0. Raises NoSuchJava."""
        runtimes = self.all()
        if not major and runtimes:
            return max(runtimes, key=lambda runtime: runtime.major)
        for runtime in runtimes:
            if runtime.major == major:
                return runtime
        majors = " and ".join(str(known) for known in sorted({runtime.major for runtime in runtimes}))
        raise NoSuchJava(f"Java {major} is needed; this node has {majors or 'none'}" if major else _NONE)

    def _programs(self) -> Iterator[Path]:
        for place in self._places:
            yield from _java_at(place)
            try:
                inner = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
            except OSError as error:
                log.warning("node.java.folder.unreadable", folder=str(place), error=str(error))
                continue
            for folder in inner:
                yield from _java_at(folder)

    def _ask(self, program: Path) -> JavaRuntime | None:
        """Return what the program says of itself, None where it is no Java."""
        try:
            key = (program, program.stat().st_mtime_ns)
        except OSError:
            return None
        if key not in self._asked:
            self._asked[key] = _asked(program)
        return self._asked[key]


_NONE = "Java is needed; this node has none"


def no_java(major: int | None) -> JavaRuntime:
    """Be the `ChooseJava` of a node without any."""
    raise NoSuchJava(f"Java {major} is needed; this node has none" if major else _NONE)


def _java_at(place: Path) -> Iterator[Path]:
    """Give the program that `place` is, or that it is the home of."""
    for path in (place, place / "bin" / "java", place / "jre" / "bin" / "java"):
        if path.name == "java" and path.is_file() and os.access(path, os.X_OK):
            yield path.resolve()
            return


def _asking(program: Path) -> dict[str, Any]:
    """Return as whom a program is executed: where we are root, as whoever could have put it there."""
    if os.geteuid() != 0:
        return {}
    for path in (program, *program.parents):
        found = path.stat()
        if found.st_uid != 0:
            return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}
    return {}


def _asked(program: Path) -> JavaRuntime | None:
    try:
        done = subprocess.run(
            [program, "-version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            timeout=_TIMEOUT_S,
            **_asking(program),
            check=True,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("node.java.unusable", program=str(program), error=str(error))
        return None
    found = _VERSION.search(done.stderr + done.stdout)
    if found is None:
        log.warning("node.java.unusable", program=str(program), error="it tells no version")
        return None
    return JavaRuntime(int(found[2]), found[1], program)
