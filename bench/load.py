"""Load: as many requests as a server answers, by wrk, at positions that do not repeat."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.servers import Server
from bench.targets import Centers

CONNECTIONS = 8
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Cutouts:
    """What is asked for, again and again."""

    path: str
    """Of the URL."""
    centers: Centers
    size_px: int
    gzip: bool

    def at(self, x: float, y: float) -> str:
        """Give the path and query of the cutout at a centre."""
        return f"{self.path}?center={x:.7f},{y:.7f}{self.centers.unit}&{self.rest}"

    @property
    def rest(self) -> str:
        """What follows the centre in the query."""
        return f"size={self.size_px}px&gzip={str(self.gzip).lower()}"

    @property
    def first(self) -> str:
        """The path and query of one of them."""
        return self.at(self.centers.x[0], self.centers.y[0])

    @property
    def least_bytes(self) -> int:
        """What an answer has at least: deflated noise keeps more than half of its bytes."""
        return 4 * self.size_px**2 // (2 if self.gzip else 1)


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a server was."""

    per_s: float
    """Requests per second."""
    cpu_s: float
    """Processor time of the server per request."""


def find_wrk() -> str:
    """Find wrk, or end the program with a sentence that says how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit(
            "The load is made by wrk, which is not installed: apt-get install wrk, then run again."
        )
    return found


def measure(server: Server, cutouts: Cutouts, *, seconds: int, seed: int) -> Rate:
    """Load a server for some seconds; end the program if an answer is not what it should be."""
    centers = cutouts.centers
    corners = [f"{bound:.9f}" for bound in (*centers.x, *centers.y)]
    used_s = server.cpu_s()
    output = subprocess.run(
        [
            *(find_wrk(), "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{seconds}s", "--timeout", "30s", "--script", _SCRIPT, server.url),
            *("--", cutouts.path, *corners, centers.unit, cutouts.rest, str(seed)),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    used_s = server.cpu_s() - used_s
    result = output.partition("RESULT ")[2].split()
    n_requests, duration_us, n_bytes, n_failed = (int(number) for number in result)
    if n_failed or not n_requests or n_bytes < n_requests * cutouts.least_bytes:
        raise SystemExit(f"Answers under load are not what they should be:\n{output}")
    return Rate(n_requests / (duration_us / 1e6), used_s / n_requests)
