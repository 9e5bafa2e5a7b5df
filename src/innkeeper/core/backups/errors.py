"""What can be wrong about backups."""

from innkeeper.core.errors import Conflict, Exhausted, Invalid, NotFound, Unavailable


class NoSuchBackup(NotFound):
    """There is no such backup."""


class BackupIsUnderWay(Conflict):
    """A backup of the server is being made."""


class BackupIsNotFinished(Conflict):
    """The backup is not finished, or failed."""


class NoGoodBackup(Conflict):
    """The server has no finished backup that is not known to be damaged."""


class BackupIsBusy(Conflict):
    """Something is being done with the backup."""


class BackupIsLocked(Conflict):
    """The backup is locked."""


class BackupIsElsewhere(Conflict):
    """The backup is kept by another node."""


class BackupPolicyIsInvalid(Invalid):
    """The rules for backups cannot be so."""


class BackupPathsAreInvalid(Invalid):
    """From 1 to 100 paths within the server's folder are restored at once."""


class BackupNameIsInvalid(Invalid):
    """A backup's name has at most 100 printable characters."""


class TooManyBackups(Exhausted):
    """The server has as many backups as it may; delete one, or let fewer be kept."""


class BackupSpaceIsExhausted(Exhausted):
    """The server's backups take all the space that its plan gives them."""


class TooManyDownloads(Exhausted):
    """Too many downloads are under way."""


class NoSuchDownload(NotFound):
    """The download has ended."""


class DownloadPartIsWrong(Conflict):
    """The part does not follow those that were read."""


class BackupStoreIsBusy(Conflict):
    """The store of the backups is being checked or collected."""


class BackupIsReadable(Conflict):
    """The backup can be read; it is deleted as one of its server."""


class BackupStoreFailed(Unavailable):
    """The store of the backups does not answer, or is damaged."""
