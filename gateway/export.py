"""Export: a cutout into a file, without a server."""

import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from gateway.config import load_settings
from gateway.core.query import parse_query
from gateway.service import Answer, Service, open_service
from gateway.storage.store import Buffer
from gateway.web.gzip import deflate_chunks

_ROOT = "/ibe/data"


async def export_cutout(
    source: str, center: str, size: str, box: str, output: str | None, console: Console
) -> None:
    """Cut a file and write the cutout.

    Parameters
    ----------
    source : str
        A path, or an fsspec URL.
    center, size : str
        As in a URL.
    box : str
        The rule for the pixels: ``exact`` or ``ibe``.
    output : str or None
        Where to write; a dash is standard output. A file is only there when it is complete.
    console : Console
        Where progress is shown.

    Raises
    ------
    GatewayError, ConfigurationError, OSError
    """
    folder, _, name = source.rpartition("/")
    collection = {"path": _ROOT, "url": folder or ".", "box": box, "follow_symlinks": True}
    service = open_service(load_settings(None, {"collections": [collection]}))
    try:
        query = parse_query({"center": center, "size": size})
        found = await service.open((*_ROOT[1:].split("/"), name))
        answer = await service.plan_cutout(found, query)
        target = output or f"cutout_{name.removesuffix('.gz').removesuffix('.fz')}"
        if target == "-":
            await _write(service, answer, sys.stdout.buffer, console, gzipped=False)
            return
        partial = Path(f"{target}.part{os.getpid()}")
        try:
            with partial.open("wb") as file:
                await _write(service, answer, file, console, gzipped=target.endswith(".gz"))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        console.print(f"{target}: {answer.plan.size} bytes of FITS", highlight=False)
    finally:
        await service.close()


async def _write(
    service: Service, answer: Answer, file: BinaryIO, console: Console, *, gzipped: bool
) -> None:
    columns = (TextColumn("cutting"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("cutting", total=answer.plan.size)

        async def watched() -> AsyncGenerator[Buffer, None]:
            async for chunk in service.read_chunks(answer, 0, answer.plan.size):
                yield chunk
                progress.advance(task, len(chunk))

        async for data in deflate_chunks(watched()) if gzipped else watched():
            file.write(data)
