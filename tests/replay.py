"""Recorded queries asked again, and the answers compared with the recorded ones."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from astropy.io import fits

from gateway.config import load_settings
from gateway.core.errors import GatewayError
from gateway.core.header import Header
from gateway.core.layout import Hdu
from gateway.core.query import parse_query, split_query
from gateway.service import Service, open_service
from tests.core.compressed import read_hdus
from tests.recorded_answers import Box, RecordedAnswer, RecordedHdu, parse_box

# What a recorded refusal, or a word of the standard, is in our words.
OUR_WORDS = {
    "200": "200",
    "400 declination": "BadParameter",
    "500 an image HDU with NAXIS != 2": "UnsupportedFits",
    "500 an image HDU without WCS": "NoUsableWcs",
    "500 centre cannot be projected": "NoUsableWcs",
    "500 damaged file": "CorruptFits",
    "500 no overlap": "NoOverlap",
    "NOOVERLAP": "NoOverlap",
    "NOWCS": "NoUsableWcs",
    "UNPROJ": "NoUsableWcs",
}
GARBAGE = "same (its NaN pixels are garbage)"

# SPEC 4: the cards of a cutout that are not the parent's.
_CHANGED = re.compile(rb"NAXIS[12] *|CRPIX[12][A-Z]? *|LTV[12] *")
_DROPPED = re.compile(rb"CHECKSUM|DATASUM *")
# FITS 4.0, 10.1: what a compressor writes for itself.
_COMPRESSION = re.compile(
    rb"(XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|THEAP|EXTNAME|T[A-Z]{3,4}\d+|Z[A-Z]+\d*) *"
)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that is otherwise than recorded."""

    file: str
    expected: str
    """``200``, a status with its reason, a word of the standard, or the HDU that differs."""
    ours: str
    """``200``, the name of our error, or what of the HDU differs."""
    query: str


class Replay:
    """Asks the recorded queries again.

    Parameters
    ----------
    recorded : dict of str to list of RecordedAnswer
        By file.
    folders : dict of str to Path
        Where the files are: the first segment of their names -> folder.
    """

    def __init__(self, recorded: dict[str, list[RecordedAnswer]], folders: dict[str, Path]) -> None:
        self.recorded = recorded
        self._folders = folders
        self._found: dict[str, list[Discrepancy]] = {}

    async def discrepancies(self, file: str) -> list[Discrepancy]:
        """Ask all queries of a file; say what is otherwise than recorded."""
        if file not in self._found:
            collections = [
                {"path": f"/ibe/data/{name}", "url": str(folder), "box": "ibe"}
                for name, folder in self._folders.items()
            ]
            service = open_service(load_settings(None, {"collections": collections}))
            try:
                self._found[file] = await self._replay(service, file)
            finally:
                await service.close()
        return self._found[file]

    async def _replay(self, service: Service, file: str) -> list[Discrepancy]:
        folder, _, name = file.partition("/")
        parent = ParentFile(self._folders[folder] / name)
        found = []
        for recorded in self.recorded[file]:
            answer = await ask(service, file, recorded.query)
            found += [
                Discrepancy(file, expected, ours, recorded.query)
                for expected, ours in compare(recorded, answer, parent)
            ]
        return found


async def ask(service: Service, file: str, query: str) -> bytes | GatewayError:
    """Ask for a cutout; give its bytes, or the refusal."""
    try:
        parsed = parse_query(split_query(query))
        source = await service.open(("ibe", "data", *file.split("/")))
        answer = await service.plan_cutout(source, parsed)
        chunks = service.read_chunks(answer, 0, answer.plan.size)
        return b"".join([bytes(chunk) async for chunk in chunks])
    except GatewayError as error:
        return error


class ParentFile:
    """A file that is cut: its HDUs, and their bytes as they are without gzip."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _data(self) -> bytes:
        data = self._path.read_bytes()
        return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data

    @cached_property
    def hdus(self) -> tuple[Hdu, ...]:
        """Its HDUs, in order."""
        return read_hdus(self._data)

    def pixels(self, index: int, box: Box) -> bytes:
        """Slice the array of a plain image."""
        hdu = self.hdus[index]
        dtype = f">{'i' if hdu.bitpix > 0 else 'f'}{abs(hdu.bitpix) // 8}"
        data = self._data[hdu.data_range.start : hdu.data_range.stop]
        x1, y1, x2, y2 = box
        image = np.frombuffer(data, dtype).reshape(hdu.shape[::-1])
        return image[..., y1 - 1 : y2, x1 - 1 : x2].tobytes()

    def unpacked(self, index: int, box: Box) -> np.ndarray:
        """Slice the array of a tile-compressed image, as astropy unpacks it."""
        x1, y1, x2, y2 = box
        with fits.open(self._path) as hdus:
            return hdus[index].section[y1 - 1 : y2, x1 - 1 : x2]


def compare(
    recorded: RecordedAnswer, answer: bytes | GatewayError, parent: ParentFile
) -> Iterator[tuple[str, str]]:
    """Compare an answer with the recorded one, and where that breaks the standard, with this."""
    words = {hdu.standard for hdu in recorded.hdus if hdu.box}
    expected = f"{recorded.status} {recorded.reason}".rstrip()
    if words and words <= OUR_WORDS.keys():
        (expected,) = words
    ours = "200" if isinstance(answer, bytes) else type(answer).__name__
    if ours != OUR_WORDS.get(expected):
        yield expected, ours
    if recorded.hdus and isinstance(answer, bytes):
        hdus = read_hdus(answer)
        assert len(hdus) == len(recorded.hdus) == len(parent.hdus)
        for known, hdu in zip(recorded.hdus, hdus, strict=True):
            data = answer[hdu.data_range.start : hdu.data_range.stop]
            for what in compare_hdu(known, hdu, data, parent):
                yield f"HDU {known.index}", what


def compare_hdu(known: RecordedHdu, hdu: Hdu, data: bytes, parent: ParentFile) -> Iterator[str]:
    """Compare an HDU with the recorded one: say what differs."""
    original = parent.hdus[known.index]
    if hdu.xtension not in known.xtensions:
        yield "kind"
    if known.box is None:
        if hdu.header.cards != original.header.cards:
            yield "cards"
        if known.sha256 and sha256(data).hexdigest() != known.sha256:
            yield "data"
        return
    box = expected_box(known, original)
    if hdu.shape[:2] != (box[2] - box[0] + 1, box[3] - box[1] + 1):
        yield "shape"
    elif not has_pixels(known, box, data, parent):
        yield "pixels"
    if not has_crpix(known, box, hdu.header):
        yield "CRPIX"
    yield from changed_cards(original, hdu.header)


def expected_box(known: RecordedHdu, original: Hdu) -> Box:
    """Give the box of an HDU: the standard's if it has its own, else the recorded one.

    An HDU without usable coordinates beside one that has them is not cut (SPEC 4).
    """
    assert known.box is not None
    if known.standard == "NOWCS":
        return 1, 1, *original.shape[:2]
    return parse_box(known.standard) if known.standard.startswith("[") else known.box


def has_pixels(known: RecordedHdu, box: Box, data: bytes, parent: ParentFile) -> bool:
    """Compare pixels with the recorded hash; where that is of others, with the parent."""
    if known.standard == GARBAGE:
        expected = parent.unpacked(known.index, box)
        pixels = np.frombuffer(data, ">f4").reshape(expected.shape)
        return np.isnan(expected).any() and np.array_equal(pixels, expected, equal_nan=True)
    if box == known.box:
        return sha256(data).hexdigest() == known.sha256
    return data == parent.pixels(known.index, box)


def has_crpix(known: RecordedHdu, box: Box, header: Header) -> bool:
    """Compare CRPIX1 and CRPIX2: to the last digit of a double, of what was shifted by what."""
    assert known.box is not None
    for axis, recorded in enumerate(known.crpix):
        value = header.get(f"CRPIX{axis + 1}")
        if recorded is None:
            if value is not None:
                return False
            continue
        start, moved_by = known.box[axis], known.box[axis] - box[axis]
        tolerance = 1e-14 * (abs(recorded) + start)
        if not (isinstance(value, float | int) and abs(value - recorded - moved_by) <= tolerance):
            return False
    return True


def changed_cards(original: Hdu, header: Header) -> Iterator[str]:
    """Name the cards that had to stay and did not; all others are those of the parent, in order."""
    is_packed = original.xtension == "BINTABLE"

    def kept(cards: Header) -> list[bytes]:
        found = [
            card[:8] if _CHANGED.fullmatch(card[:8]) else card
            for card in cards
            if not _DROPPED.fullmatch(card[:8])
            and not (is_packed and _COMPRESSION.fullmatch(card[:8]))
        ]
        while not found[-1].strip():
            found.pop()
        return found

    expected, ours = kept(original.header), kept(header)
    added = [card for card in ours[len(expected) :] if not card.startswith(b"CRPIX")]
    if len(ours) < len(expected) or added:
        yield "number of cards"
    changed = [a[:8] for a, b in zip(expected, ours, strict=False) if a != b]
    if changed:
        yield b", ".join(keyword.rstrip() for keyword in changed).decode()
