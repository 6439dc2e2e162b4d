"""Memory is bounded: images larger than the gateway may grow are cut whole, several at once."""

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.fits_files import header, mandatory
from tests.running import Gateway, run_gateway

SIDE = 19_365  # pixels of 4 bytes: 1.5 GB
LIMIT_BYTES = 300 * 2**20
AT_ONCE = 6
QUERY = f"/ibe/data/large.fits?center={SIDE // 2},{SIDE // 2}px&size={SIDE + 9}px"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Make a folder with an image of 1.5 GB, all of it a hole."""
    with (tmp_path / "large.fits").open("wb") as file:
        file.write(header(*mandatory((SIDE, SIDE), -32)))
        file.truncate(2880 + 4 * SIDE**2)
    return tmp_path


def memory_bytes(gateway: Gateway) -> int:
    """Add up what all processes of the gateway hold in memory."""
    found = 0
    for pid in (gateway.process.pid, *gateway.workers):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))
    return found


def read_and_drop(port: int, path: str) -> int:
    """Read a whole answer without keeping it, and count its bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    buffer, received = bytearray(2**20), 0
    with connection.getresponse() as answer:
        while got := answer.readinto(buffer):
            received += got
    connection.close()
    return received


def measure(gateway: Gateway, path: str) -> tuple[list[int], int]:
    """Ask several times at once; give the lengths of the answers and the most memory meanwhile."""
    done, seen = threading.Event(), [memory_bytes(gateway)]

    def watch() -> None:
        while not done.wait(0.05):
            seen.append(memory_bytes(gateway))

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        watching = pool.submit(watch)
        lengths = list(pool.map(lambda _: read_and_drop(gateway.port, path), range(AT_ONCE)))
        done.set()
        watching.result()
    return lengths, max(seen)


def test_whole_images_in_little_memory(archive: Path):
    """Six cutouts of 1.5 GB at once, plain and gzipped, take less memory than a fifth of one."""
    with run_gateway("serve", archive, "--port", "0") as gateway:
        gateway.get(f"{QUERY.partition('?')[0]}?center=1,1px&size=1px")
        packed, most_packed = measure(gateway, QUERY)
        plain, most_plain = measure(gateway, f"{QUERY}&gzip=0")

    assert plain == [-(-(4 * SIDE**2) // 2880) * 2880 + 2880] * AT_ONCE
    assert len(set(packed)) == 1
    assert packed[0] < plain[0] / 50
    assert max(most_plain, most_packed) < LIMIT_BYTES


def page_faults(gateway: Gateway) -> int:
    """Count the pages that the worker was given by the system so far."""
    (pid,) = gateway.workers
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_small_cutouts_take_no_memory_anew(tmp_path: Path):
    """What gzipped cutouts that came together have used serves those that come after them."""
    noise = np.random.default_rng(1).normal(size=(400, 400)).astype(">f4")
    fits.PrimaryHDU(noise).writeto(tmp_path / "noise.fits")
    path = "/ibe/data/noise.fits?center=200,200px&size=200px"
    with run_gateway("serve", tmp_path, "--port", "0") as gateway:
        clients = [http.client.HTTPConnection("127.0.0.1", gateway.port) for _ in range(32)]

        def ask_together() -> None:
            for client in clients:
                client.request("GET", path)
            for client in clients:
                assert len(client.getresponse().read()) > 100_000

        for _ in range(20):
            ask_together()
        before = page_faults(gateway)
        for _ in range(20):
            ask_together()

        assert page_faults(gateway) - before < 640
        for client in clients:
            client.close()
