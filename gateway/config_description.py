"""The table of all settings, for the documentation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from gateway.config import Settings


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """A row of the table of settings."""

    name: str
    """Section and key: ``server.port``."""
    type: str
    """A type of TOML, or the values that are accepted."""
    default: str
    """As one writes it in TOML; empty where there is none, or where the description tells it."""
    description: str


def describe_settings() -> Iterator[SettingDescription]:
    """Describe every setting, in the order of the sections."""
    for section, table in Settings.model_fields.items():
        model: Any = (get_args(table.annotation) or (table.annotation,))[0]
        for key, field in model.model_fields.items():
            has_default = not field.is_required() and field.default_factory is None
            yield SettingDescription(
                name=f"{section}.{key}",
                type=_name_type(field.annotation),
                default=json.dumps(field.default) if has_default else "",
                description=" ".join((field.description or "").split()),
            )


def _name_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(json.dumps(value) for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "array"
    names = {int: "integer", float: "float", bool: "boolean", str: "string", Path: "string"}
    return names.get(annotation, "table")
