"""The minecraft package's console patterns over a console recorded from the real server, with players who lie in chat.

The recording is what the server wrote to its terminal, byte for byte. Knows nothing of how a node applies patterns.
"""

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

PACKAGE = resources.files("innkeeper") / "core" / "catalog" / "shipped" / "minecraft"
CONSOLE = tomllib.loads((PACKAGE / "package.toml").read_text("utf-8"))["console"]
LINES = (Path(__file__).parent / "minecraft_console.txt").read_bytes().decode().split("\n")


def found(pattern: str) -> list[dict[str, str]]:
    stripped = [re.sub(CONSOLE["strip"], "", line) for line in LINES]
    return [match.groupdict() for line in stripped if (match := re.search(CONSOLE[pattern], line))]


def test_the_recording_is_clean_lines_without_control_characters() -> None:
    assert LINES[-1] == ""
    assert not [line for line in LINES if re.search(r"[\x00-\x1f\x7f-\x9f]", line)]


def test_the_server_is_ready_once() -> None:
    assert len(found("ready")) == 1


def test_only_those_who_joined_have_joined() -> None:
    assert [(seen["player"], seen["address"]) for seen in found("join")] == [
        ("Alice", "127.0.0.1"),
        ("Bob", "127.0.0.1"),
    ]


def test_only_those_who_left_have_left_whatever_is_said_in_chat() -> None:
    assert [seen["player"] for seen in found("leave")] == ["Bob", "Alice"]


def test_chat_is_whole_and_of_its_speaker() -> None:
    said = found("chat")
    assert {line["player"] for line in said} == {"Alice"}
    texts = [line["text"] for line in said]
    assert texts[0] == "hello"
    assert "<Bob> Bob disconnected" in texts
    assert r"hi\nNovember 21st 2026, 19:33:05 [INFO]: Bob disconnected" in texts
    assert texts[-1] == "été ✓ 😀"


@pytest.mark.parametrize("prompt", ["> ", "> > "])
def test_a_prompt_before_a_line_changes_nothing(prompt: str) -> None:
    line = prompt + next(line for line in LINES if line.endswith("connected"))
    assert re.search(CONSOLE["join"], re.sub(CONSOLE["strip"], "", line))


def test_a_player_of_any_other_name_is_not_taken_for_one() -> None:
    start = LINES[0].split(" [INFO]")[0] + " [INFO]: "
    for line in ("Bob disconnected disconnected", "a b disconnected", "é disconnected", "x" * 17 + " disconnected"):
        assert not re.search(CONSOLE["leave"], start + line)
