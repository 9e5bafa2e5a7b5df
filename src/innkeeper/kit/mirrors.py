"""Where a vendor's address is fetched from: its own place, or a mirror that keeps the same under one roof.

    https://vendor.example/a/b.json?c  through  http://mirror:8081  is  http://mirror:8081/vendor.example/a/b.json?c

Fetches nothing.
"""

from urllib.parse import urlsplit


def mirrored(url: str, mirror: str) -> str:
    """Return the address that `url` is fetched from; an empty `mirror` means itself. Raises ValueError for no HTTP."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError(f"{url!r} is no address of a vendor")
    if not mirror:
        return url
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
