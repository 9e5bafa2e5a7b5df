"""exaroton's objects, field by field: the sets are exact, its clients refuse a key too many or too few.

Data alone: what core's objects become of it, `views` says. ref: the bodies and schemas of exaroton's documentation.
"""

import msgspec


class AccountView(msgspec.Struct, frozen=True):
    name: str
    email: str
    verified: bool
    credits: float | int


class PlayersView(msgspec.Struct, frozen=True):
    max: int
    count: int
    list: list[str]


class SoftwareView(msgspec.Struct, frozen=True):
    id: str
    name: str
    version: str


class ServerView(msgspec.Struct, frozen=True):
    id: str
    name: str
    address: str
    motd: str
    status: int
    host: str | None
    port: int | None
    players: PlayersView
    software: SoftwareView
    shared: bool


class LogView(msgspec.Struct, frozen=True):
    content: str | None


class SharedLogView(msgspec.Struct, frozen=True):
    id: str
    url: str
    raw: str


class RamView(msgspec.Struct, frozen=True):
    ram: int


class MotdView(msgspec.Struct, frozen=True):
    motd: str


class FileView(msgspec.Struct, frozen=True):
    path: str
    name: str
    isTextFile: bool
    isConfigFile: bool
    isDirectory: bool
    isLog: bool
    isReadable: bool
    isWritable: bool
    size: int
    children: "list[FileView] | None"


class OptionView(msgspec.Struct, frozen=True):
    key: str
    label: str
    type: str
    value: str | int | float | bool | list[str]
    options: list[str] | None


class PoolView(msgspec.Struct, frozen=True):
    id: str
    name: str
    credits: float | int
    servers: int
    owner: str
    isOwner: bool
    members: int
    ownShare: float
    ownCredits: float | int


class MemberView(msgspec.Struct, frozen=True):
    account: str
    name: str
    share: float
    credits: float | int
    isOwner: bool


class Envelope(msgspec.Struct, frozen=True):
    """What every JSON reply is."""

    success: bool
    error: str | None
    data: object
