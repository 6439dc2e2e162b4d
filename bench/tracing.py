"""What a trace costs: the processor time of a plain cutout of 200 px, with and without traces.

To run it: ``python -m bench.tracing``.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits

from bench.load import Cutouts, measure
from bench.servers import Server, run_server
from bench.targets import Centers
from tests.collector import run_collector

ROUNDS = 9
CUTOUT = Cutouts("/ibe/data/a.fits", Centers((500, 3500), (500, 3500), "px"), 200, gzip=False)


def main() -> None:
    """Measure and print; the servers take turns, so that a busy machine is busy for all."""
    with tempfile.TemporaryDirectory() as name, run_collector() as collector, ExitStack() as stack:
        folder = Path(name)
        pixels = np.random.default_rng(0).normal(1000, 20, (4096, 4096)).astype(">f4")
        fits.PrimaryHDU(pixels).writeto(folder / "a.fits")
        traced = f'[telemetry]\nendpoint = "{collector.endpoint}"\nsample_ratio = '
        servers: dict[str, Server] = {}
        for what, telemetry in {
            "no collector": "",
            "none in the sample": f"{traced}0.0",
            "all in the sample": f"{traced}1.0",
        }.items():
            config = folder / f"{len(servers)}.toml"
            collection = f'[[collections]]\npath = "/ibe/data"\nurl = "{folder}"'
            config.write_text(f"[server]\nport = 0\n{telemetry}\n{collection}\n")
            arguments = ("serve", "--config", str(config))
            log = folder / f"{len(servers)}.log"
            servers[what] = stack.enter_context(run_server("gateway", *arguments, log=log))
        used_us: dict[str, list[float]] = {what: [] for what in servers}
        for seed in range(ROUNDS + 1):
            for what, server in servers.items():
                rate = measure(server, CUTOUT, seconds=1, seed=seed)
                if seed:  # the first round warms up
                    used_us[what].append(rate.cpu_s * 1e6)
        for what, times in used_us.items():
            print(f"{what}: {median(times):.0f} µs ({min(times):.0f} to {max(times):.0f})")
        print(f"{len(collector.bodies)} batches were sent")


if __name__ == "__main__":
    main()
