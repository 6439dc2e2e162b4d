"""Twins: files that are gzipped, or tiled without loss, are cut as the plain ones are.

What the production program was asked of a plain file is asked of its twins, on a disk, on S3 and on
a web server. Here each of these takes some of the files; GATEWAY_TWINS_EVERY=1 has it take all.
"""

import io
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits
from isal import igzip

from gateway.config import load_settings
from gateway.core.errors import GatewayError
from gateway.core.inflate import MAGIC
from gateway.service import Service, open_service
from tests.core.compressed import read_hdus
from tests.mirrors import STORAGES
from tests.recorded_answers import read_answers
from tests.replay import ask
from tests.servers import S3Server, run_nginx

EVERY = int(os.environ.get("GATEWAY_TWINS_EVERY", "48"))
NO_FITS = ("real/rosat_im1_unixcompress.fits.Z",)
NOT_TILED = (  # astropy cannot tile them, or writes another header than it read
    "made/hdr_raw_formats.fits",
    "made/spectrum_1d.fits",
    "real/aips_random_groups.fits",
    "real/aips_uvfits_naxis2_0_zerowidth.fits",
)


def tile(content: bytes) -> bytes:
    """Compress the images of a file by tiles, without loss; the first goes behind an empty HDU."""
    raw = {"do_not_scale_image_data": True, "uint": False}
    lossless = {"compression_type": "GZIP_2", "quantize_level": 0}
    tiled, file = fits.HDUList([fits.PrimaryHDU()]), io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),  # files are as they are
        fits.open(io.BytesIO(content), disable_image_compression=True, **raw) as hdus,
    ):
        for index, hdu in enumerate(hdus):
            if hdu.is_image and hdu.data is not None:
                tiled.append(fits.CompImageHDU(hdu.data, hdu.header, **lossless, **raw))
            elif index:
                tiled.append(hdu)
        tiled.writeto(file, output_verify="ignore")
    return file.getvalue()


def pixels(answer: bytes) -> list[bytes]:
    """Give the pixels of the images of an answer."""
    found = [hdu.data_range for hdu in read_hdus(answer) if hdu.is_image]
    return [answer[place.start : place.stop] for place in found]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to compress a file."""

    name: str
    compress: Callable[[bytes], bytes]
    compared: Callable[[bytes], object]
    """What of an answer must be the same."""
    small_parent_bytes: int = 0
    """Up to which size a gzip file is kept unpacked."""
    without: tuple[str, ...] = NO_FITS


KINDS = (
    Kind("gzipped-in-memory", igzip.compress, bytes, small_parent_bytes=2**26),
    Kind("gzipped-by-index", igzip.compress, bytes),
    Kind("tiled", tile, pixels, without=NO_FITS + NOT_TILED),
)


@pytest.fixture(scope="module")
def recorded(material: Path) -> dict[str, list[str]]:
    """Give what was asked of each file."""
    answers = read_answers(material)
    return {file: [answer.query for answer in asked] for file, asked in answers.items()}


@pytest.fixture(scope="module")
def folders(material: Path, made: Path) -> dict[str, Path]:
    """Say where the files are: the first segment of their names -> folder."""
    return {"made": made, "real": material / "data/fits"}


def read_plain(
    kind: Kind, files: list[str], folders: dict[str, Path]
) -> Iterator[tuple[str, bytes]]:
    """Read those of some files that are not compressed yet and can be."""
    for file in files:
        folder, _, name = file.partition("/")
        content = (folders[folder] / name).read_bytes()
        is_tiled = b"ZIMAGE  =                    T" in content
        if not (content.startswith(MAGIC) or is_tiled or file in kind.without):
            yield file, content


@dataclass(frozen=True, slots=True)
class Storage:
    """Where files are put."""

    name: str
    folder: Path
    """An empty one, whose name nothing else has."""
    seaweedfs: S3Server
    material: Path

    @contextmanager
    def holding(self, files: dict[str, bytes]) -> Iterator[dict[str, object]]:
        """Put files there, and say where that is in the words of the configuration."""
        if self.name == "disk":
            for name, content in files.items():
                (self.folder / name).parent.mkdir(exist_ok=True)
                (self.folder / name).write_bytes(content)
            yield {"url": str(self.folder)}
        elif self.name == "s3":
            keys = {f"{self.folder.name}/{name}": content for name, content in files.items()}
            self.seaweedfs.put("twins", keys)
            url = f"s3://twins/{self.folder.name}"
            yield {"url": url, "storage_options": self.seaweedfs.options}
        else:
            with run_nginx(self.material, files) as port:
                yield {"url": f"http://127.0.0.1:{port}"}


@pytest.fixture(params=STORAGES)
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, seaweedfs: S3Server, material: Path
) -> Storage:
    """Choose a storage."""
    return Storage(request.param, tmp_path, seaweedfs, material)


@asynccontextmanager
async def serving(
    places: dict[str, dict[str, object]], small_parent_bytes: int = 0
) -> AsyncIterator[Service]:
    """Open the service of some places."""
    collections = [{"path": path, "box": "ibe", **place} for path, place in places.items()]
    cache = {"small_parent_bytes": small_parent_bytes}
    service = open_service(load_settings(None, {"cache": cache, "collections": collections}))
    try:
        yield service
    finally:
        await service.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_twins_are_cut_as_the_plain_files(
    kind: Kind, storage: Storage, recorded: dict[str, list[str]], folders: dict[str, Path]
):
    """A gzipped file gives the bytes of the plain one, a tiled one its pixels, or the refusal."""

    def told(answer: bytes | GatewayError) -> object:
        return kind.compared(answer) if isinstance(answer, bytes) else type(answer)

    first = KINDS.index(kind) * len(STORAGES) + STORAGES.index(storage.name)
    files = list(recorded)[first % EVERY :: EVERY]
    twins = {file: kind.compress(each) for file, each in read_plain(kind, files, folders)}
    plain = {f"/ibe/data/{name}": {"url": str(path)} for name, path in folders.items()}
    different = []
    with storage.holding(twins) as place:
        async with (
            serving(plain) as known,
            serving({"/ibe/data": place}, kind.small_parent_bytes) as service,
        ):
            for file in twins:
                for query in recorded[file]:
                    expected, found = await ask(known, file, query), await ask(service, file, query)
                    if told(expected) != told(found):
                        different.append((file, query))

    assert twins
    assert different == []
