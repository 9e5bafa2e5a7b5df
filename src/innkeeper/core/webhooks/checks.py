"""What a webhook may be. Whether its URL and its body do is the courier's to say."""

import re

from innkeeper.core.happenings import KINDS
from innkeeper.core.webhooks.errors import WebhookIsInvalid
from innkeeper.core.webhooks.model import WEBHOOK_KINDS, Webhook

MAX_NAME, MAX_BOT, MAX_URL, MAX_BODY = 100, 80, 2000, 4000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def check(webhook: Webhook) -> None:
    """Raise WebhookIsInvalid, naming the field, unless a webhook is as one may be."""
    _check_line("name", webhook.name, MAX_NAME)
    if webhook.kind not in WEBHOOK_KINDS:
        raise WebhookIsInvalid("kind", f"is none of {', '.join(sorted(WEBHOOK_KINDS))}")
    if unknown := sorted(webhook.triggers - KINDS):
        raise WebhookIsInvalid("triggers", f"name what never happens: {', '.join(unknown)[:200]}")
    if webhook.bot_name:
        _check_line("bot_name", webhook.bot_name, MAX_BOT)
    if not _COLOUR.fullmatch(webhook.colour):
        raise WebhookIsInvalid("colour", "is not of the form #rrggbb")
    if len(webhook.body) > MAX_BODY:
        raise WebhookIsInvalid("body", f"has more than {MAX_BODY} characters")
    if len(webhook.url) > MAX_URL:
        raise WebhookIsInvalid("url", f"has more than {MAX_URL} characters")


def _check_line(field: str, text: str, longest: int) -> None:
    if not 0 < len(text.strip()) <= len(text) <= longest or not text.isprintable():
        raise WebhookIsInvalid(field, f"has not 1 to {longest} printable characters")
