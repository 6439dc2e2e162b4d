"""Export: a cutout into a file, without a server."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiofiles
import aiofiles.os
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from gateway.config import load_settings
from gateway.core.query import CutoutQuery
from gateway.service import Answer, Service, open_service
from gateway.storage.store import Buffer
from gateway.web.gzip import deflate_chunks

_ROOT = "/ibe/data"


async def export_cutout(
    source: str, query: CutoutQuery, box: str, output: str | None, console: Console
) -> None:
    """Cut a file and write the cutout.

    Parameters
    ----------
    source : str
        A path, or an fsspec URL.
    query : CutoutQuery
        What to cut.
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
        found = await service.open((*_ROOT[1:].split("/"), name))
        answer = await service.plan_cutout(found, query)
        target = output or f"cutout_{name.removesuffix('.gz').removesuffix('.fz')}"
        chunks = _watch(service, answer, console)
        if target == "-":
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            return
        await _write(target, deflate_chunks(chunks) if target.endswith(".gz") else chunks)
        console.print(f"{target}: {answer.plan.size} bytes of FITS", highlight=False)
    finally:
        await service.close()


async def _watch(
    service: Service, answer: Answer, console: Console
) -> AsyncGenerator[Buffer, None]:
    """Read an answer, and show how far it is."""
    columns = (TextColumn("cutting"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("cutting", total=answer.plan.size)
        async for chunk in service.read_chunks(answer, 0, answer.plan.size):
            yield chunk
            progress.advance(task, len(chunk))


async def _write(target: str, chunks: AsyncGenerator[Buffer, None]) -> None:
    """Write under another name, and rename when all is there."""
    partial = f"{target}.part{os.getpid()}"
    try:
        async with aiofiles.open(partial, "wb") as file, aclosing(chunks):
            async for chunk in chunks:
                await file.write(chunk)
        await aiofiles.os.replace(partial, target)
    except BaseException:
        await aiofiles.os.unlink(partial)
        raise
