"""What can be wrong about webhooks."""

from innkeeper.core.errors import Exhausted, Invalid, NotFound


class NoSuchWebhook(NotFound):
    """There is no such webhook."""


class WebhookIsInvalid(Invalid):
    """The webhook cannot be as it is asked: `field` says what of it, `reason` why."""

    def __init__(self, field: str = "", reason: str = "") -> None:
        super().__init__(f"The webhook's {field} {reason}." if field else None, field=field, reason=reason)


class TooManyWebhooks(Exhausted):
    """The server has as many webhooks as it may have."""


class TooManyTests(Exhausted):
    """The webhook was tested often enough for now; `retry_after_s` says when it may be again."""
