"""What can be wrong about files; the jail's own conditions, in core's words."""

from innkeeper.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, Unavailable


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


class FileIsNotPlain(Conflict):
    """This is neither a file nor a folder."""


class FileIsBusy(Conflict):
    """The folder is being changed or locked by the game; try again."""


class DirectoryIsNotEmpty(Conflict):
    """The folder is not empty."""


class EscapesJail(Forbidden):
    """The path leads out of the server's folder."""


class ConfigIsUnreadable(Conflict):
    """The config file cannot be understood."""


class NoSuchConfigFile(NotFound):
    """This is no config file of the game."""


class OptionIsUnknown(Invalid):
    """The config file has no such option."""


class OptionIsInvalid(Invalid):
    """An option cannot have this value."""


class ArchiveIsUnusable(Invalid):
    """The archive cannot be unpacked."""


class StorageFailed(Unavailable):
    """The storage failed."""


class FileIsTooLarge(Exhausted):
    """The file is too large."""


class NoSpaceLeft(Exhausted):
    """There is no space left."""


class NoSuchUpload(NotFound):
    """The upload has ended or never began."""


class UploadOffsetIsWrong(Conflict):
    """The part does not follow what was written so far."""


class TooManyUploads(Exhausted):
    """Too many uploads are under way."""
