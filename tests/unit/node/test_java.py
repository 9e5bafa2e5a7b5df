"""Java runtimes are found where they are, asked once, and chosen by their major exactly."""

import os
import tempfile
from pathlib import Path

import pytest

from innkeeper.node.facts import collect_facts, tool_versions
from innkeeper.node.java import Javas, NoSuchJava, no_java


def make_java(home: Path, version: str, *, name: str = "openjdk", status: int = 0) -> Path:
    """Make what answers `-version` as that Java does, and counts how often it is asked."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\necho asked >> {home}/asked\n"
        f'echo "Picked up JAVA_TOOL_OPTIONS: -Dversion" >&2\necho \'{name} version "{version}" 2024-01-16\' >&2\n'
        f"exit {status}\n"
    )
    program.chmod(0o755)
    return program


def javas(*told: Path, folder: Path | None = None, home: Path | None = None, **environment: str) -> Javas:
    given = {"HOME": str(home), **environment} if home is not None else environment
    return Javas(told, environment=given, folders=[folder] if folder is not None else [], search="/nowhere")


def test_every_place_is_looked_in_and_every_way_to_tell_a_version_understood(tmp_path: Path) -> None:
    make_java(tmp_path / "jvm" / "java-8", "1.8.0_402", name="java")
    make_java(tmp_path / "jvm" / "java-21", "21.0.2")
    (tmp_path / "jvm" / "default").symlink_to("java-21")
    (tmp_path / "jvm" / "notes.txt").touch()
    make_java(tmp_path / "home" / ".sdkman/candidates/java/17.0.9-tem", "17.0.9")
    make_java(tmp_path / "own", "25")
    make_java(tmp_path / "named", "11.0.22+7-LTS")
    make_java(tmp_path / "jvm" / "old" / "jre", "9-ea")
    found = javas(
        tmp_path / "own" / "bin" / "java",
        folder=tmp_path / "jvm",
        home=tmp_path / "home",
        JAVA_HOME=str(tmp_path / "named"),
    )
    assert found.majors() == [8, 9, 11, 17, 21, 25]
    assert [java.version for java in found.all()] == ["25", "11.0.22+7-LTS", "21.0.2", "1.8.0_402", "9-ea", "17.0.9"]
    assert found.choose(17).home == tmp_path / "home" / ".sdkman/candidates/java/17.0.9-tem"
    assert found.choose(21).program == tmp_path / "jvm" / "java-21" / "bin" / "java"
    assert found.choose(None).major == found.choose(0).major == 25


def test_one_is_asked_once_until_it_changes_and_a_new_one_is_found_when_needed(tmp_path: Path) -> None:
    home = tmp_path / "jvm" / "a"
    program = make_java(home, "17.0.1")
    found = javas(folder=tmp_path / "jvm")
    for _ in range(3):
        assert found.majors() == [17]
    assert (home / "asked").read_text() == "asked\n"
    with pytest.raises(NoSuchJava, match=r"^Java 21 is needed; this node has 17$"):
        found.choose(21)
    make_java(tmp_path / "jvm" / "b", "21.0.1")
    assert found.choose(21).version == "21.0.1"
    with pytest.raises(NoSuchJava, match=r"^Java 8 is needed; this node has 17 and 21$"):
        found.choose(8)
    program.unlink()
    assert found.majors() == [21]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("owned", ["java", "java/bin", "java/bin/java"])
def test_what_another_user_could_have_put_there_is_not_executed_as_root(owned: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = make_java(folder / "java", "17.0.1")
        program.write_text('#!/bin/sh\necho "openjdk version \\"17.0.$(id -u).$(id -G)\\""\n')
        os.chown(folder / owned, 4321, 4322)
        assert [java.version for java in javas(folder=folder).all()] == ["17.0.4321.4322"]


def test_what_is_no_java_is_passed_over(tmp_path: Path) -> None:
    make_java(tmp_path / "jvm" / "broken", "17", status=1)
    silent = tmp_path / "jvm" / "silent" / "bin" / "java"
    silent.parent.mkdir(parents=True)
    silent.write_text("#!/bin/sh\necho no\n")
    silent.chmod(0o755)
    (tmp_path / "jvm" / "folder" / "bin" / "java").mkdir(parents=True)
    found = javas(tmp_path / "missing", folder=tmp_path / "jvm", JAVA_HOME="/nowhere")
    assert found.majors() == []
    for choose in (found.choose, no_java):
        with pytest.raises(NoSuchJava, match=r"^Java 17 is needed; this node has none$"):
            choose(17)
        with pytest.raises(NoSuchJava, match=r"^Java is needed; this node has none$"):
            choose(None)


def test_facts_tell_the_tools_and_the_javas(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, said in (("git", "git version 2.39.5"), ("steamcmd", "must not be run"), ("apt-get", ""), ("node", "x")):
        (tools / name).write_text(f"#!/bin/sh\necho ran >> {tools}/{name}.ran\necho {said}\n")
        (tools / name).chmod(0o755)
    found = tool_versions(str(tools))
    assert found == {"git": "2.39.5", "steamcmd": "present", "apt-get": "present", "node": "unknown"}
    assert not (tools / "steamcmd.ran").exists()
    make_java(tmp_path / "jvm" / "a", "21.0.1")
    make_java(tmp_path / "jvm" / "b", "17.0.1")
    facts = collect_facts(
        tmp_path, runtimes=["process"], isolation=[], tools=found, javas=javas(folder=tmp_path / "jvm").all()
    )
    assert facts.javas == [17, 21]
    assert facts.tools["java"] == "21.0.1"
