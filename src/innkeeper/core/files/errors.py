"""What can be wrong about files; the jail's own conditions, in core's words."""

from innkeeper.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound


class FileNotFound(NotFound):
    """There is no such file."""


class FileIsADirectory(Conflict):
    """This is a folder."""


class FileIsNotADirectory(Conflict):
    """This is not a folder."""


class FileExists(Conflict):
    """There is already something of this name."""


class FileNotPermitted(Forbidden):
    """This file may not be touched."""


class FileNameIsInvalid(Invalid):
    """This is no path within the server's folder."""


class FileKindUnsupported(Conflict):
    """This is neither a file nor a folder."""


class FileIsTooLarge(Exhausted):
    """The file is too large."""


class NoSpaceLeft(Exhausted):
    """There is no space left."""


class NoSuchUpload(NotFound):
    """The upload has ended or never began."""


class UploadOutOfOrder(Conflict):
    """A part of the upload is missing or came twice."""


class TooManyUploads(Exhausted):
    """Too many uploads are under way."""
