"""The exact fields of every reply, as exaroton's documentation and its strictest client have them."""

import re
from typing import Any

from tests.dialects.checking import NUMBER, Check, each, fields, fits

ENVELOPE = {"success", "error", "data"}


def an_id(value: Any) -> None:
    assert re.fullmatch(r"[0-9A-Za-z]{16}", value), value


def a_text(value: Any) -> None:
    assert isinstance(value, str)
    assert value, "some clients take what is empty for a failure"


def account(value: Any) -> None:
    fields(value, name=str, email=str, verified=bool, credits=NUMBER)


def players(value: Any) -> None:
    fields(value, max=int, count=int, list=each(a_text))


def software(value: Any) -> None:
    fields(value, id=an_id, name=str, version=str)


def server(value: Any) -> None:
    fields(
        value,
        id=an_id,
        name=str,
        address=str,
        motd=str,
        status=int,
        host=(str, None),
        port=(int, None),
        players=players,
        software=software,
        shared=bool,
    )
    assert 0 <= value["status"] <= 10


def file(value: Any) -> None:
    flags = ("isTextFile", "isConfigFile", "isDirectory", "isLog", "isReadable", "isWritable")
    fields(value, path=str, name=str, **dict.fromkeys(flags, bool), size=int, children=(list, None))
    assert value["isDirectory"] or value["children"] is None
    for child in value["children"] or ():
        file(child)


def option(value: Any) -> None:
    fields(value, key=a_text, label=str, type=str, value=(str, int, float, bool, list), options=(list, None))
    kinds = {
        "string": str,
        "integer": int,
        "float": NUMBER,
        "boolean": bool,
        "select": str,
        "multiselect": list,
    }
    fits(value["value"], kinds[value["type"]], value["key"])
    assert (value["options"] is not None) == (value["type"] in ("select", "multiselect"))


def pool(value: Any) -> None:
    fields(
        value,
        id=an_id,
        name=str,
        credits=NUMBER,
        servers=int,
        owner=an_id,
        isOwner=bool,
        members=int,
        ownShare=NUMBER,
        ownCredits=NUMBER,
    )


def member(value: Any) -> None:
    fields(value, account=an_id, name=str, share=NUMBER, credits=NUMBER, isOwner=bool)


OF_SERVER = r"/servers/[^/]+"
OF_PATH: list[tuple[str, Check]] = [
    (r"/account", account),
    (r"/servers", each(server)),
    (OF_SERVER, server),
    (rf"{OF_SERVER}/logs", lambda value: fields(value, content=(str, None))),
    (rf"{OF_SERVER}/logs/share", lambda value: fields(value, id=a_text, url=a_text, raw=a_text)),
    (rf"{OF_SERVER}/options/ram", lambda value: fields(value, ram=int)),
    (rf"{OF_SERVER}/options/motd", lambda value: fields(value, motd=str)),
    (rf"{OF_SERVER}/(start|stop|restart|command|extend-time)", a_text),
    (rf"{OF_SERVER}/playerlists(/[^/]+)?", each(a_text)),
    (rf"{OF_SERVER}/files/info(/.*)?", file),
    (rf"{OF_SERVER}/files/data(/.*)?", a_text),
    (rf"{OF_SERVER}/files/config(/.*)?", each(option)),
    (r"/billing/pools", each(pool)),
    (r"/billing/pools/[^/]+", pool),
    (r"/billing/pools/[^/]+/members", each(member)),
    (r"/billing/pools/[^/]+/servers", each(server)),
]


def check(path: str, status: int, body: Any) -> None:
    """See that a JSON reply to a path below `/v1` is what clients can read."""
    assert set(body) == ENVELOPE
    if not 200 <= status < 300 or status == 208:
        assert body["success"] is False
        assert body["data"] is None
        a_text(body["error"])
        return
    assert body["success"] is True
    assert body["error"] is None
    [data] = [known for pattern, known in OF_PATH if re.fullmatch(pattern, path.removeprefix("/v1").rstrip("/"))]
    data(body["data"])
