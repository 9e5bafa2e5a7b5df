"""Tell text from other files: by the name where that is sure, else by how the file begins.

Guesses for people who may want to read it, and decides nothing else.
"""

import codecs
import posixpath
import re

import structlog

from innkeeper.node.files.entries import Entry, Kind
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail

log = structlog.get_logger(__name__)

_BEGINNING = 4096
_TEXT = re.compile(
    r"[.](bat|cfg|cmd|conf|css|csv|env|htm|html|ini|java|js|json|json5|jsonc|kts|lang|list|log|lua|"
    r"mcfunction|mcmeta|md|mjs|pl|properties|ps1|py|sh|sk|snbt|sql|svg|toml|ts|tsv|txt|xml|yaml|yml)"
)
_BINARY = re.compile(
    r"[.](7z|avi|bin|bmp|br|bz2|class|dat|dat_old|db|dll|dylib|exe|flac|gif|gz|ico|jar|jpeg|jpg|ldb|lz4|"
    r"mca|mcc|mcr|mkv|mp3|mp4|nbt|ogg|otf|pdf|png|rar|schem|schematic|so|sqlite|sqlite3|tar|tbz2|tgz|"
    r"ttf|wav|webm|webp|woff|woff2|xz|zip|zst)"
)


def is_text(jail: Jail, path: str, entry: Entry) -> bool:
    """Return whether what lies at `path` is a file of text, which one that cannot be read is not. Blocking."""
    if entry.kind is not Kind.FILE:
        return False
    extension = posixpath.splitext(entry.name)[1].lower()
    if _TEXT.fullmatch(extension):
        return True
    if _BINARY.fullmatch(extension):
        return False
    try:
        beginning = jail.read(path, 0, _BEGINNING)
    except JailError as error:
        log.info("files.sniff.failed", path=path, reason=error.reason)
        return False
    return reads_as_text(beginning)


def reads_as_text(beginning: bytes) -> bool:
    """Return whether a file that begins so is text; its last character may be cut."""
    if b"\0" in beginning:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning, final=len(beginning) < _BEGINNING)
    except UnicodeDecodeError:
        return False
    return True
