"""Each place gets a message in its own form, and text from elsewhere stays text in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from innkeeper.contracts.notifier import Announcement, Notifier
from innkeeper.drivers.notifiers.discord import Discord
from innkeeper.drivers.notifiers.json import Json
from innkeeper.drivers.notifiers.mattermost import Mattermost
from innkeeper.drivers.notifiers.slack import Slack
from innkeeper.drivers.notifiers.teams import Teams

ALL: list[Notifier] = [Discord(), Slack(), Mattermost(), Teams(), Json()]


def an_announcement(**fields: Any) -> Announcement:
    values: dict[str, Any] = {
        "title": "hook",
        "text": "the body",
        "server": "camp",
        "bot_name": "Botty",
        "colour": 0x005CD1,
        "at": datetime(2026, 11, 21, 12, 30, 15, 123456, UTC),
        "footer": "Innkeeper 1.2.3",
        "facts": {"event": "started"},
    }
    return Announcement(**(values | fields))


def test_discord_gets_an_embed_that_calls_nobody() -> None:
    assert Discord().payload(an_announcement()) == {
        "username": "Botty",
        "embeds": [
            {
                "title": "hook",
                "description": "the body",
                "color": 23761,
                "author": {"name": "camp"},
                "footer": {"text": "Innkeeper 1.2.3"},
                "timestamp": "2026-11-21T12:30:15.123Z",
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_slack_gets_an_attachment_of_blocks() -> None:
    assert Slack().payload(an_announcement()) == {
        "username": "Botty",
        "attachments": [
            {
                "color": "#005cd1",
                "blocks": [
                    {"type": "section", "text": {"type": "plain_text", "text": "camp"}},
                    {"type": "divider"},
                    {"type": "section", "text": {"type": "mrkdwn", "text": "*hook*\nthe body"}},
                    {"type": "context", "elements": [{"type": "mrkdwn", "text": "*Innkeeper 1.2.3*"}]},
                    {"type": "divider"},
                ],
            }
        ],
    }


def test_mattermost_gets_markdown_with_the_text_fenced() -> None:
    assert Mattermost().payload(an_announcement()) == {
        "username": "Botty",
        "text": "-----\n\n#### hook\n##### Server: ```camp```\n\n```\nthe body\n```\n\n-----",
        "props": {"card": "Innkeeper 1.2.3"},
    }


def test_mattermost_s_fence_is_not_ended_by_a_text() -> None:
    text = Mattermost().payload(an_announcement(text="``` @all ```", server="a```b"))["text"]
    assert text.count("```") == 4


def test_teams_gets_an_adaptive_card() -> None:
    said = Teams().payload(an_announcement())
    assert said["type"] == "message"
    (card,) = said["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    content = card["content"]
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.6")
    assert content["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    title, about, text, foot = content["body"]
    assert (title["text"], text["text"], foot["text"]) == ("hook", "the body", "Botty · Innkeeper 1.2.3")
    name, moment = about["columns"][0]["items"]
    assert (name["text"], moment["text"]) == (
        "camp",
        "{{DATE(2026-11-21T12:30:15Z,SHORT)}} {{TIME(2026-11-21T12:30:15Z)}}",
    )


def test_programs_get_the_facts_and_the_text() -> None:
    assert Json().payload(an_announcement()) == {"event": "started", "title": "hook", "text": "the body"}


def test_without_a_bot_name_the_place_says_who_it_is() -> None:
    for notifier in ALL:
        assert "username" not in notifier.payload(an_announcement(bot_name=""))


@pytest.mark.parametrize(
    ("notifier", "hostile", "safe"),
    [
        (Discord(), "a_b*c~d`e|f", r"a\_b\*c\~d\`e\|f"),
        (Discord(), "@everyone <@1> [x](http://y)", r"\@everyone \<\@1\> \[x\]\(http\://y\)"),
        (Slack(), "<!everyone> <http://y|x> &", "&lt;!everyone&gt; &lt;http://y|x&gt; &amp;"),
        (Teams(), "[x](http://y) *b*", r"\[x\]\(http://y\) \*b\*"),
        (Mattermost(), "```", "`\u200b`\u200b`\u200b"),
        (Json(), "<*_>", "<*_>"),
    ],
)
def test_mark_up_from_elsewhere_is_shown_as_it_was_written(notifier: Notifier, hostile: str, safe: str) -> None:
    assert notifier.escape(hostile) == safe
