"""Report: the tables, as Markdown."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.load import CONNECTIONS, Rate
from bench.servers import MemoryWatch

_PACKAGES = "aiohttp astrocut astropy fitsio gunicorn isal numpy uvloop"


@dataclass(frozen=True, slots=True)
class Series:
    """The rates of one contestant, a round each."""

    rates: tuple[Rate, ...]

    @property
    def per_s(self) -> float:
        """The median of requests or cutouts per second."""
        return median(rate.per_s for rate in self.rates)

    @property
    def cpu_s(self) -> float:
        """The median of the processor time of each."""
        return median(rate.cpu_s for rate in self.rates)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A contestant beside another; both were measured in alternation."""

    labels: tuple[str, ...]
    """What the first columns say."""
    own: Series
    other: Series
    target: float | None = None
    """What the ratio should reach."""

    def cells(self) -> tuple[str, ...]:
        """Write a row: rates, their ratio and its spread, the target, processor times."""
        pairs = zip(self.own.rates, self.other.rates, strict=True)
        ratios = [own.per_s / other.per_s for own, other in pairs]
        return (
            *self.labels,
            _number(self.own.per_s),
            _number(self.other.per_s),
            f"**{_number(self.own.per_s / self.other.per_s)}**",
            f"{_number(min(ratios))} to {_number(max(ratios))}",
            _number(self.other.cpu_s / self.own.cpu_s),
            "" if self.target is None else f"{self.target:g}: {_verdict(ratios, self.target)}",
            f"{_number(self.own.cpu_s * 1000)} / {_number(self.other.cpu_s * 1000)}",
        )


def _verdict(ratios: Sequence[float], target: float) -> str:
    """Say whether a target was reached, if all rounds agree."""
    if min(ratios) >= target:
        return "reached"
    return "missed" if max(ratios) < target else "unclear"


def describe_machine() -> str:
    """Say what it was measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES.split())
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({_processor()}), load average before: {busy}; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; "
        f"{packages}; wrk with 1 thread and {CONNECTIONS} connections."
    )


def rate_table(
    labels: Sequence[str], own: str, other: str, comparisons: Iterable[Comparison]
) -> str:
    """Write comparisons as a table.

    Parameters
    ----------
    labels : sequence of str
        Heads of the first columns.
    own, other : str
        Who is compared.
    comparisons : iterable of Comparison
        The rows.
    """
    heads = (
        *labels,
        f"{own}, 1/s",
        f"{other}, 1/s",
        "ratio",
        "in the rounds",
        "by CPU time",
        "target",
        f"CPU ms, {own} / {other}",
    )
    return _table(heads, [comparison.cells() for comparison in comparisons])


def memory_table(watch: MemoryWatch) -> str:
    """Write what a server held of the memory."""
    heads = ("MB", "before", "most under load", "after")
    held = watch.before, watch.peak, watch.after
    return _table(
        heads,
        [
            ("resident, mapped files included", *(_number(each.resident / 1e6) for each in held)),
            ("its own (anonymous)", *(_number(each.anonymous / 1e6) for each in held)),
        ],
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    """Write a number with three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
