"""The gateway as a process of its own, as people run it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit
from urllib.request import urlopen

REPOSITORY = Path(__file__).parents[1]
STOP_WITHIN_S = 20


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[str]
    url: str
    """``http://127.0.0.1:PORT``"""
    said: list[str]
    """The lines that it printed until it listened."""
    errors: IO[str]
    """What it writes to standard error."""

    @property
    def port(self) -> int:
        """The port that it chose."""
        return urlsplit(self.url).port or 0

    @property
    def workers(self) -> set[int]:
        """The ids of its worker processes."""
        pid = self.process.pid
        return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def get(self, path: str) -> bytes:
        """Ask for a path, and give the body of a success."""
        with urlopen(self.url + path, timeout=STOP_WITHIN_S) as answer:  # noqa: S310 - our own
            return answer.read()

    def wait(self) -> int:
        """Wait for its end, and give its exit status."""
        return self.process.wait(STOP_WITHIN_S)

    def read_log(self) -> str:
        """Give what it wrote to standard error so far."""
        self.errors.seek(0)
        return self.errors.read()


@contextmanager
def run_gateway(*arguments: str | Path, under: Sequence[str] = ()) -> Iterator[Gateway]:
    """Start the command, wait until it listens, and end it.

    Parameters
    ----------
    *arguments : str or Path
        Of the command.
    under : sequence of str
        A command that becomes the gateway's, in surroundings that it makes: ``prlimit …``.
    """
    command = [*under, sys.executable, "-m", "gateway", *map(str, arguments)]
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        said: list[str] = []
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                if found := re.match(r"Listening on (http://\S+)", line):
                    break
            else:
                errors.seek(0)
                raise AssertionError("\n".join([*said, errors.read()]))
            yield Gateway(process, found[1], said, errors)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def run_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
