"""Logs freed of what must not be shown to strangers: network addresses, tokens, passwords, e-mail addresses.

Knows no game and no log service. What cannot be told from a secret is taken for one; versions such as 1.21.4.0 are kept
where the text around them shows what they are. The time it takes grows with the text and no faster, whoever wrote it.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator

import msgspec

TOKEN = "[redacted]"
EMAIL = "[e-mail]"
IPV4 = "**.**.**.**"
IPV6 = "****:****:****:****:****:****:****:****"

MAX_LINE = 16 * 1024
"""Characters of a line; what comes after is left out."""
_PIECE = 8 * 1024
"""Characters that are looked at in one go: other threads wait so long."""
_LOOK_BACK = 24
_NAMES = (
    r"(?:(?:access|auth|api|bot|client|refresh|session|rcon)[-_. ]?)?"
    r"(?:tokens?|secret|passwords?|passwd|pwd|api[-_]?key|session[-_]?id)"
)


class _Rule(msgspec.Struct, frozen=True):
    """A pattern, what stands in its place, and lower-case texts of which it holds at least one."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str


_NAMED = ("token", "secret", "passw", "pwd", "key", "session")
_RULES = (
    _Rule(("eyj",), re.compile(r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?"), TOKEN),
    _Rule(("bearer", "basic"), re.compile(r"(?i)\b(bearer|basic)[ \t]+[\w.~+/=-]{8,}"), rf"\1 {TOKEN}"),
    _Rule(("session id",), re.compile(r"(?i)\b(session id is)[ \t]*[^\s)]+"), rf"\1 {TOKEN}"),
    _Rule(_NAMED, re.compile(rf"(?i)(--?{_NAMES})[ \t]+(?:\"[^\"\n]*\"|[^\s\"]+)"), rf"\1 {TOKEN}"),
    _Rule(
        _NAMED,
        re.compile(rf"(?i)\b({_NAMES}[\"']?[ \t]*[=:][ \t]*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;&)\]}}]+)"),
        rf"\1{TOKEN}",
    ),
    _Rule(
        ("in", "gh", "glpat", "sk", "xox"),
        re.compile(r"\b(?:in[kne]|gh[oprsu]|github_pat|glpat|sk|xox[abprs])[-_][\w-]{20,}"),
        TOKEN,
    ),
    _Rule(("/api/webhooks/",), re.compile(r"(/api/webhooks/\d{1,30}/)[\w-]+"), rf"\1{TOKEN}"),
    _Rule(("://",), re.compile(r"(://)[^\s/:@]{1,100}:[^\s/:@]{1,200}@"), rf"\1{TOKEN}@"),
    _Rule(
        ("@",),
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"),
        EMAIL,
    ),
)
_GROUP, _V4 = r"[0-9A-Fa-f]{1,4}", r"(?:\d{1,3}\.){3}\d{1,3}"
_IPV6_SHORT = re.compile(rf"(?<![\w:.])(?:{_GROUP})?(?::(?:{_GROUP})?){{2,7}}(?:(?<=:){_V4})?(?![\w:]|\.\d)")
_IPV6_LONG = re.compile(rf"(?<![\w:.])(?:{_GROUP}:){{6}}(?:{_GROUP}:{_GROUP}|{_V4})(?![\w:]|\.\d)")
_IPV4 = re.compile(rf"(?<![\d.]){_V4}(?!\d|\.\d)")
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\b(?:version|ver|build|release|protocol)[\"']?[ \t]*[:=]?[ \t]*[\"']?|\w[-_+@]?)$"
)
_VERSION_AFTER = re.compile(r"[-+_][A-Za-z]|\.(?:jar|zip|tar|tgz|gz|dll|so)\b")


def redacted(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text of `lines` in pieces (a line end each), freed of all that names or opens somebody's own."""
    pending: list[str] = []
    size = 0
    for line in lines:
        pending.append(line[:MAX_LINE])
        size += len(pending[-1])
        if size >= _PIECE:
            yield _redacted("\n".join(pending)) + "\n"
            pending, size = [], 0
    if pending:
        yield _redacted("\n".join(pending)) + "\n"


def _redacted(text: str) -> str:
    lowered = text.lower()
    for rule in _RULES:
        if any(needle in lowered for needle in rule.needles):
            text = rule.pattern.sub(rule.instead, text)
    if "::" in text:
        text = _IPV6_SHORT.sub(_without_ipv6, text)
    text = _IPV6_LONG.sub(_without_ipv6, text)
    return _IPV4.sub(_without_ipv4, text)


def _without_ipv6(match: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:  # a time of day, a path of names
        return match[0]
    return match[0] if address.is_loopback or address.is_unspecified else IPV6


def _without_ipv4(match: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:
        return match[0]
    if address.is_loopback or address.is_unspecified or _is_version(match):
        return match[0]
    return IPV4


def _is_version(match: re.Match[str]) -> bool:
    """Say whether the text around four numbers shows that they are a version and no address."""
    text, start, end = match.string, match.start(), match.end()
    if text.startswith(":", end) and text[end + 1 : end + 2].isdigit():  # a port follows
        return False
    if _VERSION_AFTER.match(text, end):
        return True
    return _VERSION_BEFORE.search(text, max(0, start - _LOOK_BACK), start) is not None
