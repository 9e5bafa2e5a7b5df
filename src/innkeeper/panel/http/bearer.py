"""The `Authorization: Bearer KEY` header, and where a request came from."""

from innkeeper.core.access.errors import KeyIsMissing


def bearer_of(header: str | None) -> str:
    """Return the key in an Authorization header; raise KeyIsMissing where there is none."""
    if header is None:
        raise KeyIsMissing
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() != "bearer" or not value:
        raise KeyIsMissing
    return value


def address_of(client: tuple[str, int] | None) -> str | None:
    """Return the network address of whoever connected."""
    return client[0] if client else None
