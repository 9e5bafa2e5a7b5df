"""What panel and node say to each other.

The panel asks a node (`Ask` → `Answer` or `Refusal`); a node reports to whichever panel answers (`Report`, kept by
the node until acknowledged) and publishes console blocks and samples (numbered or repeated, so that a lost one
heals). `DesiredServer` is complete: a node needs no catalogue and no database of ours to run it.

Subjects, made by the functions below; a NATS account can be bound to them per node:

    innkeeper.panel.enrol           request, node → panels   Enrol → Enrolled
    innkeeper.panel.hello           request, node → panels   Hello → Welcome
    innkeeper.panel.report          request, node → panels   Report → Acknowledged
    innkeeper.panel.notes           publish, panel → panels  PanelNote
    innkeeper.node.ID.ask           request, panel → node    Ask → Answer
    innkeeper.node.ID.samples       publish, node → panels   Samples
    innkeeper.node.ID.console.UUID  publish, node → panels   ConsoleBlocks
    innkeeper.node.ID.management.UUID  publish, node → panels  ManagementNote
"""

from innkeeper.wire.messages.asks import (
    Announce,
    Apply,
    Attend,
    Attention,
    CallManagement,
    ConsoleFound,
    ConsoleRead,
    Done,
    FindPort,
    ManagementAnswer,
    PortFound,
    ReadConsole,
    Refusal,
    Remove,
    SearchConsole,
    SendLine,
)
from innkeeper.wire.messages.backups import (
    BeginDownload,
    DiscardBackup,
    DownloadBegun,
    DownloadPart,
    EndDownload,
    Form,
    ListBackup,
    ReadDownload,
    ReadStore,
    StoreDeed,
    StoreReport,
    StoreRun,
    TendStore,
)
from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.belonging import Acknowledged, Enrol, Enrolled, Hello, NodeFacts, PanelNote, Welcome
from innkeeper.wire.messages.desired import (
    ConfigValue,
    ConfigWrite,
    CrashRule,
    DesiredServer,
    Order,
    Patterns,
    StopRule,
    TickRule,
    Verb,
)
from innkeeper.wire.messages.files import (
    BeginArchive,
    BeginUpload,
    ConfigRead,
    DeleteFile,
    EditPlayerList,
    FileEntry,
    FilePart,
    FilesListed,
    FinishUpload,
    Folder,
    FoldersListed,
    ImportEntry,
    ImportsListed,
    ListedPlayer,
    ListFiles,
    ListFolders,
    ListImports,
    MakeDirectory,
    PlayerListed,
    ReadConfig,
    ReadFile,
    RenameFile,
    StatFile,
    UnpackFile,
    UploadBegun,
    UploadPart,
    WriteConfig,
)
from innkeeper.wire.messages.jobs import Job, JobReport, JobResult, JobVerb, QuietRule, Restore
from innkeeper.wire.messages.observed import (
    Block,
    ConsoleBlocks,
    DiskSample,
    ExitReport,
    HostSample,
    ManagementNote,
    ObservedServer,
    OnlinePlayer,
    OrderReport,
    Phase,
    Report,
    RunReport,
    Sample,
    Samples,
)
from innkeeper.wire.messages.subjects import (
    ANY_SAMPLES,
    PANEL_ENROL,
    PANEL_HELLO,
    PANEL_NOTES,
    PANEL_REPORT,
    node_ask,
    node_console,
    node_management,
    node_samples,
)

Ask = (
    Apply
    | Remove
    | Announce
    | SendLine
    | ReadConsole
    | SearchConsole
    | FindPort
    | StatFile
    | ListFiles
    | ReadFile
    | BeginUpload
    | UploadPart
    | FinishUpload
    | MakeDirectory
    | DeleteFile
    | RenameFile
    | UnpackFile
    | WriteConfig
    | BeginArchive
    | Attend
    | CallManagement
    | ListFolders
    | ListImports
    | ReadConfig
    | EditPlayerList
    | ListBackup
    | BeginDownload
    | ReadDownload
    | EndDownload
    | ReadStore
    | TendStore
    | DiscardBackup
)
Answer = (
    Done
    | ConsoleRead
    | ConsoleFound
    | PortFound
    | FileEntry
    | FilesListed
    | FilePart
    | UploadBegun
    | ManagementAnswer
    | FoldersListed
    | ImportsListed
    | ConfigRead
    | PlayerListed
    | DownloadBegun
    | DownloadPart
    | StoreReport
    | Refusal
    | Enrolled
    | Welcome
    | Acknowledged
)

__all__ = [
    "ANY_SAMPLES",
    "PANEL_ENROL",
    "PANEL_HELLO",
    "PANEL_NOTES",
    "PANEL_REPORT",
    "Acknowledged",
    "Announce",
    "Answer",
    "Apply",
    "Ask",
    "Attend",
    "Attention",
    "BeginArchive",
    "BeginDownload",
    "BeginUpload",
    "Block",
    "CallManagement",
    "ConfigRead",
    "ConfigValue",
    "ConfigWrite",
    "ConsoleBlocks",
    "ConsoleFound",
    "ConsoleRead",
    "CrashRule",
    "DeleteFile",
    "DesiredServer",
    "DiscardBackup",
    "DiskSample",
    "Done",
    "DownloadBegun",
    "DownloadPart",
    "EditPlayerList",
    "EndDownload",
    "Enrol",
    "Enrolled",
    "ExitReport",
    "FileEntry",
    "FilePart",
    "FilesListed",
    "FindPort",
    "FinishUpload",
    "Folder",
    "FoldersListed",
    "Form",
    "Hello",
    "HostSample",
    "ImportEntry",
    "ImportsListed",
    "Job",
    "JobReport",
    "JobResult",
    "JobVerb",
    "ListBackup",
    "ListFiles",
    "ListFolders",
    "ListImports",
    "ListedPlayer",
    "MakeDirectory",
    "ManagementAnswer",
    "ManagementNote",
    "Message",
    "NodeFacts",
    "ObservedServer",
    "OnlinePlayer",
    "Order",
    "OrderReport",
    "PanelNote",
    "Patterns",
    "Phase",
    "PlayerListed",
    "PortFound",
    "QuietRule",
    "ReadConfig",
    "ReadConsole",
    "ReadDownload",
    "ReadFile",
    "ReadStore",
    "Refusal",
    "Remove",
    "RenameFile",
    "Report",
    "Restore",
    "RunReport",
    "Sample",
    "Samples",
    "SearchConsole",
    "SendLine",
    "StatFile",
    "StopRule",
    "StoreDeed",
    "StoreReport",
    "StoreRun",
    "TendStore",
    "TickRule",
    "UnpackFile",
    "UploadBegun",
    "UploadPart",
    "Verb",
    "Welcome",
    "WriteConfig",
    "node_ask",
    "node_console",
    "node_management",
    "node_samples",
]
