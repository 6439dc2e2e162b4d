"""How soon the gateway says that it is alive, while it has all hands full.

Many clients ask for a large file and take in nothing, some ask for large gzipped cutouts without
pause, and one asks for /healthz. To run it: ``python -m bench.slow_readers``.
"""

import http.client
import socket
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np
from astropy.io import fits

from bench.servers import run_server

READERS, DEFLATED, ASKED = 500, 4, 300
_LIMITS = (
    "max_requests = 5000\nmax_client_requests = 5000\nmax_large = 5000\nmax_client_large = 5000"
)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        config = _make_archive(Path(name))
        arguments = ("serve", "--config", str(config))
        server = stack.enter_context(run_server("gateway", *arguments, log=Path(name, "log")))
        port = urlsplit(server.url).port or 0
        print(f"nobody else: {_describe(_ask_health(port))}")
        for _ in range(READERS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /ibe/data/noise.fits HTTP/1.1\r\nHost: x\r\n\r\n")
        print(f"{READERS} clients that take in nothing: {_describe(_ask_health(port))}")
        ended, used_s, started = threading.Event(), server.cpu_s(), perf_counter()
        threads = [threading.Thread(target=_deflate, args=(port, ended)) for _ in range(DEFLATED)]
        for thread in threads:
            thread.start()
        times = _ask_health(port)
        cores = (server.cpu_s() - used_s) / (perf_counter() - started)
        ended.set()
        for thread in threads:
            thread.join()
        memory = server.memory_bytes().anonymous / 1e6
        print(f"and {DEFLATED} large gzipped cutouts: {_describe(times)}")
        print(f"the worker used {cores:.1f} cores and {memory:.0f} MB of its own")


def _make_archive(folder: Path) -> Path:
    pixels = np.random.default_rng(0).normal(1000, 20, (4096, 4096)).astype(">f4")
    fits.PrimaryHDU(pixels).writeto(folder / "noise.fits")
    config = folder / "gateway.toml"
    collection = f'[[collections]]\npath = "/ibe/data"\nurl = "{folder}"'
    config.write_text(f"[server]\nport = 0\n[limits]\n{_LIMITS}\n{collection}\n")
    return config


def _deflate(port: int, ended: threading.Event) -> None:
    while not ended.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/ibe/data/noise.fits?center=2000,2000px&size=3000px")
        answer = connection.getresponse()
        while answer.read(2**20) and not ended.is_set():
            pass
        connection.close()


def _ask_health(port: int) -> list[float]:
    """Give the milliseconds of each question, each on a connection of its own."""
    times = []
    for _ in range(ASKED):
        started = perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/healthz")
        if connection.getresponse().read() != b"ok\n":
            raise SystemExit("The gateway is not well.")
        connection.close()
        times.append((perf_counter() - started) * 1000)
    return times


def _describe(times: list[float]) -> str:
    last = sorted(times)
    return (
        f"{median(times):.1f} ms, 99 % within {last[-len(last) // 100]:.1f}, at most {last[-1]:.1f}"
    )


if __name__ == "__main__":
    main()
