"""Servers: started, watched and stopped."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
_STOP_TIMEOUT_S = 40
_WATCH_INTERVAL_S = 0.25
_MARK = "Listening on "


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    url: str
    """Scheme, host and port."""
    pid: int
    """Of the process that was started; its workers, if it has any, are children."""

    @property
    def worker_pids(self) -> list[int]:
        """The processes that answer."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children] or [self.pid]

    @property
    def worker_pid(self) -> int:
        """The process that answers, if there is one."""
        return self.worker_pids[0]

    def cpu_s(self) -> float:
        """Give the processor time that the workers have used, in all their threads."""
        return sum(map(cpu_s_of, self.worker_pids))

    def memory_bytes(self) -> "Memory":
        """Give how much of the memory the worker holds."""
        lines = Path(f"/proc/{self.worker_pid}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {name: int(rest.split()[0]) * 1024 for name, rest in (x.split(":") for x in lines)}
        return Memory(sizes["Rss"], sizes["Anonymous"])


def cpu_s_of(pid: int) -> float:
    """Give the processor time that a process has used, in all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds of the memory, in bytes."""

    resident: int
    """Pages of mapped files included, which the system may take back."""
    anonymous: int
    """Its own."""


@dataclass(slots=True)
class MemoryWatch:
    """The memory of a server over some time."""

    samples: list[Memory]

    @property
    def before(self) -> Memory:
        """The first sample."""
        return self.samples[0]

    @property
    def peak(self) -> Memory:
        """The most of each kind."""
        return Memory(
            max(sample.resident for sample in self.samples),
            max(sample.anonymous for sample in self.samples),
        )

    @property
    def after(self) -> Memory:
        """The last sample."""
        return self.samples[-1]


@contextmanager
def run_server(module: str, *arguments: str, log: Path) -> Iterator[Server]:
    """Run a Python module that serves and says on which URL; stop it in the end.

    Parameters
    ----------
    module : str
        As after ``python -m``.
    *arguments : str
        What follows it.
    log : Path
        Gets what the server writes to its standard error.
    """
    command = [sys.executable, "-m", module, *arguments]
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            line = next((line for line in process.stdout or () if line.startswith(_MARK)), None)
            if line is None:
                raise SystemExit(f"{module} did not start:\n{log.read_text()}")
            yield Server(line.removeprefix(_MARK).strip(), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def watch_memory(server: Server) -> Iterator[MemoryWatch]:
    """Sample the memory of a server, some times a second."""
    watch, done = MemoryWatch([server.memory_bytes()]), threading.Event()

    def sample() -> None:
        while not done.wait(_WATCH_INTERVAL_S):
            watch.samples.append(server.memory_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()
        watch.samples.append(server.memory_bytes())
