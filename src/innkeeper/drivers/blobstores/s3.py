"""Blobs as objects in a bucket of Amazon S3 or anything that speaks like it, through `obstore`.

Every blob is put by one request, which such stores carry out whole or not at all, so nothing half-made can be left.
What fails on the way is tried again by `obstore` itself, with growing pauses, for up to three minutes. This module
knows nothing of what the blobs hold.
"""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec
from obstore.exceptions import BaseError
from obstore.store import S3Store

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStoreFailed, check_blob_name

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

_T = TypeVar("_T")
_PAGE = 1000


class S3Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bucket is, and as whom to speak to it.

    What is None is taken from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    `AWS_REGION`, `AWS_ENDPOINT_URL`, …) or, for credentials, from the machine's own role. `prefix` is a path within the
    bucket, without `/` at its ends. `endpoint` is a URL; one that begins with `http:` is spoken to without encryption.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    bucket_in_host: bool = False
    """Whether the endpoint wants `BUCKET.HOST` rather than `HOST/BUCKET`."""


class S3BlobStore:
    """See `contracts.blobstore`."""

    def __init__(self, options: S3Options, *, store: "ObjectStore | None" = None) -> None:
        """Keep blobs in the bucket of `options`; no request is made yet. `store` stands in for the bucket."""
        self._options = options
        self._prefix = f"{options.prefix}/" if options.prefix else ""
        self._store = store or _bucket(options)

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """See `BlobStore.put`."""
        self._do(name, lambda path: self._store.put(path, bytes(data), use_multipart=False))

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """See `BlobStore.get`."""
        if start == 0 and size is None:
            return self._do(name, lambda path: bytes(self._store.get(path).bytes()))
        return self._do(name, lambda path: self._part(path, start, size))

    def _part(self, path: str, start: int, size: int | None) -> bytes:
        # What lies beyond the end is refused by some stores and cut by others: ask for no more than is there.
        end = self._store.head(path)["size"] if size is None else start + size
        if start >= end:
            self._store.head(path)
            return b""
        try:
            return bytes(self._store.get_range(path, start=start, end=end))
        except FileNotFoundError:
            raise
        except BaseError:
            there = self._store.head(path)["size"]
            if there >= end:
                raise
            return bytes(self._store.get_range(path, start=start, end=there)) if start < there else b""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See `BlobStore.list`."""
        check_blob_name(prefix.removesuffix("/"))
        pages = self._store.list(self._prefix + prefix, chunk_size=_PAGE)
        while page := self._do(prefix.removesuffix("/"), lambda _: next(pages, None)):
            for each in page:
                yield each["path"][len(self._prefix) :], each["size"]

    def delete(self, name: str) -> None:
        """See `BlobStore.delete`."""
        try:
            self._do(name, self._store.delete)
        except BlobIsMissing:
            return

    def tidy(self) -> None:
        """Do nothing: a request that was not ended has left nothing."""

    def describe(self) -> str:
        """See `BlobStore.describe`."""
        endpoint = _endpoint(self._options)
        at = f" at {endpoint}" if endpoint else ""
        return f"the bucket {self._options.bucket}/{self._options.prefix}{at}"

    def _do(self, name: str, act: Callable[[str], _T]) -> _T:
        check_blob_name(name)
        try:
            return act(self._prefix + name)
        except FileNotFoundError as error:
            raise BlobIsMissing(name) from error
        except (BaseError, OSError) as error:
            # Further lines are for debugging, and may hold parts of the request.
            reason = str(error).partition("\n")[0]
            raise BlobStoreFailed(f"The bucket {self._options.bucket} failed at {name!r}: {reason}") from error


def _endpoint(options: S3Options) -> str | None:
    """Give where requests go, as far as it was said; `obstore` knows the environment's, but allows no plain HTTP."""
    named = (os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    return options.endpoint or next((url for url in named if url), None)


def _bucket(options: S3Options) -> S3Store:
    given: S3Config = {"virtual_hosted_style_request": options.bucket_in_host}
    endpoint = _endpoint(options)
    if endpoint is not None:
        given["endpoint"] = endpoint
    if options.region is not None:
        given["region"] = options.region
    if options.access_key_id is not None:
        given["access_key_id"] = options.access_key_id
    if options.secret_access_key is not None:
        given["secret_access_key"] = options.secret_access_key
    if options.session_token is not None:
        given["session_token"] = options.session_token
    plain = (endpoint or "").startswith("http:")
    return S3Store(
        options.bucket,
        config=given,
        client_options={"allow_http": plain, "timeout": timedelta(minutes=5)},
        retry_config={"max_retries": 8, "retry_timeout": timedelta(minutes=3)},
    )
