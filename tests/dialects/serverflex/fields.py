"""The exact fields of every reply, as ServerFlex's documentation prints them, and the few that its clients read."""

import re
from typing import Any
from uuid import UUID

from tests.dialects.checking import Check, each, fields, fits

DECIMAL = float


def one_of(*values: str) -> Check:
    """Return what sees that a value is one of some."""

    def checked(value: Any) -> None:
        assert value in values, value

    return checked


def a_uuid(value: Any) -> None:
    assert str(UUID(value)) == value


def a_moment(value: Any) -> None:
    """The documentation prints seven digits of a second, and the offset of UTC."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00", value), value


def a_moment_or_null(value: Any) -> None:
    if value is not None:
        a_moment(value)


def a_currency(value: Any) -> None:
    assert re.fullmatch(r"[A-Z]{3}", value), value


def pricing(value: Any) -> None:
    fields(value, costHourly=DECIMAL, costMonthly=DECIMAL, currency=a_currency)


def resources(value: Any) -> None:
    fields(value, backupsInMB=int, cpuCount=float, memoryInMB=int, storageInMB=int)


def plan(value: Any) -> None:
    fields(value, displayName=str, name=str, pricing=pricing, resources=resources)


def region(value: Any) -> None:
    fields(value, country=str, city=str, name=str)


def version(value: Any) -> None:
    fields(value, displayName=str, name=str)


def aliases(value: Any) -> None:
    assert all(isinstance(name, str) and isinstance(meant, str) for name, meant in value.items()), value


def runtime(value: Any) -> None:
    fields(value, aliases=aliases, displayName=str, name=str, versions=each(version))


def package(value: Any) -> None:
    fields(value, displayName=str, name=str, plans=each(plan), runtimes=each(runtime), regions=each(region))


def accepted(value: Any) -> None:
    fields(value, display=str, group=(str, None), value=(str, int, float, bool))


def setting(value: Any) -> None:
    values = (str, int, float, bool, None)
    fields(
        value,
        acceptedValues=each(accepted),
        allowedValues=each(accepted),
        categoryName=str,
        default=values,
        name=str,
        required=bool,
        value=values,
        valueType=one_of("boolean", "float", "guid", "integer", "string"),
    )
    assert value["acceptedValues"] == value["allowedValues"]


def network(value: Any) -> None:
    ports = each(lambda port: fields(port, name=str, port=int, protocol=one_of("tcp", "udp")))
    fields(value, ipAddress=str, ports=ports, subDomain=str)


def server(value: Any) -> None:
    fields(
        value,
        uuid=a_uuid,
        name=str,
        state=one_of("created", "deploying", "starting", "running", "stopping", "stopped", "deleting"),
        package=lambda ref: fields(ref, displayName=str, name=str),
        billingType=one_of("hourly", "monthly"),
        bilingType=one_of("hourly", "monthly"),
        createdAt=a_moment,
        locked=lambda lock: fields(lock, isLocked=bool, reason=(str, None)),
        network=network,
        permission=one_of("owner", "admin", "write", "read"),
        plan=plan,
        region=region,
        runtimes=each(runtime),
    )


def operation(value: Any) -> None:
    fields(
        value,
        uuid=a_uuid,
        type=one_of("Start", "Stop", "Restart", "Delete"),
        isCompleted=bool,
        isCompletedSuccesfully=bool,
        isCompletedSuccessfully=bool,
        createdAt=a_moment,
        completedAt=a_moment_or_null,
    )


def stats(value: Any) -> None:
    def history(kept: Any) -> None:
        for at, used in (kept or {}).items():
            a_moment(at)
            fits(used, DECIMAL)

    fields(value, cpuUsage=history, ramUsage=history, storageUsage=history)


def share(value: Any) -> None:
    def user(ref: Any) -> None:
        fields(ref, emailAddress=str, familyName=str, givenName=str, username=str, uuid=a_uuid)

    fields(value, createdAt=a_moment, permission=one_of("admin", "write", "read"), user=user)


def account(value: Any) -> None:
    fields(
        value,
        country=str,
        createdAt=a_moment,
        emailAddress=str,
        givenName=str,
        familyName=str,
        referralToken=str,
        username=str,
        uuid=a_uuid,
    )


def page_of(check: Check) -> Check:
    """Return what sees that a value is a page of what `check` accepts."""
    return lambda value: fields(value, results=each(check), totalResults=int, limit=int, page=int, totalPages=int)


def refusal(value: Any) -> None:
    """What every known client reads."""
    errors = each(lambda error: fields(error, error=str, message=str))
    fields(value, errors=errors, code=str, error=str, message=str, field=(str, None))
    assert value["code"] == value["error"] == value["errors"][0]["error"]
    assert value["message"] == value["errors"][0]["message"] != ""


OF_SERVER = "/server/[^/]+"
OF_ROUTE: list[tuple[str, str, Check]] = [
    ("GET", "", lambda value: fields(value, name=str, version=str, documentation=str)),
    ("GET", "/account", account),
    ("GET", "/account/balance", each(lambda value: fields(value, amount=DECIMAL, currency=a_currency))),
    (
        "GET",
        "/account/referral_overview",
        lambda value: fields(value, count=int, currency=a_currency, earnings=DECIMAL),
    ),
    ("GET", "/region", page_of(region)),
    ("GET", "/region/[^/]+", region),
    ("GET", "/package", page_of(package)),
    ("GET", "/package/[^/]+", package),
    ("GET", "/package/[^/]+/properties", each(setting)),
    ("GET", "/server", page_of(server)),
    ("GET|POST", OF_SERVER, server),
    ("DELETE", OF_SERVER, operation),
    ("POST", f"{OF_SERVER}/edit", server),
    ("GET", f"{OF_SERVER}/settings", each(setting)),
    ("GET", f"{OF_SERVER}/stats", stats),
    ("POST", f"{OF_SERVER}/(start|stop|restart)", operation),
    ("GET", f"{OF_SERVER}/players", lambda value: fields(value, online=int, totalSlots=int)),
    ("GET", f"{OF_SERVER}/sharing", each(share)),
    ("POST", f"{OF_SERVER}/sharing/[^/]+", share),
]


def check(method: str, path: str, status: int, body: Any) -> None:
    """See that a JSON reply to a path is what clients can read."""
    if status != 200:
        refusal(body)
        return
    below = path.partition("?")[0].removeprefix("/1.0").rstrip("/")
    [known] = [known for by, where, known in OF_ROUTE if re.fullmatch(by, method) and re.fullmatch(where, below)]
    known(body)
