"""Signals in the middle of load: nothing that has begun is lost, and the service goes on."""

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import (
    IMAGE,
    LARGE,
    WELL_S,
    connect,
    eventually,
    read_all,
    refuses,
    request,
    write_config,
)
from tests.running import Gateway, run_gateway

CUTOUT = "/ibe/data/a.fits?center=30,30px&size=10px"


@contextmanager
def load(gateway: Gateway) -> Iterator[list[str]]:
    """Ask without pause, with kept and with new connections; give what went wrong."""
    wrong: list[str] = []
    ended = threading.Event()

    def ask(*, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        while not ended.is_set():
            try:
                connection.request("GET", CUTOUT)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                wrong.append(str(answer.status))
            if not keep:
                connection.close()
        connection.close()

    threads = [threading.Thread(target=ask, kwargs={"keep": n % 2 == 0}) for n in range(6)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def gzips(gateway: Gateway) -> bool:
    """Tell whether cutouts are gzipped by default."""
    return gateway.get(CUTOUT)[:2] == b"\x1f\x8b"


def test_sighup_reloads_without_a_dropped_request(archive: Path):
    """New workers with the new settings take over; not one request fails meanwhile."""
    config = write_config(archive, 'gzip = "on"')
    with run_gateway("serve", "--config", config, "--workers", "2") as gateway:
        eventually(lambda: len(gateway.workers) == 2)
        assert gzips(gateway)
        before = gateway.workers
        with load(gateway) as wrong:
            write_config(archive, 'gzip = "off"')
            gateway.process.send_signal(signal.SIGHUP)
            eventually(lambda: not gateway.workers & before)
            assert not gzips(gateway)

        assert wrong == []


def test_settings_that_cannot_be_used_change_nothing(archive: Path):
    """SIGHUP with a mistake in the file is told in the log; the old settings stay."""
    config = write_config(archive, 'gzip = "off"')
    with run_gateway("serve", "--config", config) as gateway:
        assert not gzips(gateway)
        before = gateway.workers
        write_config(archive, 'gzip = "perhaps"')
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: not gateway.workers & before)

        assert not gzips(gateway)
        assert "gateway.toml, line 8" in gateway.read_log()


def test_sigterm_refuses_and_finishes(archive: Path):
    """After SIGTERM nobody is taken and left unanswered; what has begun is sent to its end."""
    with run_gateway("serve", archive, "--port", "0", "--workers", "2") as gateway:
        eventually(lambda: len(gateway.workers) == 2)
        with connect(gateway, buffer_bytes=4096) as client:
            client.sendall(request("/ibe/data/large", "Connection: close"))
            received = len(client.recv(1000))
            gateway.process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses(gateway))
            assert gateway.process.poll() is None
            received += len(read_all(client))

        assert received > LARGE
        assert gateway.wait() == 0


def test_a_kept_connection_is_told_that_it_ends(archive: Path):
    """A client that asks once more while the service leaves off gets its answer, and is told."""
    with run_gateway("serve", archive, "--port", "0") as gateway, connect(gateway) as client:
        client.sendall(request())
        received = len(client.recv(2**20))
        assert received > 0
        gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(gateway))
        client.sendall(request())
        answer = read_all(client)

        assert b"200 OK" in answer
        assert b"connection: close" in answer.lower()
        assert answer.endswith(IMAGE)
        assert gateway.wait() == 0


def test_workers_that_are_killed_under_load(archive: Path):
    """Each death costs what the worker was answering; within a second there is another."""
    with run_gateway("serve", archive, "--port", "0", "--workers", "2") as gateway:
        eventually(lambda: len(gateway.workers) == 2)
        with load(gateway) as wrong:
            took_s = []
            for _ in range(3):
                before = gateway.workers
                os.kill(min(before), signal.SIGKILL)
                took_s.append(eventually(lambda before=before: len(gateway.workers - before) == 1))
                gateway.get(CUTOUT)

        assert min(took_s) < WELL_S  # on a busy machine not each time
        assert len(wrong) <= 3 * 6  # at most all that were asked for at that moment
        assert gateway.get("/ibe/data/a.fits") == IMAGE


def test_workers_whose_supervisor_is_killed(archive: Path):
    """They finish what they have begun and end, so that the service can be started anew."""
    with run_gateway("serve", archive, "--port", "0", "--workers", "2") as gateway:
        eventually(lambda: len(gateway.workers) == 2)
        workers = gateway.workers
        with connect(gateway, buffer_bytes=4096) as client:
            client.sendall(request("/ibe/data/large", "Connection: close"))
            received = len(client.recv(1000))
            gateway.process.kill()
            eventually(lambda: refuses(gateway))
            received += len(read_all(client))

        assert received > LARGE
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
