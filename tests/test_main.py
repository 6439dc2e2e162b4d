"""The command line: cut without a server, check, demonstrate, serve."""

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from fsspec.implementations.memory import MemoryFileSystem

from gateway.__main__ import main
from gateway.demo import EXAMPLES
from tests.fits_files import TAN, extension, image, mef, pixels
from tests.running import run_command, run_gateway

DATA = pixels(dtype="i2")
FILE = image(DATA, TAN)
WHERE = ("--center", "50,40px", "--size", "11,7px")
CUT = DATA[36:43, 44:55]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds an image, plain and gzipped."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.fits").write_bytes(FILE)
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(FILE))
    return tmp_path


def data_of(file: bytes) -> np.ndarray:
    """Read the pixels of a file, strictly."""
    with fits.open(io.BytesIO(file)) as hdus:
        hdus.verify("exception")
        return hdus[0].data


def test_a_cutout_into_a_named_file(folder: Path):
    """A cutout is written plain, or gzipped if the name says so; nothing else is left."""
    assert main(["cutout", "a.fits", *WHERE, "-o", "plain.fits"]) == 0
    assert main(["cutout", str(folder / "b.fits.gz"), *WHERE, "-o", "packed.fits.gz"]) == 0
    plain = (folder / "plain.fits").read_bytes()

    assert np.array_equal(data_of(plain), CUT)
    assert gzip.decompress((folder / "packed.fits.gz").read_bytes()) == plain
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("source", ["a.fits", "b.fits.gz"])
def test_a_cutout_has_a_name_by_itself(folder: Path, source: str):
    """Without a name the file is called after its source, and the ending tells the truth."""
    assert main(["cutout", source, *WHERE]) == 0
    written = folder / f"cutout_{source.removesuffix('.gz')}"

    assert np.array_equal(data_of(written.read_bytes()), CUT)


def test_a_cutout_to_standard_output(folder: Path, capsysbinary: pytest.CaptureFixture[bytes]):
    """A dash writes the bytes of the cutout and nothing else."""
    assert main(["cutout", "a.fits", *WHERE, "-o", "-"]) == 0
    assert np.array_equal(data_of(capsysbinary.readouterr().out), CUT)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(("box", "shape"), [("exact", (7, 11)), ("ibe", (8, 12))])
def test_the_rule_for_the_pixels(folder: Path, box: str, shape: tuple[int, int]):
    """The command knows both rules."""
    assert main(["cutout", "a.fits", *WHERE, "--box", box, "-o", "c.fits"]) == 0
    assert data_of((folder / "c.fits").read_bytes()).shape == shape


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.fits", "--center", "1", "--size", "1px"], "Parameter 'center'"),
        (["a.fits", "--center", "1,1px", "--size=-1px"], "Parameter 'size'"),
        (["a.fits", "--center=-99,1px", "--size", "1px"], "overlap"),
        (["a.fits", "--center", "-99,1px", "--size", "1px"], "overlap"),
        (["missing.fits", *WHERE], "no such file"),
        (["nosuchscheme://x/a.fits", *WHERE], "nosuchscheme"),
    ],
)
def test_a_cutout_that_cannot_be_made(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    """The reason is said in a sentence, the status is not 0, and no file is left."""
    status = main(["cutout", *arguments, "-o", "c.fits"])
    errors = capsys.readouterr().err

    assert status == 2
    assert errors.startswith("ibe-gateway: ")
    assert said.lower() in errors.lower()
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("output", ["a.fits", "./a.fits", "link.fits"])
def test_the_source_is_not_written_over(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str
):
    """A cutout never takes the place of the file that it is cut from."""
    (folder / "link.fits").symlink_to("a.fits")

    assert main(["cutout", "a.fits", *WHERE, "-o", output]) == 2
    assert "is the source" in capsys.readouterr().err
    assert (folder / "a.fits").read_bytes() == FILE


def test_some_hdus(folder: Path):
    """As in a URL, the HDUs that are wanted can be named."""
    file = mef(extension(DATA, "SCI", TAN), extension(DATA, "MASK", TAN))
    (folder / "c.fits").write_bytes(file)

    assert main(["cutout", "c.fits", *WHERE, "--hdu", "MASK", "-o", "d.fits"]) == 0
    with fits.open(folder / "d.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "MASK"]


def test_a_folder_that_cannot_be_written_to(folder: Path, capsys: pytest.CaptureFixture[str]):
    """An error of the system is said too, and the old file stays as it was."""
    (folder / "a.fits").chmod(0o444)

    partial = f"missing/c.fits.part{os.getpid()}"

    assert main(["cutout", "a.fits", *WHERE, "-o", "missing/c.fits"]) == 1
    assert capsys.readouterr().err == f"ibe-gateway: {partial}: No such file or directory\n"
    assert (folder / "a.fits").read_bytes() == FILE


@pytest.fixture
def in_memory() -> Iterator[str]:
    """Put an image into fsspec's memory, and give its URL."""
    filesystem = MemoryFileSystem()
    filesystem.pipe("/main/a.fits", FILE)
    yield "memory://main/a.fits"
    filesystem.rm("/main", recursive=True)


def test_a_cutout_of_any_filesystem(folder: Path, in_memory: str):
    """A source may be any URL that fsspec knows."""
    assert main(["cutout", in_memory, *WHERE]) == 0
    assert np.array_equal(data_of((folder / "cutout_a.fits").read_bytes()), CUT)


def test_a_gateway_as_the_storage_of_another(folder: Path):
    """A cutout of a file over HTTP: a gateway is an origin with ranges."""
    with run_gateway("serve", folder, "--port", "0") as gateway:
        url = f"{gateway.url}/ibe/data"
        assert main(["cutout", f"{url}/a.fits", *WHERE]) == 0
        assert main(["cutout", f"{url}/b.fits.gz", *WHERE]) == 0
        with run_gateway("serve", url, "--port", "0") as second:
            listing = second.get("/ibe/data/").decode()
            body = second.get("/ibe/data/a.fits?center=50,40px&size=11,7px&gzip=0")

    assert (
        (folder / "cutout_a.fits").read_bytes() == (folder / "cutout_b.fits").read_bytes() == body
    )
    assert np.array_equal(data_of(body), CUT)
    assert ("./a.fits" in listing, "./b.fits.gz" in listing) == (True, True)


def test_check_says_what_can_be_reached(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Each collection has a line; one that cannot be reached makes the status 1."""
    config = folder / "gateway.toml"
    good = f'[[collections]]\npath = "/ibe/good"\nurl = "{folder}"\n'
    bad = '[[collections]]\npath = "/ibe/bad"\nurl = "http://127.0.0.1:9/nothing"\n'
    config.write_text(good)
    assert main(["check", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "/ibe/good: ok\n"
    config.write_text(good + bad)

    assert main(["check", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "/ibe/good: ok"
    assert lines[0].startswith("/ibe/bad: The storage could not be read; try again later. (")


def test_the_demonstration_may_only_be_made(tmp_path: Path):
    """With --no-serve the archive is made, and the program ends."""
    ended = run_command("demo", "--folder", tmp_path, "--no-serve")

    assert ended.returncode == 0
    assert "Listening" not in ended.stdout
    assert len(list(tmp_path.rglob("*.fits*"))) == ended.stdout.count("made ")


def test_the_demonstration(tmp_path: Path):
    """The demonstration makes an archive, serves it, and its examples are cutouts."""
    folder = tmp_path / "demo"
    with run_gateway("demo", "--folder", folder, "--port", "0") as gateway:
        bodies = [gateway.get(example.url_path_and_query) for example in EXAMPLES]
        made = [line for line in gateway.said if line.startswith("made ")]

    assert len(made) == len([path for path in folder.rglob("*") if path.is_file()])
    assert all(body.startswith((b"\x1f\x8b", b"SIMPLE")) for body in bodies)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve"], "There is nothing to serve"),
        (["serve", "x", "--config", "y"], "not both"),
        (["serve", "--config", "missing.toml"], "missing.toml"),
        (["serve", ".", "--port", "99999"], "port"),
        (["serve", "nosuchscheme://x"], "nosuchscheme"),
        (["serve", "missing"], "no folder missing"),
        (["serve", "a.fits"], "no folder a.fits"),
        (["check", "--config", "missing.toml"], "missing.toml"),
    ],
)
def test_a_start_that_cannot_be(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    """What is missing or too much is said, and the status is 2."""
    assert folder.is_dir()
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_command_is_needed():
    """Without a command the usage is said, as for every other program."""
    ended = run_command()

    assert ended.returncode == 2
    assert "usage: ibe-gateway" in ended.stderr
