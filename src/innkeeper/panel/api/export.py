"""Write the API's OpenAPI document down: `python -m innkeeper.panel.api.export FILE`.

The document in `docs/reference/` is made by this, and a test holds it to what the routes say. It carries no release
number, so that a release changes nothing in it.
"""

import sys
from pathlib import Path

import msgspec

from innkeeper.panel.api.app import HANDLERS
from innkeeper.panel.api.reference import openapi_document


def exported() -> bytes:
    """Return the document as it is written down."""
    document = openapi_document(HANDLERS, "v1")
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(exported())
