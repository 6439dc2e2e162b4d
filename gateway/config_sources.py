"""Where settings are written: reads the environment and TOML files and remembers the places.

What is wrong is told by its line or its variable, and never with the value: it may be a secret.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

ENVIRONMENT_PREFIX = "IBE_GATEWAY_"
DELIMITER = "__"

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value: ``("collections", 1, "gzip")``."""

# What pydantic says in the words of Python, in the words of TOML.
_TEXTS = {
    "extra_forbidden": "unknown key",
    "missing": "this key is required",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be an array of tables, each under [[collections]]",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What one source says, as far as it can be read."""

    values: Mapping[str, Any]
    locate: Callable[[Place], str]
    """Says where a value is written, as in ``gateway.toml, line 12``."""
    problems: tuple[str, ...] = ()
    """What could not be read, a sentence each that begins with the place."""


def read_environment(model: type[BaseModel]) -> Source:
    """Read the variables that hold values of a model's fields, or of their fields.

    Parameters
    ----------
    model : type of BaseModel
        Each of its fields is a section: a model again, or a tuple of models as JSON.
    """

    class Environment(model, BaseSettings):  # type: ignore[misc, valid-type]
        model_config = SettingsConfigDict(
            env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter=DELIMITER
        )

    reader = EnvSettingsSource(Environment)
    values: dict[str, Any] = {}
    problems = list(_find_unknown_variables(model))
    for section, field in Environment.model_fields.items():
        text, _, is_complex = reader.get_field_value(field, section)
        try:
            value = reader.prepare_field_value(section, field, text, is_complex)
        except ValueError:
            problems.append(f"{_name_variable((section,))}: must be valid JSON")
        else:
            values |= {} if value is None else {section: value}
    return Source(values, _name_variable, tuple(problems))


def _find_unknown_variables(model: type[BaseModel]) -> Iterator[str]:
    for name in sorted(os.environ):
        section, delimiter, _ = name.upper().removeprefix(ENVIRONMENT_PREFIX).partition(DELIMITER)
        # Names without the delimiter may be others': Kubernetes sets IBE_GATEWAY_SERVICE_HOST and
        # the like for a service that is called ibe-gateway.
        is_ours = name.upper().startswith(ENVIRONMENT_PREFIX) and delimiter
        if is_ours and section.lower() not in model.model_fields:
            yield f"environment, {name}: unknown section"


def _name_variable(place: Place) -> str:
    """Name the variable that holds a place: its own, or one of JSON that it lies in."""
    present = {name.upper() for name in os.environ}
    names = [
        ENVIRONMENT_PREFIX + DELIMITER.join(str(part).upper() for part in place[:stop])
        for stop in range(len(place), 0, -1)
    ]
    return f"environment, {next((name for name in names if name in present), names[-1])}"


def read_file(path: Path) -> Source:
    """Read a TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return _unreadable(f"{path.name}: {error.strerror or 'it cannot be read'}")
    except UnicodeDecodeError:
        return _unreadable(f"{path.name}: must be text in UTF-8")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The message ends with a place in brackets: a line and column, or the end of the document.
        what, _, where = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", where)
        number = int(line[1]) if line else len(text.splitlines())
        return _unreadable(f"{path.name}, line {number}: {what}")
    return Source(values, lambda place: f"{path.name}, line {find_line(text, place)}")


def _unreadable(problem: str) -> Source:
    return Source({}, str, (problem,))


def find_line(text: str, place: Place) -> int:
    """Find the line of a TOML text where a place begins, or what there is of it.

    Returns
    -------
    int
        Counted from 1.

    Notes
    -----
    `tomllib` tells no positions. But a text that is cut between two statements is TOML again, so
    the statement is the one with which the place first appears.
    """
    lines = text.split("\n")
    depth = _depth(tomllib.loads(text), place)
    start = 0
    for stop in range(1, len(lines)):
        try:
            values = tomllib.loads("\n".join(lines[:stop]))
        except tomllib.TOMLDecodeError:
            continue
        if _depth(values, place) >= depth:
            break
        start = stop
    return start + 1


def merge_sources(sources: list[Source]) -> dict[str, Any]:
    """Join sources key by key, the first source first; collections are taken as a whole."""
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        for section, values in source.values.items():
            below = merged.get(section)
            if isinstance(values, dict) and isinstance(below, dict):
                merged[section] = below | values
            else:
                merged[section] = values
    return merged


def describe_problem(problem: ErrorDetails, sources: list[Source]) -> str:
    """Say what is wrong with a value and where it is written, without the value."""
    place = problem["loc"]
    source = max(sources, key=lambda source: _depth(source.values, place))
    section, *keys = (part for part in place if isinstance(part, str))
    if len(place) > 1:
        section = f"[[{section}]]" if isinstance(place[1], int) else f"[{section}]"
    setting = " ".join([section, ".".join(keys)]).rstrip()
    text = _TEXTS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{source.locate(place)}: {setting}: {text}"


def _depth(values: Any, place: Place) -> int:
    """Count the parts of a place that are there in nested values."""
    for depth, part in enumerate(place):
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(place)
