"""What the house is set to: every value here is one that somebody obeys, from the moment it is changed.

What must be known before anything runs (addresses, the database, how long deleted servers are kept) is said at the
start instead, and stands in `panel.product.Settings`. The bounds are part of the types; knows nobody who obeys.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

MOST_UPLOAD_GIB = 64

SessionDays = Annotated[int, Meta(ge=1, le=365, description="For how many days somebody who signed in stays so.")]
Language = Annotated[
    str, Meta(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$(?!\n)", description="What new accounts are spoken to in, as en_EN.")
]
RawDays = Annotated[int, Meta(ge=1, le=30, description="For how many days every kept sample is kept.")]
MinuteDays = Annotated[int, Meta(ge=1, le=90, description="For how many days history is kept by the minute.")]
HourDays = Annotated[int, Meta(ge=1, le=3650, description="For how many days history is kept by the hour.")]
SampleSeconds = Annotated[int, Meta(ge=5, le=3600, description="One sample of a server is kept in each span so long.")]
ActivityDays = Annotated[int, Meta(ge=1, le=3650, description="For how many days it is kept who did what.")]
ActivityEntries = Annotated[
    int, Meta(ge=10, le=10_000_000, description="How many entries of it are kept at most; null: any number.")
]
JournalMib = Annotated[
    int, Meta(ge=1, le=16384, description="How much of a server's console is kept, in MiB, from its next start on.")
]
TerminalLines = Annotated[
    int, Meta(ge=1, le=5000, description="How many lines a console begins with, unless a number is asked for.")
]
LogLines = Annotated[
    int, Meta(ge=10, le=5000, description="How many lines of a log are shown, unless a number is asked for.")
]
Keyword = Annotated[str, Meta(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Keywords = Annotated[tuple[Keyword, ...], Meta(max_length=50, description="Words that are coloured in logs.")]
SelfDeletion = Annotated[bool, Meta(description="Accounts may delete themselves.")]
UploadGib = Annotated[
    int, Meta(ge=1, le=MOST_UPLOAD_GIB, description="How large an uploaded file may be at most, in GiB.")
]
Mount = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^/[^\x00-\x1f\x7f]*$(?!\n)")]
Mounts = Annotated[
    tuple[Mount, ...], Meta(max_length=64, description="Where the disks are mounted that are shown; none: all.")
]
DiskMinutes = Annotated[
    int, Meta(ge=1, le=1440, description="After how many minutes a node measures the files of a server again.")
]


class HouseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the house is set to."""

    session_days: SessionDays = 7
    language: Language = "en_EN"
    raw_days: RawDays = 2
    minute_days: MinuteDays = 7
    hour_days: HourDays = 400
    sample_seconds: SampleSeconds = 30
    activity_days: ActivityDays = 365
    activity_entries: ActivityEntries | None = None
    journal_mib: JournalMib = 256
    terminal_lines: TerminalLines = 100
    log_lines: LogLines = 700
    keywords: Keywords = ("help", "chunk")
    self_deletion: SelfDeletion = False
    upload_gib: UploadGib = MOST_UPLOAD_GIB
    mounts: Mounts = ()
    disk_minutes: DiskMinutes = 5


class HouseChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be set otherwise; what is UNSET stays."""

    session_days: SessionDays | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    raw_days: RawDays | UnsetType = UNSET
    minute_days: MinuteDays | UnsetType = UNSET
    hour_days: HourDays | UnsetType = UNSET
    sample_seconds: SampleSeconds | UnsetType = UNSET
    activity_days: ActivityDays | UnsetType = UNSET
    activity_entries: ActivityEntries | UnsetType | None = UNSET
    journal_mib: JournalMib | UnsetType = UNSET
    terminal_lines: TerminalLines | UnsetType = UNSET
    log_lines: LogLines | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    self_deletion: SelfDeletion | UnsetType = UNSET
    upload_gib: UploadGib | UnsetType = UNSET
    mounts: Mounts | UnsetType = UNSET
    disk_minutes: DiskMinutes | UnsetType = UNSET
