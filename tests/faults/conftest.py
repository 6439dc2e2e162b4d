"""A gateway of real processes that is to be harmed, and what is left of it afterwards."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fits_files import TAN, image, pixels
from tests.running import Gateway, run_gateway

IMAGE = image(pixels((60, 50), "i2"), TAN)
LARGE = 32 * 2**20  # bytes; more than all buffers between two sockets
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux; Python has no name for it
SOON_S = 20.0  # generous: the machines of CI are slow, and busy
WELL_S = 1.0  # within which the service answers, sooner or later
SPARE_BYTES = 32 * 2**20  # that the allocators keep of what was used for a moment
POOL = min(32, (os.cpu_count() or 1) + 4)  # threads that asyncio starts when it needs them


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Make a folder with an image and a large file."""
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "a.fits").write_bytes(IMAGE)
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)
    return folder


def write_config(archive: Path, *lines: str, limits: str = "") -> Path:
    """Write a configuration that serves the archive, with lines of its collection and limits."""
    path = archive.parent / "gateway.toml"
    collection = "\n".join(["[[collections]]", 'path = "/ibe/data"', f'url = "{archive}"', *lines])
    path.write_text(f"[server]\nport = 0\n[limits]\n{limits}\n{collection}\n")
    return path


@contextmanager
def impatient_gateway(archive: Path) -> Iterator[Gateway]:
    """Run a gateway that gives up its clients after a second."""
    config = write_config(archive, limits="keepalive_timeout_s = 1\nclient_timeout_s = 1")
    with run_gateway("serve", "--config", config) as gateway:
        warm(gateway, "a.fits", "large")
        yield gateway


def warm(gateway: Gateway, *names: str) -> None:
    """Let the gateway open what it keeps open: files, and the index file."""
    for name in names:
        gateway.get(f"/ibe/data/{name}")
    gateway.get("/ibe/data/a.fits?center=30,30px&size=10px")


def connect(
    gateway: Gateway, *, buffer_bytes: int | None = None, address: str = "127.0.0.1"
) -> socket.socket:
    """Connect from an address of this machine, with a receive buffer of a given size."""
    client = socket.socket()
    # else the kernel would look for a port that is free for all, one after the other
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((address, 0))
    if buffer_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    client.settimeout(SOON_S)
    client.connect(("127.0.0.1", gateway.port))
    return client


def request(path: str = "/ibe/data/a.fits", *fields: str) -> bytes:
    """Write the head of a request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def read_all(client: socket.socket) -> bytes:
    """Read until the other side ends the connection, or breaks it."""
    found = []
    try:
        while part := client.recv(2**20):
            found.append(part)
    except ConnectionError:
        pass
    return b"".join(found)


def refuses(gateway: Gateway) -> bool:
    """Tell whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


class Footprint(NamedTuple):
    """What the workers of a gateway hold, together."""

    memory_bytes: int
    """Of their own: pages of mapped files are the kernel's."""
    descriptors: int
    threads: int

    def is_back_at(self, before: "Footprint") -> bool:
        """Tell whether nothing is held any more that was not held before."""
        return (
            self.memory_bytes <= before.memory_bytes + SPARE_BYTES
            and self.descriptors <= before.descriptors
            and self.threads <= before.threads + POOL
        )


def measure(gateway: Gateway) -> Footprint:
    """Give what the workers hold at the moment."""
    memory = threads = descriptors = 0
    for pid in gateway.workers:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        memory += int(status["RssAnon"].split()[0]) * 1024
        threads += int(status["Threads"])
        descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Footprint(memory, descriptors, threads)


def is_well(gateway: Gateway) -> bool:
    """Tell whether the gateway answers, within a second."""
    started = time.monotonic()
    return gateway.get("/healthz") == b"ok\n" and time.monotonic() - started < WELL_S


@contextmanager
def unharmed(gateway: Gateway) -> Iterator[None]:
    """Whatever happens inside, afterwards the service is well and holds no more than before."""
    before = measure(gateway)
    yield
    eventually(lambda: is_well(gateway))
    eventually(
        lambda: measure(gateway).is_back_at(before), lambda: f"{before}, then {measure(gateway)}"
    )


def eventually(
    condition: Callable[[], bool], describe: Callable[[], object] = lambda: "it is not so"
) -> float:
    """Wait until something is so; give how long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < SOON_S, describe()
        time.sleep(0.02)  # between two looks; what is waited for is the condition
    return time.monotonic() - started
