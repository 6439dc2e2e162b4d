"""Watch: what all processes of a gateway hold, over time, and whether that grows."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

_TOLERANCE = 0.03
_TOLERANCE_BYTES = 6_000_000  # of memory: an arena of the allocator more or less
_TOLERATED = 64  # descriptors and threads: the pools of connections to storages breathe


@dataclass(frozen=True, slots=True)
class Sample:
    """What was held at one moment, by all processes together."""

    seconds: float
    """Since the watch began."""
    requests: int
    """Answered until then."""
    own_bytes: int
    """Memory of the processes alone (anonymous), what they share counted once."""
    mapped_bytes: int
    """Pages of mapped files that are in memory: the kernel may take them back."""
    descriptors: int
    """Open files and sockets."""
    threads: int
    in_flight: int
    """Requests, as /metrics tells."""


class Watch:
    """Takes samples of a gateway.

    Parameters
    ----------
    pid : int
        The first process; the workers are its children.
    """

    def __init__(self, pid: int) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._started = monotonic()

    @property
    def workers(self) -> frozenset[int]:
        """The ids of the worker processes."""
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text()
        return frozenset(map(int, children.split()))

    def look(self, requests: int, metrics: str) -> Sample:
        """Take a sample.

        Parameters
        ----------
        requests : int
            How many were answered so far.
        metrics : str
            What /metrics says.
        """
        own = mapped = descriptors = threads = 0
        for pid in (self._pid, *self.workers):
            process = Path(f"/proc/{pid}")
            with suppress(FileNotFoundError, ProcessLookupError):  # it is just replaced
                rollup = (process / "smaps_rollup").read_text()
                own += _kilobytes(rollup, "Pss_Anon") * 1024
                mapped += _kilobytes(rollup, "Pss_File") * 1024
                descriptors += sum(1 for _ in (process / "fd").iterdir())
                threads += sum(1 for _ in (process / "task").iterdir())
        found = re.search(r"^ibe_gateway_in_flight (\S+)", metrics, re.MULTILINE)
        in_flight = int(float(found[1])) if found else 0
        seconds = monotonic() - self._started
        sample = Sample(seconds, requests, own, mapped, descriptors, threads, in_flight)
        self.samples.append(sample)
        return sample

    def find_growth(self) -> list[str]:
        """Compare the last quarter of the samples with the second; say what grew."""
        return [
            f"{name} grew from {before:,.0f} to {after:,.0f}"
            for name, before, after in self.trends()
            if after - before > max(_TOLERANCE * before, _slack(name))
        ]

    def find_remains(self, baseline: Sample) -> list[str]:
        """Compare the last sample, of an idle gateway, with another; say what is left over."""
        last = self.samples[-1]
        remains = []
        if last.own_bytes - baseline.own_bytes > _TOLERANCE_BYTES + _TOLERANCE * baseline.own_bytes:
            remains.append(f"own memory did not come back to {baseline.own_bytes:,}")
        if last.descriptors > baseline.descriptors + _TOLERATED:
            remains.append(f"{last.descriptors} descriptors, {baseline.descriptors} before")
        if last.in_flight:
            remains.append(f"{last.in_flight} requests are in flight")
        return remains

    def curves(self) -> dict[str, list[int]]:
        """Give what was held over time, by its name."""
        return {
            "own": [s.own_bytes for s in self.samples],
            "mapped": [s.mapped_bytes for s in self.samples],
            "descriptors": [s.descriptors for s in self.samples],
            "threads": [s.threads for s in self.samples],
            "in flight": [s.in_flight for s in self.samples],
        }

    def trends(self) -> list[tuple[str, float, float]]:
        """Give the medians of the second and of the last quarter, by what was held."""
        quarter = len(self.samples) // 4
        second, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        ways: dict[str, Callable[[Sample], int]] = {
            "own memory": lambda sample: sample.own_bytes,
            "descriptors": lambda sample: sample.descriptors,
            "threads": lambda sample: sample.threads,
        }
        return [
            (name, median(map(way, second)), median(map(way, last))) for name, way in ways.items()
        ]

    def table(self, n_rows: int = 20) -> str:
        """Write samples at equal steps as a table."""
        return make_table(thin(self.samples, n_rows))


def make_table(samples: Sequence[Sample]) -> str:
    """Write samples as a table."""
    lines = [
        "| s | requests | own, MB | mapped, MB | descriptors | threads | in flight |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {s.seconds:.0f} | {s.requests:,} | {s.own_bytes / 1e6:.1f} | "
        f"{s.mapped_bytes / 1e6:.1f} | {s.descriptors} | {s.threads} | {s.in_flight} |"
        for s in samples
    ]
    return "\n".join(lines) + "\n"


def thin(samples: Sequence[Sample], n: int) -> list[Sample]:
    """Take some of the samples, at equal steps; the last is among them."""
    step = max(1, (len(samples) - 1) // n)
    return list(samples[::-1][::step][::-1])


def _slack(name: str) -> int:
    """Say how much more is no growth, whatever there was before."""
    return _TOLERANCE_BYTES if name == "own memory" else _TOLERATED


def _kilobytes(rollup: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) if found else 0
