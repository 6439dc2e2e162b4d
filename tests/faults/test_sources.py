"""Files that change while they are sent: nothing wrong is sent as right."""

import http.client
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.conftest import IMAGE, SOON_S, unharmed, warm
from tests.fits_files import TAN, image, pixels
from tests.running import Gateway, run_gateway

SIDE = 2900  # pixels of 4 bytes: 32 MB, more than all buffers between two sockets
CUTOUT = f"?center={SIDE // 2},{SIDE // 2}px&size={SIDE - 2}px"


def truncate(path: Path) -> None:
    """Cut the file off in place."""
    with path.open("r+b") as file:
        file.truncate(1000)


def overwrite(path: Path) -> None:
    """Write something else in place, of the same length."""
    with path.open("r+b") as file:
        for _ in range(path.stat().st_size // 2**20):
            file.write(b"x" * 2**20)


def replace(path: Path) -> None:
    """Put another file in its place, as archives do."""
    other = path.with_suffix(".new")
    other.write_bytes(b"y" * 1000)
    other.replace(path)


def hide(path: Path) -> None:
    """Forbid to read it."""
    path.chmod(0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one folder for all; the large image is noise, that it be large when it is gzipped."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "a.fits").write_bytes(IMAGE)
    (folder / "original").write_bytes(image(pixels((SIDE, SIDE), "f4"), TAN))
    return folder


@pytest.fixture(scope="module")
def gateway(archive: Path) -> Iterator[Gateway]:
    """Run one gateway for all."""
    with run_gateway("serve", archive, "--port", "0") as running:
        warm(running)
        yield running


class Reader:
    """Asks for an answer and takes in only its beginning, until it is told to go on."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=SOON_S)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        self._connection.request("GET", path)
        self._answer = self._connection.getresponse()
        self._begun = self._answer.read(1000)

    def finish(self) -> bytes | None:
        """Give the whole answer; None if it was broken off."""
        with closing(self._connection):
            try:
                return self._begun + self._answer.read()
            except (http.client.IncompleteRead, ConnectionError):
                return None


@pytest.mark.parametrize(
    ("harm", "is_whole"),
    [(truncate, False), (overwrite, False), (replace, True), (Path.unlink, True), (hide, True)],
)
@pytest.mark.parametrize("query", ["", f"{CUTOUT}&gzip=false", CUTOUT])
def test_a_file_that_changes_while_it_is_sent(
    gateway: Gateway, archive: Path, query: str, harm: Callable[[Path], None], *, is_whole: bool
):
    """The old version is sent to its end, or the connection breaks: never a mixture as a whole."""
    path = archive / "large.fits"
    path.unlink(missing_ok=True)
    shutil.copy(archive / "original", path)
    right = Reader(gateway, f"/ibe/data/{path.name}{query}").finish()
    assert right is not None
    with unharmed(gateway):
        reader = Reader(gateway, f"/ibe/data/{path.name}{query}")
        harm(path)
        found = reader.finish()

        assert found == (right if is_whole else None)
        assert gateway.get("/ibe/data/a.fits") == IMAGE
