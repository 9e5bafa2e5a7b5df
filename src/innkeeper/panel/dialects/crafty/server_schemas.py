"""The forms of the bodies about servers, as JSON Schema; some are served, too.

ref: the reference's schemas. They are equal in meaning to Crafty's; what of a body has no meaning here is refused where
it is used, by name, and not by its form.
"""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_GIB: Schema = {"type": "number", "exclusiveMinimum": 0}
_EXIT_CODES: Schema = {"type": "string", "pattern": r"^\s*(-?\d{1,3}\s*(,\s*-?\d{1,3}\s*)*)?$"}


def _object(properties: Schema, *required: str, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _one_of(create_types: dict[str, Schema]) -> Schema:
    """Return the form of an object whose `create_type` says which other part of it there must be."""
    parts = {f"{name}_create_data": schema for name, schema in create_types.items()}
    return _object(
        {"create_type": {"type": "string", "enum": list(create_types)}, **parts},
        "create_type",
        allOf=[_if("create_type", name, f"{name}_create_data") for name in create_types],
    )


def _if(name: str, value: str, needed: str) -> Schema:
    return {"if": {"properties": {name: {"const": value}}}, "then": {"required": [needed]}}


_JAVA_MEMORY: Schema = {"mem_min": _GIB, "mem_max": _GIB, "server_properties_port": _WHOLE, "agree_to_eula": _FLAG}
_JAVA: Schema = _one_of(
    {
        "download_jar": _object(
            {"category": _TEXT, "type": _NAME, "version": _NAME, **_JAVA_MEMORY},
            "type",
            "version",
            "mem_min",
            "mem_max",
            "server_properties_port",
        ),
        "import_server": _object(
            {"existing_server_path": _NAME, "jarfile": _NAME, **_JAVA_MEMORY},
            "existing_server_path",
            "jarfile",
            "mem_min",
            "mem_max",
            "server_properties_port",
        ),
        "import_zip": _object(
            {"zip_path": _NAME, "zip_root": _TEXT, "jarfile": _NAME, **_JAVA_MEMORY},
            "zip_path",
            "zip_root",
            "jarfile",
            "mem_min",
            "mem_max",
            "server_properties_port",
        ),
    }
)
_BEDROCK: Schema = _one_of(
    {
        "download_exe": _object({"agree_to_eula": _FLAG}),
        "import_server": _object(
            {"existing_server_path": _NAME, "executable": _NAME, "command": _NAME}, "existing_server_path"
        ),
        "import_zip": _object(
            {"zip_path": _NAME, "zip_root": _TEXT, "executable": _NAME, "command": _NAME}, "zip_path", "zip_root"
        ),
    }
)
_CUSTOM: Schema = _one_of(
    {
        "raw_exec": _object({"command": _NAME}, "command"),
        "import_server": _object({"existing_server_path": _NAME, "command": _NAME}, "existing_server_path", "command"),
        "import_zip": _object(
            {"zip_path": _NAME, "zip_root": _TEXT, "command": _NAME}, "zip_path", "zip_root", "command"
        ),
    }
)
_CUSTOM["properties"] |= {
    "working_directory": _TEXT,
    "executable_update": _object({"enabled": _FLAG, "file": _TEXT, "url": _TEXT}),
}
_MONITORING: Schema = _object({"host": _NAME, "port": {"type": "integer"}}, "host", "port")
_CREATE_TYPES = ("minecraft_java", "minecraft_bedrock", "custom")
_MONITORED = ("minecraft_java", "minecraft_bedrock")

NEW_SERVER: Schema = {
    "type": "object",
    "allOf": [
        {"allOf": [_if("create_type", name, f"{name}_create_data") for name in _CREATE_TYPES]},
        {"allOf": [_if("monitoring_type", name, f"{name}_monitoring_data") for name in _MONITORED]},
    ],
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "roles": {"type": "array", "items": {"type": "integer"}},
        "stop_command": _TEXT,
        "log_location": _TEXT,
        "crashdetection": _FLAG,
        "autostart": _FLAG,
        "autostart_delay": _WHOLE,
        "monitoring_type": {"type": "string", "enum": [*_MONITORED, "none"]},
        "minecraft_java_monitoring_data": _MONITORING,
        "minecraft_bedrock_monitoring_data": _MONITORING,
        "create_type": {"type": "string", "enum": list(_CREATE_TYPES)},
        "minecraft_java_create_data": _JAVA,
        "minecraft_bedrock_create_data": _BEDROCK,
        "custom_create_data": _CUSTOM,
    },
    "required": ["name", "monitoring_type", "create_type"],
}

_PATCH_BY_CONFIG: Schema = {
    "server_name": _NAME,
    "executable": _TEXT,
    "java_selection": _TEXT,
    "auto_start": _FLAG,
    "auto_start_delay": _WHOLE,
    "crash_detection": _FLAG,
    "stop_command": _TEXT,
    "shutdown_timeout": _WHOLE,
    "logs_delete_after": _WHOLE,
    "ignored_exits": _EXIT_CODES,
    "count_players": _FLAG,
}
SERVER_PATCH_BASIC: Schema = {
    "type": "object",
    "properties": _PATCH_BY_CONFIG,
    "additionalProperties": False,
    "minProperties": 1,
}
"""What may be changed by who has the bit CONFIG."""
SERVER_PATCH: Schema = SERVER_PATCH_BASIC | {
    "properties": _PATCH_BY_CONFIG
    | {
        "backup_path": _TEXT,
        "log_path": _NAME,
        "execution_command": _NAME,
        "executable_update_url": _TEXT,
        "server_ip": _NAME,
        "server_port": {"type": "integer"},
        "show_status": _FLAG,
    }
}
"""What may be changed by a superuser."""

TASK: Schema = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "enabled": _FLAG | {"default": True},
        "action": _TEXT,
        "interval": {"type": "integer"},
        "interval_type": {"type": "string", "enum": ["hours", "minutes", "days", "reaction", ""]},
        "start_time": {"type": "string", "pattern": r"\d{1,2}:\d{1,2}"},
        "command": {"type": ["string", "null"]},
        "one_time": _FLAG | {"default": False},
        "cron_string": _TEXT | {"default": ""},
        "parent": {"type": ["integer", "null"]},
        "delay": {"type": "integer", "default": 0},
    },
    "additionalProperties": False,
    "minProperties": 1,
}
TASK_PATCH: Schema = TASK
"""The seed calls them new_task and patch_task; their form is one."""

_WEBHOOK: Schema = {
    "webhook_type": {"type": "string", "enum": ["Discord", "Mattermost", "Slack", "Teams"]},
    "name": _TEXT,
    "url": _TEXT,
    "bot_name": _TEXT,
    "trigger": {"type": "array", "items": _TEXT},
    "body": _TEXT,
    "color": _TEXT | {"default": "#005cd1"},
    "enabled": _FLAG | {"default": True},
}
WEBHOOK_PATCH: Schema = {
    "type": "object",
    "properties": _WEBHOOK,
    "additionalProperties": False,
    "minProperties": 1,
}
WEBHOOK: Schema = WEBHOOK_PATCH | {"minProperties": 7}

BACKUP_PATCH_BASIC: Schema = {
    "type": "object",
    "properties": {
        "max_backups": _WHOLE,
        "compress": _FLAG,
        "shutdown": _FLAG,
        "backup_before": _TEXT,
        "backup_after": _TEXT,
        "exclusions": {"type": "array", "items": _TEXT},
    },
    "additionalProperties": False,
    "minProperties": 1,
}
BACKUP_PATCH: Schema = BACKUP_PATCH_BASIC | {"properties": BACKUP_PATCH_BASIC["properties"] | {"backup_path": _TEXT}}
_FILENAME: Schema = {"type": "string", "minLength": 5}
BACKUP_FILE: Schema = _object({"filename": _FILENAME}, "filename", additionalProperties=False)

IMPORT_UNZIP: Schema = _object(
    {"page": _TEXT, "folder": _NAME, "upload": _FLAG, "unzip": _FLAG}, "folder", additionalProperties=False
)
FILES_READ: Schema = _object({"page": _TEXT, "path": _TEXT}, "path", additionalProperties=False)
FILES_WRITE: Schema = _object({"path": _TEXT, "contents": _TEXT}, "path", "contents", additionalProperties=False)
FILES_CREATE: Schema = _object(
    {"parent": _TEXT, "name": _TEXT, "directory": _FLAG}, "parent", "name", "directory", additionalProperties=False
)
FILES_RENAME: Schema = _object({"path": _TEXT, "new_name": _TEXT}, "path", "new_name", additionalProperties=False)
FILES_DELETE: Schema = _object({"filename": _FILENAME}, "filename", additionalProperties=False)
FILES_ZIP: Schema = _object({"folder": _TEXT}, "folder")
