"""Real servers for tests: S3 by SeaweedFS and by hadro, HTTP by nginx, and links that fail.

Each is a process of its own on 127.0.0.1, at ports that were free.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

KEY, SECRET = "testkey", "testsecret"
_START_WITHIN_S = 60


@dataclass(frozen=True)
class S3Server:
    """A running S3 server."""

    url: str
    """``http://127.0.0.1:PORT``"""

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    @property
    def options(self) -> dict[str, Any]:
        """The `storage_options` of who may do everything."""
        return {"key": KEY, "secret": SECRET, "endpoint_url": self.url, "region": "us-east-1"}

    def bucket(self, name: str) -> S3Store:
        """Open a bucket for writing; SeaweedFS makes it with its first object."""
        return S3Store(
            name,
            config={"endpoint": self.url, "access_key_id": KEY, "secret_access_key": SECRET},
            client_options={"allow_http": True},
        )

    def put(self, bucket: str, files: dict[str, bytes]) -> None:
        """Write objects."""
        for key, content in files.items():
            obstore.put(self.bucket(bucket), key, content)


def require(command: str) -> str:
    """Find a command; skip the test without it, but never in CI."""
    beside = Path(sys.executable).with_name(command)
    found = str(beside) if beside.exists() else shutil.which(command)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {command}.")
        pytest.skip(f"{command} is not installed.")
    return found


def free_ports(count: int, *, in_a_row: bool = False) -> list[int]:
    """Find ports that nobody listens on."""
    while True:
        with ExitStack() as stack:
            ports: list[int] = []
            with suppress(OSError, OverflowError):
                for n in range(count):
                    wanted = ports[0] + n if in_a_row and ports else 0
                    taken = stack.enter_context(socket.socket())
                    taken.bind(("127.0.0.1", wanted))
                    ports.append(taken.getsockname()[1])
                return ports


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process listens."""
    give_up = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < give_up and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args} does not listen.")


@contextmanager
def running(*command: str | int | Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; it is killed, for nothing of it is kept.

    With it go the processes that it began: nginx's workers would outlive their master.
    """
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            wait_for_port(port, process)
            yield process
        finally:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def run_seaweedfs() -> Iterator[S3Server]:
    """Run SeaweedFS; anyone may read its bucket "public"."""
    names = ["s3.port", "master.port", "volume.port", "filer.port"]
    names += [f"{name}.grpc" for name in names]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    admin = {
        "name": "admin",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    anonymous = {"name": "anonymous", "actions": ["Read:public", "List:public"]}
    with TemporaryDirectory() as folder:
        config = Path(folder, "s3.json")
        config.write_text(json.dumps({"identities": [admin, anonymous]}))
        flags = [
            *(f"-{name}={port}" for name, port in ports.items()),
            f"-dir={folder}",
            f"-s3.config={config}",
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
            *("-volume.max=100", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-metricsPort=0"),
        ]
        with running(require("weed"), "server", *flags, port=ports["s3.port"]):
            server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
            _wait_until_writable(server)
            yield server


def _wait_until_writable(server: S3Server) -> None:
    """Wait for the volumes: the port opens before they are ready."""
    give_up = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            return server.put("public", {"ready": b"yes"})
        except BaseError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


@contextmanager
def run_hadro(folder: Path, *flags: str | float) -> Iterator[S3Server]:
    """Run hadro, an S3 server with faults, on a folder of buckets."""
    (port,) = free_ports(1)
    flags = ("--port", port, "--access-key", KEY, "--secret-key", SECRET, *flags)
    with running(require("hadro"), folder, *flags, port=port):
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def run_nginx(material: Path, files: dict[str, bytes]) -> Iterator[int]:
    """Run nginx in its eight moods; give the port of the first, the others follow."""
    require("nginx")
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # it reads as another user
        www = Path(folder, "www")
        for name, content in files.items():
            path = www / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        ports = free_ports(8, in_a_row=True)
        script = material / "servers/nginx.sh"
        with running("bash", script, www, Path(folder, "state"), ports[0], port=ports[7]):
            yield ports[0]


@contextmanager
def run_link(
    material: Path, target: int, *, rtt_ms: float = 0, mbit: float = 0, cut_after: int = 0
) -> Iterator[int]:
    """Run a slow or breaking link to a port; give the port of its near end."""
    (port,) = free_ports(1)
    script = material / "servers/link.py"
    with running(sys.executable, script, port, target, rtt_ms, mbit, cut_after, port=port):
        yield port


@contextmanager
def hung_server() -> Iterator[int]:
    """Listen and never answer; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
