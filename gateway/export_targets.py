"""Export of targets: the cutouts of a table into the files of a folder, several at once.

What is there already is not made again, so that a run goes on where another stopped.
"""

import asyncio
import csv
import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.config import ConfigurationError
from gateway.core.errors import GatewayError
from gateway.cutter import Cut, Cutter
from gateway.export import save, whole_file
from gateway.targets import Target

ERRORS = "errors.csv"
"""The name of the table of what failed; it is a table of targets again."""


@dataclass(slots=True)
class Outcome:
    """What became of targets."""

    n_made: int = 0
    n_there: int = 0
    """How many had been made before."""
    failed: list[tuple[Target, str]] = field(default_factory=list)
    """Targets with the sentence that says why."""


def export_targets(
    targets: Sequence[Target], folder: Path, cutter: Cutter, *, at_once: int
) -> Outcome:
    """Make the cutouts that are not there yet, and a table of those that failed.

    Parameters
    ----------
    targets : sequence of Target
        What to cut.
    folder : Path
        Where the files go; it need not exist. A file is only there when it is complete.
    cutter : Cutter
        Is opened, and closed.
    at_once : int
        How many cutouts are in the making at once.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    waiting = [target for target in targets if target.file_name not in there]
    waiting.sort(key=lambda target: target.source)  # each source is opened once, and then let go
    outcome = Outcome(n_there=len(targets) - len(waiting))
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("cutouts"), TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        todo = progress.track(waiting, total=len(targets), completed=outcome.n_there)
        asyncio.run(_work_at_once(at_once, iter(todo), folder, cutter, outcome))
    _write_errors(folder / ERRORS, outcome.failed)
    return outcome


async def _work_at_once(
    at_once: int, todo: Iterator[Target], folder: Path, cutter: Cutter, outcome: Outcome
) -> None:
    try:
        async with cutter, asyncio.TaskGroup() as group:
            sources = _Sources(cutter, at_once)
            for _ in range(at_once):
                group.create_task(_work(todo, sources, folder, outcome))
    except* OSError as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__


async def _work(
    todo: Iterator[Target], sources: "_Sources", folder: Path, outcome: Outcome
) -> None:
    """Make cutouts until nothing is left that others have not taken."""
    for target in todo:
        try:
            cut = await sources.open(target.source)
            await save(await cut(target.center, target.size), folder / target.file_name)
        except (GatewayError, ConfigurationError) as error:
            outcome.failed.append((target, str(error)))
        else:
            outcome.n_made += 1
        await asyncio.sleep(0)  # where all is in memory nothing waits, and no interrupt came in


class _Sources:
    """Opens each source once for all who cut it at the same time.

    Parameters
    ----------
    cutter : Cutter
        Opens them.
    at_once : int
        How many are kept; targets come sorted, so that the oldest is not asked for again.
    """

    def __init__(self, cutter: Cutter, at_once: int) -> None:
        self._cutter = cutter
        self._at_once = at_once
        self._opening: OrderedDict[str, asyncio.Task[Cut]] = OrderedDict()

    async def open(self, source: str) -> Cut:
        """Open a source, or join who is opening it."""
        opening = self._opening.get(source)
        if opening is None:
            opening = asyncio.create_task(self._cutter.open(source))
            self._opening[source] = opening
            if len(self._opening) > self._at_once:
                self._opening.popitem(last=False)
        return await opening


def _write_errors(path: Path, failed: Sequence[tuple[Target, str]]) -> None:
    """Write the table of what failed, or remove that of an earlier run."""
    path.unlink(missing_ok=True)
    if not failed:
        return
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(("source", "ra", "dec", "size", "error"))
    for target, error in failed:
        table.writerow((target.source, target.ra_deg, target.dec_deg, target.size, error))
    with whole_file(path) as file:
        file.write(text.getvalue().encode())
