"""The written reference is what the commands say."""

from pathlib import Path

from innkeeper.cli.reference import reference

FILE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_reference_has_not_drifted_from_the_commands() -> None:
    assert FILE.read_text() == reference(), "run: python -m innkeeper.cli.reference docs/reference/cli.md"


def test_every_command_says_what_it_does() -> None:
    sections = reference().split("\n## ")[2:]
    assert len(sections) > 50
    for section in sections:
        assert len(section.split("\n\n")[2]) > 10, section
