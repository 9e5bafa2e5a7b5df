"""The mirror that other tests download from serves, resumes, counts and fails as it says."""

import hashlib
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.vendors.mirror import MANIFEST, MOJANG, Mirror
from tests.vendors.serving import corrupt, dropped, garbage, hang, slow, status, truncated

HOST, PATH = "vendor.example", "/files/a.jar"
BODY = bytes(range(256)) * 40


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    before = threading.active_count()
    with Mirror() as mirror:
        mirror.put(HOST, PATH, BODY)
        yield mirror
    assert threading.active_count() == before


def get(mirror: Mirror, **headers: str) -> httpx.Response:
    return httpx.get(f"{mirror.url}/{HOST}{PATH}", headers=headers, timeout=0.5)


def test_a_file_is_served_counted_and_not_sent_again_to_who_has_it(mirror: Mirror) -> None:
    first = get(mirror)
    assert first.content == BODY
    assert get(mirror, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert mirror.count(HOST, PATH) == mirror.count(HOST) == 2
    assert httpx.get(f"{mirror.url}/{HOST}/other").status_code == 404
    assert mirror.requests[-1].path == "/other"


def test_a_rest_is_served_where_the_file_is_still_the_same(mirror: Mirror) -> None:
    etag = get(mirror).headers["ETag"]
    rest = get(mirror, Range="bytes=100-", **{"If-Range": etag})
    assert (rest.status_code, rest.content) == (206, BODY[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(BODY) - 1}/{len(BODY)}"
    assert get(mirror, Range="bytes=100-", **{"If-Range": '"other"'}).status_code == 200
    assert get(mirror, Range=f"bytes={len(BODY)}-").status_code == 416


def test_every_fault_is_what_it_says_and_ends(mirror: Mirror) -> None:
    mirror.fail(HOST, PATH, status(503, Retry_After="5"), times=1)
    assert get(mirror).headers["Retry-After"] == "5"
    assert get(mirror).content == BODY
    mirror.fail(HOST, "*", truncated(after=10))
    assert get(mirror).content == BODY[:10]
    mirror.fail(HOST, "*", corrupt())
    assert len(get(mirror).content) == len(BODY)
    assert get(mirror).content != BODY
    mirror.fail(HOST, "*", garbage(b"sorry"))
    assert get(mirror).content == b"sorry"
    mirror.fail(HOST, "*", slow(0.01, pieces=3))
    assert get(mirror).content == BODY
    mirror.fail(HOST, "*", dropped(after=10))
    with pytest.raises(httpx.TransportError):
        get(mirror)
    mirror.fail(HOST, "*", hang())
    with pytest.raises(httpx.ReadTimeout):
        get(mirror)
    mirror.heal()
    assert get(mirror).content == BODY


def test_a_vendors_index_leads_to_its_files(mirror: Mirror) -> None:
    mirror.everything()
    mirror.vanilla("1.22", b"a jar of a test's own", java=25)

    def vendors(url: str) -> httpx.Response:
        return httpx.get(url.replace("https:/", mirror.url))

    manifest = vendors(f"https://{MOJANG}{MANIFEST}").json()
    assert manifest["latest"]["release"] == manifest["versions"][0]["id"] == "1.22"
    server = vendors(manifest["versions"][0]["url"]).json()["downloads"]["server"]
    body = vendors(server["url"]).content
    assert body == b"a jar of a test's own"
    assert hashlib.sha1(body, usedforsecurity=False).hexdigest() == server["sha1"]
