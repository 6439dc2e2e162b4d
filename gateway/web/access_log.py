"""Access log: a line for each request, for people or as JSON."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from gateway.web.journal import Record
from gateway.web.log_lines import Form, format_time
from gateway.web.viewers import redact


class AccessLog:
    """Writes a line for each request.

    Parameters
    ----------
    form : str
        ``text``, or ``json`` for one object a line.
    stream : text file
        Where to write.
    """

    def __init__(self, form: Form, stream: TextIO) -> None:
        self._format = _format_json if form == "json" else _format_text
        self._stream = stream

    def write(self, records: Sequence[Record]) -> None:
        """Write the lines of some requests at once: logging would spend 40 µs on each.

        Where they cannot be written, to a full disk or a closed pipe, they are lost: the requests
        are answered all the same, and counted.
        """
        with suppress(OSError):
            self._stream.write("".join(map(self._format, records)))
            self._stream.flush()


def _format_text(record: Record) -> str:
    line = (
        f"{format_time(record.time)} {record.request_id} {record.client or '-'} "
        f'"{record.method} {redact(record.url)}" {record.status} '
        f"{record.body_bytes} bytes in {record.seconds * 1000:.2f} ms"
    )
    if record.found:
        line += f", {record.reads} reads of {record.read_bytes} bytes"
    if record.retries:
        line += f", {record.retries} repeated"
    if record.broken:
        line += " BROKEN OFF"
    return f"{line}: {record.reason!r}\n" if record.reason else f"{line}\n"


def _format_json(record: Record) -> str:
    fields = {
        "time": format_time(record.time),
        "id": record.request_id,
        "client": record.client,
        "method": record.method,
        "url": redact(record.url),
        "collection": record.collection,
        "status": record.status,
        "bytes": record.body_bytes,
        "ms": round(record.seconds * 1000, 2),
        "steps_ms": {
            name: round((end - begin) * 1000, 3) for name, (begin, end) in record.timings.items()
        },
        "reads": record.reads,
        "read_bytes": record.read_bytes,
        "needed_bytes": record.needed_bytes,
        "retries": record.retries,
        "broken": record.broken,
    }
    if record.reason:
        fields["reason"] = record.reason
    return json.dumps(fields) + "\n"
