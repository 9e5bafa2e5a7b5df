"""No secret gets into the log."""

import io
import json

import pytest
import structlog

from innkeeper.kit.log import configure, get_logger, redact


@pytest.mark.parametrize(
    "key", ["password", "new_password", "Authorization", "API_KEY", "token", "node_secret", "sessionToken"]
)
def test_what_is_named_like_a_secret_is_not_told(key: str) -> None:
    assert redact(None, "info", {key: "hunter2", "event": "x"}) == {key: "[redacted]", "event": "x"}


def test_the_rest_is_left_alone() -> None:
    event = {"event": "server.start.refused", "server": "7f3a", "keys": 3}
    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize("as_json", [True, False])
def test_an_event_is_a_line_with_its_facts_and_without_its_secrets(
    as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    try:
        configure(json=as_json)
        log = get_logger("test")
        log.debug("not.told")
        log.warning("node.lost", node=7, secret="hunter2")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("it.failed")
    finally:
        structlog.reset_defaults()
    text = out.getvalue()
    assert "node.lost" in text
    assert "hunter2" not in text
    assert "not.told" not in text
    assert "ValueError: broken" in text
    if as_json:
        first = json.loads(text.splitlines()[0])
        assert (first["event"], first["level"], first["node"], first["secret"]) == (
            "node.lost",
            "warning",
            7,
            "[redacted]",
        )
