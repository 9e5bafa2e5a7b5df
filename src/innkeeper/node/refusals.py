"""Every reason for which a node refuses what it is asked: the one table of codes.

Codes are the snake case names that the panel's errors have, where it has the condition. What is in no table is a bug:
it is logged, and answered as `node_failed` without its text.
"""

from typing import Any

from innkeeper.contracts.blobstore import BlobStoreError
from innkeeper.contracts.configfile import ConfigUnreadable
from innkeeper.contracts.playerlist import EntryRefused, ListUnreadable
from innkeeper.node.backups.errors import PathIsNotInSnapshot, RepositoryError, SnapshotIsMissing, SnapshotIsReadable
from innkeeper.node.files import errors as jail
from innkeeper.wire.codec import BadMessage
from innkeeper.wire.messages import Refusal

REFUSALS: dict[str, str] = {
    "no_such_server": "This node keeps no such server.",
    "server_is_not_running": "The server is not running.",
    "console_is_not_read": "The game does not read its console.",
    "management_is_unavailable": "The game has no management server, or it does not answer now.",
    "runs_are_not_told": "The panel has not yet acknowledged when the server ran.",
    "command_is_invalid": "A console command is one line without control characters.",
    "runtime_is_unknown": "This node has no such runtime.",
    "runtime_refused": "The server cannot be kept on this node.",
    "file_not_found": "There is no such file or folder.",
    "file_exists": "Something of this name exists already.",
    "file_is_a_directory": "This is a folder.",
    "file_is_not_a_directory": "This is not a folder.",
    "directory_is_not_empty": "The folder is not empty.",
    "escapes_jail": "The path leads out of the server's folder.",
    "file_not_permitted": "This is not permitted.",
    "file_name_is_invalid": "The name is not acceptable.",
    "file_is_not_plain": "This is neither a file nor a folder.",
    "file_is_too_large": "This is larger than allowed.",
    "no_space_left": "There is no space left.",
    "file_is_busy": "The folder is being changed or locked by the game; try again.",
    "storage_failed": "The storage failed.",
    "archive_is_unusable": "The archive cannot be unpacked.",
    "config_is_unreadable": "The config file cannot be understood.",
    "player_name_is_invalid": "This cannot stand on the list.",
    "no_such_upload": "There is no such upload; it may have been given up after a long silence.",
    "upload_offset_is_wrong": "The part does not follow what was written so far.",
    "too_many_uploads": "Too many uploads are under way.",
    "too_many_downloads": "Too many downloads are under way.",
    "no_such_download": "There is no such download; it may have been given up after a long silence.",
    "download_part_is_wrong": "The part does not follow those that were read.",
    "no_such_backup": "The store has no such backup.",
    "backup_store_is_busy": "The store of the backups is being checked or collected.",
    "backup_is_readable": "The backup can be read; it is deleted as one of its server.",
    "backup_store_failed": "The store of the backups does not answer, or is damaged.",
    "message_is_invalid": "The node does not understand this message.",
    "node_is_stopping": "The node is stopping.",
    "node_failed": "The node could not do what it was asked.",
}

JAIL_CODES: dict[type[jail.JailError], str] = {
    jail.NotFound: "file_not_found",
    jail.AlreadyExists: "file_exists",
    jail.IsADirectory: "file_is_a_directory",
    jail.NotADirectory: "file_is_not_a_directory",
    jail.DirectoryNotEmpty: "directory_is_not_empty",
    jail.EscapesJail: "escapes_jail",
    jail.NotPermitted: "file_not_permitted",
    jail.NameRefused: "file_name_is_invalid",
    jail.Unsupported: "file_is_not_plain",
    jail.TooLarge: "file_is_too_large",
    jail.NoSpace: "no_space_left",
    jail.Busy: "file_is_busy",
    jail.StorageFailed: "storage_failed",
}


class Refused(Exception):
    """What was asked is refused, by a code of the table; `data` its particulars."""

    def __init__(self, code: str, message: str | None = None, **data: Any) -> None:
        self.code = code
        self.data = data
        super().__init__(message or REFUSALS[code])


def refusal_of(error: Exception) -> Refusal | None:
    """Return what the asker is told of `error`; None for what is no refusal but a bug."""
    match error:
        case Refused():
            return Refusal(code=error.code, message=str(error), data=error.data)
        case jail.JailError():
            return Refusal(code=JAIL_CODES[type(error)], message=str(error), data={"path": error.path})
        case SnapshotIsMissing():
            return Refusal(code="no_such_backup", message=REFUSALS["no_such_backup"])
        case PathIsNotInSnapshot():
            return Refusal(code="file_not_found", message=str(error), data={"path": error.path})
        case SnapshotIsReadable():
            return Refusal(code="backup_is_readable", message=REFUSALS["backup_is_readable"])
        case RepositoryError() | BlobStoreError():
            return Refusal(code="backup_store_failed", message=str(error))
        case ConfigUnreadable() | ListUnreadable():
            return Refusal(code="config_is_unreadable", message=str(error))
        case EntryRefused():
            return Refusal(code="player_name_is_invalid", message=str(error))
        case BadMessage():
            return Refusal(code="message_is_invalid", message=REFUSALS["message_is_invalid"])
    return None
