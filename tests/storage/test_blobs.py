"""Blobs of a file: bounded, by identity, and never a wrong byte."""

import random
import sqlite3
from pathlib import Path

import pytest

from gateway.storage.blobs import Blobs, DamagedError, NewerError

PLENTY = 2**26
RNG = random.Random(1)  # noqa: S311 - not for secrets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that is not there yet."""
    return tmp_path / "blobs.sqlite"


def change(path: Path, *statements: str) -> None:
    """Change a file behind the back of the program."""
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_blob_is_given_for_its_identity_alone(path: Path):
    """Kind, name and identity all count; the next identity takes the place of the former."""
    blobs = Blobs(path, PLENTY)
    blobs.put("layout", "a", "1", b"old")
    blobs.put("gzip", "a", "1", b"seek")
    blobs.put("layout", "b", "1", b"other")

    assert blobs.get("layout", "a", "1") == b"old"
    assert blobs.get("gzip", "a", "1") == b"seek"
    assert blobs.get("layout", "a", "2") is None
    assert blobs.get("layout", "c", "1") is None
    blobs.put("layout", "a", "2", b"new")
    assert blobs.get("layout", "a", "1") is None
    assert blobs.get("layout", "a", "2") == b"new"
    blobs.forget("layout", "a")
    assert blobs.get("layout", "a", "2") is None
    assert blobs.get("layout", "b", "1") == b"other"


def test_blobs_outlive_the_process(path: Path):
    """What was put is there when the file is opened again."""
    first = Blobs(path, PLENTY)
    first.put("layout", "a", "1", b"kept")
    first.close()

    assert Blobs(path, PLENTY).get("layout", "a", "1") == b"kept"


def test_the_least_recently_used_gives_way(path: Path):
    """The file keeps to its bound; what was not used for the longest is dropped first."""
    blobs = Blobs(path, 2**20)
    blobs.put("layout", "old", "1", RNG.randbytes(50_000))
    blobs.put("layout", "used", "1", RNG.randbytes(50_000))
    change(path, "UPDATE blobs SET used = 1000 WHERE name = 'old'")
    change(path, "UPDATE blobs SET used = 999 WHERE name = 'used'")
    assert blobs.get("layout", "used", "1")  # marks it
    for n in range(14):
        blobs.put("layout", f"{n}", "1", RNG.randbytes(50_000))

    assert blobs.get("layout", "old", "1") is None
    assert blobs.get("layout", "used", "1")
    assert blobs.get("layout", "13", "1")
    for n in range(100):
        blobs.put("layout", f"{n}", "2", RNG.randbytes(50_000))
        assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 2**20 + 2**15


def test_what_was_used_in_the_future_gives_way(path: Path):
    """After the clock was set back, new blobs do not drive out one another."""
    blobs = Blobs(path, 2**20)
    for n in range(20):
        blobs.put("layout", f"before {n}", "1", RNG.randbytes(50_000))
    change(path, "UPDATE blobs SET used = used + 1000000")
    for n in range(10):
        blobs.put("layout", f"after {n}", "1", RNG.randbytes(50_000))

    assert all(blobs.get("layout", f"after {n}", "1") for n in range(10))


def test_a_blob_that_would_drive_out_most_others_is_not_kept(path: Path):
    """A blob may take an eighth of the bound."""
    blobs = Blobs(path, 2**20)
    blobs.put("layout", "large", "1", bytes(2**17 + 1))
    blobs.put("layout", "fits", "1", bytes(2**17))

    assert blobs.get("layout", "large", "1") is None
    assert blobs.get("layout", "fits", "1") == bytes(2**17)


def test_a_smaller_bound_shrinks_the_file(path: Path):
    """A file from a time of plenty gives back what it may no longer have."""
    blobs = Blobs(path, PLENTY)
    for n in range(100):
        blobs.put("layout", f"{n:02}", "1", RNG.randbytes(50_000))
    blobs.close()
    small = Blobs(path, 2**20)

    assert path.stat().st_size <= 2**20
    assert small.get("layout", "00", "1") is None
    assert small.get("layout", "99", "1")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blobs SET data = X'00'",
        "UPDATE blobs SET name = 'b'",
        "UPDATE blobs SET identity = '2'",
        "UPDATE blobs SET kind = 'gzip'",
        "UPDATE blobs SET checksum = X''",
        "DROP TABLE blobs",
        "ALTER TABLE blobs RENAME COLUMN data TO bytes",
    ],
)
def test_what_was_changed_is_never_given(path: Path, statement: str):
    """A blob that is not what was put, or not where it was put, is damage or absent."""
    blobs = Blobs(path, PLENTY)
    blobs.put("layout", "a", "1", b"right")
    change(path, statement)

    for kind, name, identity in (
        ("layout", "a", "1"),
        ("layout", "b", "1"),
        ("layout", "a", "2"),
        ("gzip", "a", "1"),
    ):
        try:
            assert blobs.get(kind, name, identity) is None
        except DamagedError:
            continue


@pytest.mark.parametrize("content", [b"not a database at all", bytes(5000), RNG.randbytes(9000)])
def test_a_file_that_is_no_database_is_damaged(path: Path, content: bytes):
    """What is not of SQLite is told from what is."""
    path.write_bytes(content)

    with pytest.raises(DamagedError):
        Blobs(path, PLENTY)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("CREATE TABLE birds (name TEXT)", DamagedError),
        ("PRAGMA application_id = 7", DamagedError),
        ("PRAGMA user_version = 7", DamagedError),
    ],
)
def test_a_database_of_another_program_is_not_used(path: Path, statement: str, error: type):
    """A database that somebody else made is not taken for ours."""
    change(path, statement)

    with pytest.raises(error):
        Blobs(path, PLENTY)


@pytest.mark.parametrize(("version", "error"), [(0, DamagedError), (2, NewerError)])
def test_a_file_of_another_version_is_known(path: Path, version: int, error: type):
    """A file of an older version makes room, one of a newer version is left alone."""
    Blobs(path, PLENTY).close()
    change(path, f"PRAGMA user_version = {version}")

    with pytest.raises(error):
        Blobs(path, PLENTY)


def test_damage_in_the_middle_is_noticed(path: Path):
    """Bytes that rot on the disk are never given; most of them SQLite does not see."""
    blobs = Blobs(path, PLENTY)
    right = {f"{n}": RNG.randbytes(5000) for n in range(50)}
    for name, data in right.items():
        blobs.put("layout", name, "1", data)
    blobs.close()
    content = bytearray(path.read_bytes())
    for offset in range(4096, len(content), 1500):
        content[offset] ^= 0x55
    path.write_bytes(content)
    blobs = Blobs(path, PLENTY)
    damaged = 0
    for name, data in right.items():
        try:
            assert blobs.get("layout", name, "1") in {None, data}
        except DamagedError:
            damaged += 1

    assert damaged
