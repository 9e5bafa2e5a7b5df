"""Which release this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def own_version() -> str:
    """Return the release's number, "0" where the distribution is not installed."""
    try:
        return version("innkeeper")
    except PackageNotFoundError:
        return "0"
