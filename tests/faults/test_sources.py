"""Files that change while they are sent: nothing wrong is sent as right."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import IMAGE, LARGE, connect, read_all, request
from tests.running import Gateway, run_gateway


def truncate(path: Path) -> None:
    """Cut the file off in place."""
    with path.open("r+b") as file:
        file.truncate(1000)


def overwrite(path: Path) -> None:
    """Write something else in place, of the same length."""
    with path.open("r+b") as file:
        for _ in range(LARGE // 2**20):
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
    """Make one folder for all."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "a.fits").write_bytes(IMAGE)
    return folder


@pytest.fixture(scope="module")
def gateway(archive: Path) -> Iterator[Gateway]:
    """Run one gateway for all."""
    with run_gateway("serve", archive, "--port", "0") as running:
        yield running


@pytest.mark.parametrize(
    ("harm", "is_whole"),
    [(truncate, False), (overwrite, False), (replace, True), (Path.unlink, True), (hide, True)],
)
def test_a_file_that_changes_while_it_is_sent(
    gateway: Gateway, archive: Path, harm: Callable[[Path], None], *, is_whole: bool
):
    """The old version is sent to its end, or the connection breaks: never a mixture as a whole."""
    path = archive / harm.__name__
    with path.open("wb") as file:
        file.truncate(LARGE)
    with connect(gateway, buffer_bytes=2**16) as client:
        client.sendall(request(f"/ibe/data/{path.name}", "Connection: close"))
        answer = client.recv(1000)
        harm(path)
        answer += read_all(client)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert f"Content-Length: {LARGE}".encode() in head
    assert (len(body) == LARGE) is is_whole
    assert not (is_whole and body.strip(b"\0"))  # not a byte of another version
    assert gateway.get("/ibe/data/a.fits") == IMAGE
