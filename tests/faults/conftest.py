"""A gateway of real processes that is to be harmed, and what is left of it afterwards."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fits_files import TAN, image, pixels
from tests.running import Gateway, run_gateway

IMAGE = image(pixels((60, 50), "i2"), TAN)
LARGE = 32 * 2**20  # bytes; more than all buffers between two sockets
SOON_S = 20.0  # generous: the machines of CI are slow, and busy


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
        for name in ("a.fits", "large"):  # both stay open from now on
            gateway.get(f"/ibe/data/{name}")
        yield gateway


def connect(gateway: Gateway, *, buffer_bytes: int | None = None) -> socket.socket:
    """Connect, with a receive buffer of a given size."""
    client = socket.socket()
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


def count_descriptors(gateway: Gateway) -> int:
    """Count the open files and sockets of all workers."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in gateway.workers)


def eventually(condition: Callable[[], bool], within_s: float = SOON_S) -> float:
    """Wait until something is so; give how long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        took = time.monotonic() - started
        assert took < within_s, f"it is not so after {took:.0f} s"
        time.sleep(0.02)  # between two looks; what is waited for is the condition
    return time.monotonic() - started
