"""Log lines: their form and their clock, the same for requests and for all else that is told."""

import json
import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from gunicorn.config import Config
from gunicorn.glogging import Logger

Form = Literal["text", "json"]
"""Lines for people, or one JSON object a line."""


class LineFormatter(logging.Formatter):
    """Writes what the program tells beside its requests.

    Parameters
    ----------
    form : str
        Of the lines.
    """

    def __init__(self, form: Form) -> None:
        super().__init__("%(message)s")
        self._is_json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Write a line; as text, a traceback has lines of its own."""
        time, message = format_time(record.created), super().format(record)
        if not self._is_json:
            return f"{time} {record.levelname} {message}"
        return json.dumps({"time": time, "level": record.levelname, "message": message})


class SupervisorLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's, which tells what it has to tell in our lines."""

    def setup(self, cfg: Config) -> None:
        """Leave the writing to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def set_form(form: Form) -> None:
    """Choose the form of all lines."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(LineFormatter(form))


def format_time(seconds: float) -> str:
    """Write a time, in seconds since 1970 (UTC), as RFC 3339 does, with milliseconds."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_format_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=1)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
