"""More connections than there is room for, or than are accepted at once."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import (
    IMAGE,
    connect,
    eventually,
    is_well,
    measure,
    read_all,
    request,
    unharmed,
    warm,
    write_config,
)
from tests.running import Gateway, run_gateway

CONNECTION_BYTES = 16 * 1024  # that one which says nothing may take


@contextmanager
def room_for(connections: int) -> Iterator[None]:
    """Let this process have so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < connections + 1000:
        pytest.skip(f"This process may open {hard} files only.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def silent_clients(gateway: Gateway, count: int) -> Iterator[None]:
    """Have many connections on which nothing is said, from several addresses."""
    with ExitStack() as clients:
        for n in range(count):
            clients.enter_context(connect(gateway, address=f"127.0.0.{2 + n % 8}"))
        yield


@pytest.mark.parametrize("many", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_that_say_nothing(archive: Path, many: int):
    """Others are served within a second; what the silent ones cost is little, and found again."""
    config = write_config(archive, limits=f"max_connections = {2 * many}")
    with run_gateway("serve", "--config", config) as gateway, room_for(many):
        warm(gateway)
        before = measure(gateway)
        for _ in range(2):
            first = measure(gateway)
            with silent_clients(gateway, many):
                eventually(lambda: measure(gateway).descriptors > many)
                during = measure(gateway)
                eventually(lambda: is_well(gateway))
                assert gateway.get("/ibe/data/a.fits") == IMAGE
            eventually(lambda: measure(gateway).descriptors <= before.descriptors)

        assert during.memory_bytes < first.memory_bytes + 2**22  # the second time cost nothing
        assert during.memory_bytes < before.memory_bytes + 2**22 + many * CONNECTION_BYTES


def test_more_than_there_are_descriptors(archive: Path):
    """Silent connections give way: who asks is heard, and files can be opened for him."""
    with run_gateway(
        "serve", archive, "--port", "0", under=["prlimit", "--nofile=400:400"]
    ) as gateway:
        warm(gateway)
        with unharmed(gateway), connect(gateway) as kept, silent_clients(gateway, 250):
            kept.sendall(request())  # it is no longer silent, and so it is kept
            assert kept.recv(2**20)
            with silent_clients(gateway, 600):
                for _ in range(20):  # each is a file that must be opened
                    (archive / "new").write_bytes(IMAGE)
                    (archive / "new").replace(archive / "a.fits")
                    assert gateway.get("/ibe/data/a.fits") == IMAGE
                kept.sendall(request("/ibe/data/a.fits", "Connection: close"))
                assert read_all(kept).endswith(IMAGE)
                assert measure(gateway).descriptors < 400
        assert "Too many open files" not in gateway.read_log()


def test_more_than_are_accepted_at_once(archive: Path):
    """A worker that is busy for a moment finds those who came meanwhile: none was turned away."""
    waiting = 500
    allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
    if allowed < waiting:
        pytest.skip(f"This system lets {allowed} connections wait.")
    with run_gateway("serve", archive, "--port", "0") as gateway, ExitStack() as clients:
        warm(gateway)
        with unharmed(gateway):
            (worker,) = gateway.workers
            os.kill(worker, signal.SIGSTOP)
            try:
                for _ in range(waiting):  # a connection that is not heard tries again, and again
                    clients.enter_context(connect(gateway))
            finally:
                os.kill(worker, signal.SIGCONT)
            clients.close()
