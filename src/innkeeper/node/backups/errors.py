"""The closed tree of what can go wrong with a repository of backups.

    RepositoryError
    ├── SnapshotIsMissing · SnapshotIsReadable · PathIsNotInSnapshot                        asked for in vain
    ├── ExclusionIsInvalid · FolderIsTooLarge                                               cannot be kept so
    ├── RepositoryIsBusy · LeaseIsLost · CalledOff · IndexFailed                            not now; nothing is lost
    └── RepositoryIsDamaged                                                                 what is kept is not whole

What the folder refuses stays a `JailError`, what the store fails at a `BlobStoreError`.
"""


class RepositoryError(Exception):
    """The repository of backups could not do it."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason or (type(self).__doc__ or "").split("\n", 1)[0].rstrip(".")
        super().__init__(self.reason)


class SnapshotIsMissing(RepositoryError):
    """There is no such snapshot."""

    def __init__(self, snapshot_id: str) -> None:
        self.snapshot_id = snapshot_id
        super().__init__(f"There is no snapshot {snapshot_id!r}")


class SnapshotIsReadable(RepositoryError):
    """The snapshot can be read, so nobody has to discard it."""


class PathIsNotInSnapshot(RepositoryError):
    """The snapshot holds nothing of this path."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"The snapshot holds nothing at {path!r}")


class ExclusionIsInvalid(RepositoryError):
    """This is no pattern of what to leave out."""

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern = pattern
        super().__init__(f"{pattern!r} cannot be left out: {reason}")


class FolderIsTooLarge(RepositoryError):
    """The folder holds too many files for one snapshot."""


class RepositoryIsBusy(RepositoryError):
    """Somebody else is at work in the repository; try again later."""


class LeaseIsLost(RepositoryError):
    """The work took so long a pause that others no longer counted on it; do it again."""


class CalledOff(RepositoryError):
    """The work was called off."""


class IndexFailed(RepositoryError):
    """The local index of the repository failed."""


class RepositoryIsDamaged(RepositoryError):
    """What the repository keeps is not what was put there."""
