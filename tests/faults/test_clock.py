"""The machine's clock is set: what has a date follows it, what has a deadline does not notice."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from gateway.access import sign
from tests.faults.conftest import (
    IMAGE,
    LARGE,
    SOON_S,
    connect,
    eventually,
    read_all,
    refuses,
    request,
    unharmed,
    warm,
    write_config,
)
from tests.running import Gateway, run_gateway
from tests.servers import require

DAY_S = 86_400
KEY = "a key that nobody can guess, surely"
SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """The wall clock of processes, as somebody sets it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """Let the clock be ahead of the true time."""
        new = self.file.with_suffix(".new")
        new.write_text(str(ahead_s))
        new.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the processes that begin from now on have a clock that can be set."""
    compiler = require("cc")
    library, jump = tmp_path / "clock.so", tmp_path / "jump"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    monkeypatch.setenv("CLOCK_JUMP", str(jump))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return Clock(jump)


@pytest.fixture
def gateway(archive: Path, clock: Clock) -> Iterator[Gateway]:
    """Run a gateway where one file opens tomorrow, and another to those who have a ticket."""
    assert clock
    for name in ("signed.fits", "later.fits"):
        shutil.copy(archive / "a.fits", archive / name)
    rule, tomorrow = "[[collections.access]]", datetime.now(UTC) + timedelta(days=1)
    config = write_config(
        archive,
        *(rule, 'paths = "signed.fits"'),
        *(rule, 'paths = "later.fits"', f"public_from = {tomorrow:%Y-%m-%dT%H:%M:%SZ}"),
        limits="keepalive_timeout_s = 2",
    )
    text = config.read_text()
    config.write_text(text.replace("port = 0", f'port = 0\nsigning_keys = ["{KEY}"]'))
    with run_gateway("serve", "--config", config) as running:
        warm(running, "large")
        yield running


def look(gateway: Gateway, name: str) -> tuple[int, Message]:
    """Ask for the image under one of its names; give the status and the headers."""
    try:
        with urlopen(f"{gateway.url}/ibe/data/{name}", timeout=SOON_S) as answer:  # noqa: S310
            assert answer.read() == IMAGE
            return answer.status, answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.headers


def test_dates_follow_the_clock(gateway: Gateway, clock: Clock):
    """Files stay what they are; what opens or ends at a time does so by the clock as it is set."""
    expires = int(time()) + 3600
    ticket = sign(("ibe", "data", "signed.fits"), {}, expires, KEY)
    signed = f"signed.fits?expires={expires}&signature={ticket}"
    _, first = look(gateway, "a.fits")
    assert look(gateway, signed)[0] == 200
    clock.set(3 * DAY_S)
    assert look(gateway, "later.fits")[0] == 200  # now all that stays open is open
    with unharmed(gateway):
        for days in (3, 0, -3, 4000):
            clock.set(days * DAY_S)
            status, headers = look(gateway, "a.fits")
            date = parsedate_to_datetime(headers["Date"]).timestamp()

            assert status == 200
            assert abs(date - time() - days * DAY_S) < SOON_S
            assert headers["ETag"] == first["ETag"]
            assert headers["Last-Modified"] == first["Last-Modified"]
            assert look(gateway, "later.fits")[0] == (200 if days > 0 else 404)
            assert look(gateway, signed)[0] == (404 if days > 0 else 200)


def test_what_is_under_way_does_not_notice(gateway: Gateway, clock: Clock):
    """Answers go on, kept connections are kept, and silent ones are closed in their time."""
    for days in (3, -3):
        with (
            unharmed(gateway),
            connect(gateway, buffer_bytes=4096) as reader,
            connect(gateway) as kept,
            connect(gateway) as silent,
        ):
            reader.sendall(request("/ibe/data/large", "Connection: close"))
            received = len(reader.recv(1000))
            kept.sendall(request())
            assert kept.recv(2**20)
            clock.set(days * DAY_S)
            kept.sendall(request("/ibe/data/a.fits", "Connection: close"))

            assert read_all(kept).endswith(IMAGE)
            assert silent.recv(1) == b""
            assert received + len(read_all(reader)) > LARGE


def test_draining_does_not_wait_for_a_clock_that_was_set_back(gateway: Gateway, clock: Clock):
    """What has begun is finished, and then nothing is waited for."""
    with connect(gateway, buffer_bytes=4096) as client:
        client.sendall(request("/ibe/data/large", "Connection: close"))
        received = len(client.recv(1000))
        gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(gateway))
        clock.set(-3 * DAY_S)
        received += len(read_all(client))

    assert received > LARGE
    assert gateway.wait() == 0
