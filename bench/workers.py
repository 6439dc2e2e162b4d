"""Two workers beside one, in alternation: ``python -m bench.workers``.

The load takes a share of the two cores itself, so two workers cannot be twice as fast as one even
if they never wait for each other. What they could be with that share is printed beside what they
were; and the processor time of a request tells what they cost each other, on a busy machine too.
"""

import argparse
import resource
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from astropy.io import fits

from bench.checks import fetch
from bench.load import Cutouts, find_wrk, measure
from bench.report import describe_machine
from bench.servers import Server, cpu_s_of, run_server
from bench.targets import Centers

_SIDE_PX = 4096
_SIZES_PX = (200, 1000)
_TARGET = 1.7


@dataclass(frozen=True, slots=True)
class Round:
    """How fast some workers were for some seconds."""

    per_s: float
    """Requests per second."""
    cpu_s: float
    """Processor time of the workers per request."""
    load_s: float
    """And that of the load."""
    cores: float
    """That the workers used."""
    share: float
    """Of the work that the busier one did."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    options = parser.parse_args()
    find_wrk()
    print(f"{describe_machine()}\n")
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        noise = np.random.default_rng(0).normal(1000, 20, (_SIDE_PX, _SIDE_PX)).astype(">f4")
        fits.PrimaryHDU(noise).writeto(folder / "noise.fits")
        servers = [
            stack.enter_context(
                run_server(
                    *("gateway", "serve", name, "--port", "0", "--workers", str(n)),
                    log=folder / f"{n}.log",
                )
            )
            for n in (1, 2)
        ]
        for size_px in _SIZES_PX:
            rounds = [
                [_measure(server, size_px, options.seconds, seed) for server in servers]
                for seed in range(options.rounds)
            ]
            _report(size_px, [one for one, _ in rounds], [two for _, two in rounds])


def _measure(server: Server, size_px: int, seconds: int, seed: int) -> Round:
    margin_px = size_px // 2 + 1
    interval = (margin_px, _SIDE_PX - margin_px)
    cutouts = Cutouts("/ibe/data/noise.fits", Centers(interval, interval, "px"), size_px, gzip=True)
    fetch(server, cutouts.first, gzipped=True)
    before = [cpu_s_of(pid) for pid in server.worker_pids]
    load_s, started = _children_s(), perf_counter()
    rate = measure(server, cutouts, seconds=seconds, seed=seed)
    took_s = perf_counter() - started
    used = [cpu_s_of(pid) - at for pid, at in zip(server.worker_pids, before, strict=True)]
    n_requests = sum(used) / rate.cpu_s
    return Round(
        rate.per_s,
        rate.cpu_s,
        (_children_s() - load_s) / n_requests,
        sum(used) / took_s,
        max(used) / sum(used),
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _report(size_px: int, one: list[Round], two: list[Round]) -> None:
    ratios = [b.per_s / a.per_s for a, b in zip(one, two, strict=True)]
    cost = median(b.cpu_s / a.cpu_s for a, b in zip(one, two, strict=True))
    cpu_s, load_s = median(a.cpu_s for a in one), median(b.load_s for b in two)
    print(f"{size_px} px, gzip:")
    for name, rounds in (("one worker ", one), ("two workers", two)):
        print(
            f"  {name} {median(r.per_s for r in rounds):8.1f} requests/s, "
            f"{median(r.cores for r in rounds):.2f} cores, "
            f"{median(r.cpu_s for r in rounds) * 1000:.2f} ms of CPU a request"
        )
    print(f"  the load took {load_s * 1000:.2f} ms; of two the busier did ", end="")
    print(f"{median(b.share for b in two):.0%}")
    print(f"  ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), ", end="")
    print(f"with this load at most {2 * cpu_s / (cpu_s + load_s):.2f}; target {_TARGET}")
    print(f"  by CPU time 2 / {cost:.2f} = {2 / cost:.2f}\n")


if __name__ == "__main__":
    main()
