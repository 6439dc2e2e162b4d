"""Export: a cutout into a file, without a server."""

import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from gateway.core.errors import RequestError
from gateway.cutter import Cutout, Cutter
from gateway.storage.store import Buffer
from gateway.web.gzip import deflate_chunks

_DEFLATED_AT_ONCE = 4  # chunks, each on a core if there are as many


async def export_cutout(
    cutter: Cutter, source: str, center: str, size: str, *, output: str | None
) -> None:
    """Cut a file and write the cutout.

    Parameters
    ----------
    cutter : Cutter
        Is opened, and closed.
    source : str
        A path, an fsspec URL, or the URL of a file at a gateway.
    center, size : str
        What to cut, as in a URL.
    output : str or None
        Where to write; a dash is standard output. A file is only there when it is complete.

    Raises
    ------
    GatewayError, ConfigurationError, OSError
    """
    name = source.rpartition("/")[2]
    console = Console(stderr=True)
    target = output or f"cutout_{name.removesuffix('.gz').removesuffix('.fz')}"
    if _is_same(Path(source), Path(target)):
        raise RequestError(f"{target} is the source: write the cutout to another file, by -o.")
    async with cutter:
        cut = await cutter.open(source)
        cutout = await cut(center, size)
        watched = Cutout(cutout.size, _watch(cutout, console))
        if target == "-":
            await _copy(watched.chunks, sys.stdout.buffer)
            return
        n_bytes = await save(watched, Path(target))
    console.print(f"{target}: {n_bytes} bytes", highlight=False)


def _is_same(source: Path, target: Path) -> bool:
    """Tell whether two names are of one file; a URL is none."""
    return source.exists() and target.exists() and source.samefile(target)


async def save(cutout: Cutout, path: Path) -> int:
    """Write a cutout, gzipped if the name ends in ``.gz``; give the length of the file.

    Raises
    ------
    GatewayError, OSError
    """
    chunks = cutout.chunks
    if path.suffix == ".gz":
        chunks = deflate_chunks(chunks, _DEFLATED_AT_ONCE)
    with whole_file(path) as file:
        await _copy(chunks, file)
        return file.tell()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write it under another name, and rename it when all is there."""
    partial = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


async def _copy(chunks: AsyncGenerator[Buffer, None], file: BinaryIO) -> None:
    """Write in the event loop: a write costs 0.1 ms, and the hops to a thread another 0.7."""
    async with aclosing(chunks):
        async for chunk in chunks:
            file.write(chunk)


async def _watch(cutout: Cutout, console: Console) -> AsyncGenerator[Buffer, None]:
    """Read a cutout, and show how far it is."""
    columns = (TextColumn("cutting"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("cutting", total=cutout.size)
        async for chunk in cutout.chunks:
            yield chunk
            progress.advance(task, len(chunk))
