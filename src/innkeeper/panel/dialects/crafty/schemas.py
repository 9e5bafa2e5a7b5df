"""The forms of the bodies about people, roles and the house, as JSON Schema; they are served, too.

They are equal in meaning to Crafty's, and wider only where our accounts are: names and passwords may be longer here.
Those about servers are beside this file.
"""

from typing import Any

from innkeeper.panel.dialects.crafty.masks import ProductBit

Schema = dict[str, Any]

LONGEST_NAME = 40
LONGEST_PASSWORD = 256

LOGIN: Schema = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "maxLength": LONGEST_NAME, "minLength": 3, "pattern": "^[A-Za-z0-9._-]+$"},
        "password": {"type": "string", "maxLength": LONGEST_PASSWORD, "minLength": 4},
        "totp": {"type": "string", "maxLength": 64},
        "code": {"type": "string", "maxLength": 64},
    },
    "required": ["username", "password"],
    "additionalProperties": False,
}

_MASK_OF_SERVER: Schema = {"type": "string", "pattern": "^[01]{8}$"}
_MANAGER: Schema = {"type": ["integer", "null"]}
ROLE: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "servers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"server_id": {"type": "integer", "minimum": 1}, "permissions": _MASK_OF_SERVER},
                "required": ["server_id", "permissions"],
            },
        },
        "manager": _MANAGER,
    },
    "additionalProperties": False,
    "minProperties": 1,
}

_USER: Schema = {
    "username": {
        "type": "string",
        "maxLength": 20,
        "minLength": 4,
        "pattern": "^[a-z0-9_]+$",
        "examples": ["admin"],
        "title": "Username",
    },
    "password": {"type": "string", "minLength": 8, "examples": ["crafty"], "title": "Password"},
    "email": {"type": "string", "format": "email", "examples": ["default@example.com"], "title": "E-Mail"},
    "enabled": {"type": "boolean", "examples": [True], "title": "Enabled"},
    "lang": {"type": "string", "maxLength": 10, "minLength": 2, "examples": ["en"], "title": "Language"},
    "superuser": {"type": "boolean", "examples": [False], "title": "Superuser"},
    "manager": _MANAGER,
    "theme": {"type": "string"},
    "permissions": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [str(bit) for bit in ProductBit]},
                "quantity": {"type": "number", "minimum": -1},
                "enabled": {"type": "boolean"},
            },
            "required": ["name", "quantity", "enabled"],
        },
    },
    "roles": {"type": "array", "items": {"type": "integer", "minLength": 1}},
    "hints": {"type": "boolean"},
    "server_order": {"type": "string"},
}
NEW_USER: Schema = {
    "type": "object",
    "properties": _USER,
    "required": ["username", "password"],
    "additionalProperties": False,
}
USER_PATCH: Schema = {"type": "object", "properties": _USER, "additionalProperties": False, "minProperties": 1}

NEW_KEY: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 3},
        "server_permissions_mask": _MASK_OF_SERVER,
        "crafty_permissions_mask": {"type": "string", "pattern": "^[01]{3}$"},
        "superuser": {"type": "boolean"},
    },
    "required": ["name"],
    "additionalProperties": False,
}

_WHOLE: Schema = {"type": "integer"}
_YES_OR_NO: Schema = {"type": "boolean"}
_LIST: Schema = {"type": "array"}
CONFIG_PATCH: Schema = {
    "type": "object",
    "properties": {
        "http_port": _WHOLE,
        "https_port": _WHOLE,
        "language": {"type": "string"},
        "cookie_expire": _WHOLE,
        "show_errors": _YES_OR_NO,
        "history_max_age": _WHOLE,
        "stats_update_frequency_seconds": _WHOLE,
        "delete_default_json": _YES_OR_NO,
        "show_contribute_link": _YES_OR_NO,
        "virtual_terminal_lines": _WHOLE,
        "max_log_lines": _WHOLE,
        "max_audit_entries": _WHOLE,
        "disabled_language_files": _LIST,
        "stream_size_GB": _WHOLE,
        "keywords": _LIST,
        "allow_nsfw_profile_pictures": _YES_OR_NO,
        "enable_user_self_delete": _YES_OR_NO,
        "reset_secrets_on_next_boot": _YES_OR_NO,
        "monitored_mounts": _LIST,
        "dir_size_poll_freq_minutes": _WHOLE,
        "crafty_logs_delete_after_days": _WHOLE,
    },
    "additionalProperties": False,
    "minProperties": 1,
}
