"""The real command: its workers, its signals, and what it says when it cannot start."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.fits_files import TAN, image
from tests.running import STOP_WITHIN_S, run_command, run_gateway

FILE = image(cards=TAN)
LARGE = 200 * 2**20  # bytes; more than all buffers between two sockets
QUERY = "center=60,50px&size=10px"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Make a folder with an image and a large file."""
    (tmp_path / "a.fits").write_bytes(FILE)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGE)
    return tmp_path


@contextmanager
def ask(
    port: int, path: str, timeout_s: float = STOP_WITHIN_S
) -> Iterator[http.client.HTTPResponse]:
    """Send a request on a connection of its own, and give its answer once its head is there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    with closing(connection):
        connection.request("GET", path)
        with connection.getresponse() as answer:
            yield answer


def drain(answer: http.client.HTTPResponse) -> int:
    """Read to the end, and count the bytes; a connection that breaks gives fewer."""
    received = 0
    with suppress(ConnectionError):
        while part := answer.read(2**20):
            received += len(part)
    return received


def test_curl_gets_a_cutout(archive: Path, tmp_path: Path):
    """The command prints where it listens, and curl saves a cutout under a true name."""
    with run_gateway("serve", archive, "--port", "0") as gateway:
        url = f"{gateway.url}/ibe/data/a.fits?{QUERY}"
        folder = tmp_path / "saved"
        folder.mkdir()
        subprocess.run(["curl", "-sS", "-O", "-J", url], cwd=folder, check=True)
        gateway.process.send_signal(signal.SIGTERM)

        assert gateway.url.startswith("http://127.0.0.1:")
        assert [path.name for path in folder.iterdir()] == ["a.fits.gz"]
        assert gateway.wait() == 0


def takes_more(port: int) -> bool:
    """Tell whether another request is answered."""
    try:
        with ask(port, "/healthz", timeout_s=1) as answer:
            return answer.read() == b"ok\n"
    except OSError:  # refused, reset, or never answered
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_drains(archive: Path, workers: int):
    """What has begun is finished, nothing new is taken, and the exit status is 0."""
    with run_gateway("serve", archive, "--port", "0", "--workers", str(workers)) as gateway:
        with ask(gateway.port, "/ibe/data/large") as answer:
            received = len(answer.read(1000))
            gateway.process.send_signal(signal.SIGTERM)
            while takes_more(gateway.port):
                pass
            assert gateway.process.poll() is None
            received += drain(answer)

        assert received == LARGE
        assert gateway.wait() == 0


def test_a_worker_that_is_killed_is_replaced(archive: Path):
    """The death of a worker costs what it was answering, and the service goes on."""
    with run_gateway("serve", archive, "--port", "0", "--workers", "2") as gateway:
        while len(before := gateway.workers) < 2:
            gateway.get("/healthz")
        gateway.get("/ibe/data/a.fits")
        with ask(gateway.port, "/ibe/data/large") as answer:
            received = len(answer.read(1000))
            for worker in before:
                os.kill(worker, signal.SIGKILL)
            received += drain(answer)

        assert received < LARGE
        assert gateway.get("/ibe/data/a.fits") == FILE
        while len(gateway.workers - before) < 2:
            gateway.get("/healthz")


def test_every_line_is_of_one_form(archive: Path, tmp_path: Path):
    """What is told of requests, of failures and of workers can be read by one program."""
    (archive / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[server]\nport = 0\nlog_format = "json"\n'
        f'[[collections]]\npath = "/ibe/data"\nurl = "{archive}"\n'
    )
    with run_gateway("serve", "--config", config) as gateway:
        with ask(gateway.port, f"/ibe/data/broken.fits?{QUERY}") as answer:
            assert answer.status == 500
        while not (before := gateway.workers):
            pass
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        while not gateway.workers - before:
            pass
        gateway.get("/healthz")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait()
        lines = [json.loads(line) for line in gateway.read_log().splitlines()]

    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["time"]) for line in lines)
    assert {"WARNING", "ERROR"} <= {line.get("level") for line in lines}
    assert any(line.get("url") == "/healthz" for line in lines)


def test_an_error_in_the_configuration_names_its_line(tmp_path: Path):
    """The program refuses to start, and says where and what."""
    config = tmp_path / "gateway.toml"
    config.write_text('[server]\nport = 8080\n\n[[collections]]\npath = "/ibe/x"\nurl = 7\n')
    ended = run_command("serve", "--config", config)

    assert ended.returncode == 2
    assert "gateway.toml, line 6" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use(tmp_path: Path):
    """An address that is taken is said in a sentence, not in a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_command("serve", tmp_path, "--port", str(port))

    assert ended.returncode == 1
    assert "in use" in ended.stderr
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr
