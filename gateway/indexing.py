"""Indexing: learns what is kept on disk of all files of a folder, ahead of the first request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.config import ConfigurationError, Settings
from gateway.core.errors import GatewayError
from gateway.core.folder_query import FolderQuery
from gateway.core.names import is_fits
from gateway.service import Service, open_service
from gateway.storage.archive import parse_path

_AHEAD = 10_000  # files that the walk may find before they are learnt

Segments = tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """How far the work is."""

    found: int = 0
    """Files."""
    learnt: int = 0
    known: int = 0
    """Files that had been learnt before."""
    failed: int = 0
    """Files that could not be learnt, and folders that could not be listed."""
    interrupted: bool = False
    """Whether it was ended before it had seen all."""

    def __str__(self) -> str:
        return (
            f"{self.found} files: {self.learnt} learnt, {self.known} known before, "
            f"{self.failed} failed"
        )


def index_folder(settings: Settings, path: str, at_once: int) -> Tally:
    """Learn all FITS files below a folder, and show how far it is; Ctrl-C ends it.

    Parameters
    ----------
    settings : Settings
        The collections, and the cache that is filled.
    path : str
        URL path of a collection, of a folder in one, or of one that holds collections.
    at_once : int
        How many files are read at a time.

    Raises
    ------
    ConfigurationError
        There is no cache to fill.
    NotFound
        No folder has such a path.
    """
    folder = parse_path(path.rstrip("/"))
    tally = Tally()
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.fields[tally]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("index", total=None, tally=tally)

        def watch() -> None:
            done = tally.learnt + tally.known + tally.failed
            progress.update(task, completed=done, total=tally.found or None)

        def tell(name: str, error: GatewayError) -> None:
            console.print(f"{name}: {error}", markup=False, soft_wrap=True)

        try:
            asyncio.run(_index(settings, folder, Indexer(tally, at_once, watch, tell)))
        except KeyboardInterrupt:
            tally.interrupted = True
    return tally


async def _index(settings: Settings, folder: Segments, indexer: "Indexer") -> None:
    service = open_service(settings)
    try:
        if not await service.has_cache():
            raise ConfigurationError(
                f"There is no cache to fill: {settings.cache.dir} cannot be used, "
                "or [cache] max_bytes is 0."
            )
        await indexer.run(service, folder)
    finally:
        await service.close()


class Indexer:
    """Walks through folders and learns their files, a bounded number at once.

    What was learnt is kept at once, so that an interruption loses nothing.

    Parameters
    ----------
    tally : Tally
        Where it notes how far it is.
    at_once : int
        How many files are read at a time.
    watch : callable
        Is called when there is progress.
    tell : callable
        Is told the URL path of what failed, and why.
    """

    def __init__(
        self,
        tally: Tally,
        at_once: int,
        watch: Callable[[], None],
        tell: Callable[[str, GatewayError], None],
    ) -> None:
        self._tally = tally
        self._at_once = at_once
        self._watch = watch
        self._tell = tell

    async def run(self, service: Service, folder: Segments) -> None:
        """Learn all FITS files below a folder.

        Parameters
        ----------
        service : Service
            The gateway.
        folder : tuple of str
            Its URL path.
        """
        waiting: asyncio.Queue[Segments | None] = asyncio.Queue(_AHEAD)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._learn(service, waiting))
            async for file in self._walk(service, folder):
                self._tally.found += 1
                await waiting.put(file)
                self._watch()
            for _ in range(self._at_once):
                await waiting.put(None)

    async def _walk(self, service: Service, folder: Segments) -> AsyncIterator[Segments]:
        """Find the files below a folder; only the names of folders are held."""
        folders = [folder]
        while folders:
            folder = folders.pop()
            try:
                async for entry in service.entries(folder, FolderQuery()):
                    path = (*folder, entry.name)
                    if entry.is_folder:
                        folders.append(path)
                    elif is_fits(entry.name):
                        yield path
            except GatewayError as error:
                self._fail((*folder, ""), error)

    async def _learn(self, service: Service, waiting: asyncio.Queue[Segments | None]) -> None:
        while (file := await waiting.get()) is not None:
            try:
                is_new = await service.prepare(await service.open(file))
            except GatewayError as error:
                self._fail(file, error)
            else:
                self._tally.learnt += is_new
                self._tally.known += not is_new
            self._watch()

    def _fail(self, path: Segments, error: GatewayError) -> None:
        self._tally.failed += 1
        self._tell(f"/{'/'.join(path)}", error)
