"""Table: how fast `ibe-gateway cutout TABLE` is, beside a script that does the same with astropy.

Both make files of 100 px from a list of positions in 20 images, and open each image once.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.wcs import WCS

from bench.targets import Target, bring_into_memory, make_frames

_N_TARGETS, _N_BY_ASTROPY = 10_000, 400
_SIZE_PX = 100
_GOAL_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command."""

    elapsed_s: float
    cpu_s: float
    most_bytes: int
    """Of memory, pages of mapped files included."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    n_rounds = parser.parse_args().rounds
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        frames = make_frames(folder)
        for frame in frames:
            bring_into_memory(frame)
        _write_table(folder / "targets.csv", frames)
        runs, astropy_s = [], []
        for _ in range(n_rounds):
            runs.append(_run_command(folder))
            astropy_s.append(_cut_by_astropy(folder) / _N_BY_ASTROPY)
    _report(runs, astropy_s)


def _write_table(path: Path, frames: Sequence[Target]) -> None:
    rng = np.random.default_rng(1)
    centers = frames[0].centers(on_sky=True)
    columns = {
        "source": [str(frames[n].path) for n in rng.integers(0, len(frames), _N_TARGETS)],
        "ra": rng.uniform(*centers.x, _N_TARGETS),
        "dec": rng.uniform(*centers.y, _N_TARGETS),
    }
    Table(columns).write(path)


def _run_command(folder: Path) -> Run:
    """Run the command as people do, its start included, and check what it made."""
    made = folder / "made"
    arguments = ("cutout", folder / "targets.csv", "--size", f"{_SIZE_PX}px", "-o", made)
    started = perf_counter()
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-m", "gateway", *map(str, arguments)], os.environ
    )
    _, status, usage = os.wait4(pid, 0)
    elapsed_s = perf_counter() - started
    shapes = {fits.getval(path, "NAXIS1") for path in list(made.iterdir())[:100]}
    if status or len(list(made.iterdir())) != _N_TARGETS or shapes != {_SIZE_PX}:
        raise SystemExit("The command did not make what it should.")
    shutil.rmtree(made)
    return Run(elapsed_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _cut_by_astropy(folder: Path) -> float:
    """Cut the first targets by a careful script; give the seconds that it took."""
    table = Table.read(folder / "targets.csv")[:_N_BY_ASTROPY]
    made = folder / "by-astropy"
    made.mkdir()
    started = perf_counter()
    for group in table.group_by("source").groups:
        with fits.open(group["source"][0]) as hdus:
            header, wcs = hdus[0].header, WCS(hdus[0].header)
            for number, row in enumerate(group):
                center = SkyCoord(row["ra"], row["dec"], unit="deg")
                cutout = Cutout2D(hdus[0].data, center, _SIZE_PX, wcs=wcs)
                cards = header.copy()
                cards.update(cutout.wcs.to_header())
                name = f"{Path(row['source']).stem}_{number}.fits"
                fits.writeto(made / name, cutout.data, cards)
    elapsed_s = perf_counter() - started
    shutil.rmtree(made)
    return elapsed_s


def _report(runs: Sequence[Run], astropy_s: Sequence[float]) -> None:
    per_s = [_N_TARGETS / run.elapsed_s for run in runs]
    by_astropy = [1 / seconds for seconds in astropy_s]
    ratios = [own / other for own, other in zip(per_s, by_astropy, strict=True)]
    print("| | cutouts per second | in the rounds | CPU ms each | most memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    cpu_ms = 1000 * median(run.cpu_s for run in runs) / _N_TARGETS
    most_mb = max(run.most_bytes for run in runs) / 1e6
    print(
        f"| `ibe-gateway cutout`, goal {_GOAL_PER_S:,} | **{median(per_s):,.0f}** "
        f"| {min(per_s):,.0f} to {max(per_s):,.0f} | {cpu_ms:.2f} | {most_mb:.0f} |"
    )
    print(
        f"| a script with astropy | {median(by_astropy):,.0f} "
        f"| {min(by_astropy):,.0f} to {max(by_astropy):,.0f} | | |"
    )
    print(f"| ratio | **{median(ratios):.1f}** | {min(ratios):.1f} to {max(ratios):.1f} | | |")


if __name__ == "__main__":
    main()
