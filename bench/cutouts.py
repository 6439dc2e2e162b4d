"""Cutouts: how fast they are made, beside what one would use instead and beside the floor.

Everything is measured in one run and in alternation, so that a busy machine is busy for all.
"""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.checks import check_answers, fetch
from bench.libraries import LIBRARIES, measure_library
from bench.load import Cutouts, Rate, find_wrk, measure
from bench.report import Comparison, Series, describe_machine, memory_table, rate_table
from bench.servers import Server, run_server, watch_memory
from bench.targets import Target, bring_into_memory, make_detectors, make_mosaic, make_sparse

_SIZES_PX = (200, 1000)
_FLOOR_GOALS = {(200, True): 0.7, (1000, True): 0.8, (200, False): 0.35, (1000, False): 0.4}
_ASTROPY_GOAL = 40.0

Contestant = Callable[..., Rate]
"""Measures a rate; `seed` is that of the positions."""

_LOG = logging.getLogger("bench")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much time is taken."""

    n_rounds: int
    load_s: int
    """Of one load; wrk counts in whole seconds."""
    libraries_s: float
    """Of one library in one round; it makes one cutout at least."""
    centers: tuple[str, ...]
    """Whether cutouts are centred on the sky, at pixels, or both in turn."""


_FULL = Pace(n_rounds=5, load_s=2, libraries_s=0.6, centers=("sky", "pixel"))
_QUICK = Pace(n_rounds=2, load_s=1, libraries_s=0.2, centers=("sky",))


def main() -> None:
    """Measure, and print the tables."""
    options = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    find_wrk()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        report = _measure(folder, _QUICK if options.quick else _FULL)
    print(report)
    if options.output:
        options.output.write_text(report)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cutouts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take about a minute; less exact")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the files are made, 1.6 GB, and kept for the next run (default: temporary)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables there, too")
    return parser.parse_args()


def _measure(folder: Path, pace: Pace) -> str:
    machine = describe_machine()
    archive, ready = folder / "archive", folder / "ready"
    for each in (archive, ready):
        each.mkdir(parents=True, exist_ok=True)
    _LOG.info("making the files")
    mosaic, sparse, detectors = make_mosaic(archive), make_sparse(archive), make_detectors(archive)
    for target in (mosaic, *sparse, *detectors):
        bring_into_memory(target)  # before a server holds pages of it
    serve = ("serve", str(archive), "--port", "0", "--workers", "1")
    with run_server("gateway", *serve, log=folder / "gateway.log") as gateway:
        _LOG.info("checking the answers")
        _check(gateway, [mosaic, *sparse, *detectors], ready)
        with (
            watch_memory(gateway) as watch,
            run_server("bench.floor", str(ready), log=folder / "floor.log") as floor,
        ):
            tables = [
                "Beside the floor: a server that sends bytes that it has.\n",
                _compare_with_floor(gateway, floor, mosaic, pace),
                "Beside libraries, one process of each.\n",
                _compare_with_libraries(gateway, mosaic, pace),
                "Large files beside small ones, their layout known.\n",
                _compare_files(gateway, sparse, detectors, pace),
            ]
        tables += ["Memory of the gateway's worker during all of this.\n", memory_table(watch)]
    return "\n".join([f"{machine}\n", *tables])


def _check(gateway: Server, targets: Sequence[Target], ready: Path) -> None:
    """Make sure that all kinds of answers are right; keep some of each size for the floor."""
    mosaic, *others = targets
    for size_px, gzip, on_sky in product(_SIZES_PX, (True, False), (True, False)):
        cutouts = _cutouts(mosaic, size_px, gzip=gzip, on_sky=on_sky)
        kept = ready / str(size_px)
        kept.mkdir(exist_ok=True)
        for number, data in enumerate(check_answers(gateway, mosaic, cutouts)):
            (kept / f"{number}.fits").write_bytes(data)
    for target in others:
        check_answers(gateway, target, _cutouts(target, 200, gzip=True, on_sky=True))


def _compare_with_floor(gateway: Server, floor: Server, mosaic: Target, pace: Pace) -> str:
    """Tell what cutting costs beyond sending."""
    rows = []
    bring_into_memory(mosaic)
    for size_px, gzip in product(_SIZES_PX, (True, False)):
        encoding = "gzip" if gzip else "plain"
        title, goal = f"{size_px} px, {encoding}", _FLOOR_GOALS[size_px, gzip]
        own = {
            center: _cutouts(mosaic, size_px, gzip=gzip, on_sky=center == "sky")
            for center in pace.centers
        }
        contestants = {
            center: partial(_load, gateway, cutouts, pace) for center, cutouts in own.items()
        }
        # asked for in the same words, which it does not read
        ready = replace(own["sky"], path=f"/{encoding}/{size_px}")
        contestants["floor"] = partial(_load, floor, ready, pace)
        rates = _alternate(title, contestants, pace)
        rows += [Comparison((title, each), rates[each], rates["floor"], goal) for each in own]
    return rate_table(("from 1.5 GB", "centre"), "gateway", "floor", rows)


def _compare_with_libraries(gateway: Server, mosaic: Target, pace: Pace) -> str:
    """Tell what the gateway saves beside a script that does the same."""
    rows = []
    bring_into_memory(mosaic)
    for size_px in _SIZES_PX:
        cutouts = _cutouts(mosaic, size_px, gzip=True, on_sky=True)
        contestants: dict[str, Contestant] = {"gateway": partial(_load, gateway, cutouts, pace)}
        for each in LIBRARIES:
            contestants[each.title] = partial(
                measure_library, each, mosaic, size_px, seconds=pace.libraries_s
            )
        rates = _alternate(f"{size_px} px", contestants, pace)
        own = rates.pop("gateway")
        rows += [
            Comparison(
                (f"{size_px} px, gzip", title),
                own,
                other,
                _ASTROPY_GOAL if "astropy" in title else None,
            )
            for title, other in rates.items()
        ]
    return rate_table(("from 1.5 GB", "library"), "gateway", "library", rows)


def _compare_files(
    gateway: Server, sparse: Sequence[Target], detectors: Sequence[Target], pace: Pace
) -> str:
    """Tell whether the time of a cutout depends on what else is in the file."""
    rows = []
    for small, large in (sparse, detectors):
        bring_into_memory(small)
        bring_into_memory(large)
        contestants = {
            target.title: partial(
                _load, gateway, _cutouts(target, 200, gzip=True, on_sky=True), pace
            )
            for target in (small, large)
        }
        rates = _alternate("200 px, gzip", contestants, pace)
        rows.append(
            Comparison(
                (f"{large.title} beside {small.title}",), rates[large.title], rates[small.title]
            )
        )
    return rate_table(("200 px, gzip",), "large", "small", rows)


def _cutouts(target: Target, size_px: int, *, gzip: bool, on_sky: bool) -> Cutouts:
    return Cutouts(f"/ibe/data/{target.path.name}", target.centers(on_sky=on_sky), size_px, gzip)


def _load(server: Server, cutouts: Cutouts, pace: Pace, seed: int) -> Rate:
    fetch(server, cutouts.first, gzipped=cutouts.gzip)  # so that the file's layout is known
    return measure(server, cutouts, seconds=pace.load_s, seed=seed)


def _alternate(title: str, contestants: Mapping[str, Contestant], pace: Pace) -> dict[str, Series]:
    """Measure contestants in turn, for some rounds, by equal seeds in each."""
    rates: dict[str, list[Rate]] = {name: [] for name in contestants}
    for number in range(1, pace.n_rounds + 1):
        _LOG.info("%s: round %d of %d", title, number, pace.n_rounds)
        for name, contestant in contestants.items():
            rates[name].append(contestant(seed=number))
    return {name: Series(tuple(each)) for name, each in rates.items()}


if __name__ == "__main__":
    main()
