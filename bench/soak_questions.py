"""The questions of the soak, and what their answers must be."""

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import floor
from random import Random

import numpy as np
from astropy.io import fits

from bench.soak_archive import Archive, Parent
from bench.soak_client import Answer

_BLOCK = 2880
_CHECKED_WHOLE = 0.03  # of the cutouts are compared HDU by HDU
_SIZES = (1, 7, 40, 40, 100, 100, 200, 200, 500)
_BAD_QUERIES = (
    *("center=1,2px", "size=3px", "center=1,2px&size=3px&size=3px", "center=nan,1px&size=1px"),
    *("center=1,95deg&size=1px", "center=1,1px&size=-1px", "gzip=perhaps&center=1,1px&size=1px"),
    *("center=1,1px&size=1furlong", "sort=size", "what=ever", "format=gif", "hdu=", "%ff=%fe"),
    *(
        "format=png&width=0",
        "format=png&stretch=none",
        "center=1e999,1px&size=1px",
        "center=,&size=,",
    ),
)

Check = Callable[[Answer], str | None]
"""Says what is wrong with an answer, if anything is."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and what its answer must be."""

    request: bytes
    check: Check


class Questions:
    """Makes questions.

    Parameters
    ----------
    archive : Archive
        What is asked for.
    random : Random
        Chooses.
    """

    def __init__(self, archive: Archive, random: Random) -> None:
        self._archive, self._random = archive, random
        self._overheads: dict[tuple[str, tuple[bool, ...]], int] = {}
        self._etags: dict[str, str] = {}
        kinds: dict[Callable[[], Question], float] = {
            self.cutout: 50,
            self.file: 4,
            self.part: 6,
            self.head: 5,
            self.known: 5,
            self.changed: 2,
            self.picture: 3,
            self.numbers: 2,
            self.page: 2,
            self.listing: 3,
            self.bad: 7,
            self.missing: 3,
            self.outside: 3,
            self.hostile: 5,
            self.operator: 1,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def draw(self) -> Question:
        """Make a question of any kind."""
        (kind,) = self._random.choices(self._kinds, self._weights)
        return kind()

    def cutout(self) -> Question:
        """Ask for a cutout, in pixels or on the sky, gzipped or not."""
        parent, size = self._parent(), self._random.choice(_SIZES)
        place = self._random.choice(parent.places)
        if self._random.random() < 0.5:
            center, x_px, y_px = f"{place.ra_deg!r},{place.dec_deg!r}", place.x_px, place.y_px
        else:
            x_px, y_px = (self._random.randint(1, n) for n in parent.images[-1].shape[::-1])
            center = f"{x_px},{y_px}px"
        is_gzipped = self._random.random() < 0.4
        box = _box(y_px, size), _box(x_px, size)
        path = f"{self._path(parent)}?center={center}&size={size}px&gzip={is_gzipped:d}"
        return _get(
            path, lambda answer: self._check_cutout(answer, parent, box, is_gzipped=is_gzipped)
        )

    def file(self) -> Question:
        """Ask for a whole file."""
        parent = self._parent()
        return _get(self._path(parent), _expect(200, size=parent.size))

    def part(self) -> Question:
        """Ask for one range of a file, or for several."""
        parent = self._parent()
        start = self._random.randrange(parent.size - 5000)
        length = self._random.randint(1, 5000)
        if self._random.random() < 0.3:
            field = f"Range: bytes=0-9,{start + 20}-{start + 20 + length}"
            return _get(self._path(parent), _expect(206), field)
        field = f"Range: bytes={start}-{start + length - 1}"
        if self._random.random() < 0.3:
            field = f"Range: bytes=-{length}"
        return _get(self._path(parent), _expect(206, size=length), field)

    def head(self) -> Question:
        """Ask what a cutout would be."""
        parent = self._parent()
        path = f"{self._path(parent)}?center=20,20px&size=20px&gzip=0"
        return Question(_request("HEAD", path), _expect(200))

    def known(self) -> Question:
        """Ask for what has not changed."""
        parent = self._parent()
        path = self._path(parent)
        tag = self._etags.get(path)

        def learn(answer: Answer) -> str | None:
            self._etags[path] = answer.fields.get("etag", "")
            return None if answer.status == 200 else f"{answer.status} instead of 200"

        if tag is None:
            return Question(_request("HEAD", path), learn)
        return _get(path, _expect(304, size=0), f"If-None-Match: {tag}")

    def changed(self) -> Question:
        """Ask for a version that there is not."""
        return _get(self._path(self._parent()), _expect(412), 'If-Match: "another"')

    def picture(self) -> Question:
        """Ask for a picture."""
        parent = self._parent()
        return _get(f"{self._path(parent)}?format=png&width=100&center=50,50px&size=90px", _is_png)

    def numbers(self) -> Question:
        """Ask for the numbers of a picture."""
        return _get(f"{self._path(self._parent())}?format=json&width=50", _is_json)

    def page(self) -> Question:
        """Ask for the page of an image."""
        return _get(f"{self._path(self._parent())}?view", _expect(200, end=b"</html>"))

    def listing(self) -> Question:
        """Ask for a folder, as a page or as JSON."""
        if self._random.random() < 0.5:
            return _get("/ibe/data/disk/", _expect(200, end=b"</html>"), "Accept: text/html")
        return _get("/ibe/data/disk/", _is_json, "Accept: application/json")

    def bad(self) -> Question:
        """Ask wrongly."""
        path = f"{self._path(self._parent())}?{self._random.choice(_BAD_QUERIES)}"
        return _get(path, _expect(400, end=None, text=b"Parameter "))

    def missing(self) -> Question:
        """Ask for what is not there."""
        storage = self._random.choice(self._archive.storages)
        name = f"missing{self._random.randrange(10**6)}.fits"
        return _get(f"{storage}/{name}?center=1,1px&size=1px", _expect(404, text=b"no such file"))

    def outside(self) -> Question:
        """Ask for an area that has no pixel of the image."""
        path = f"{self._path(self._parent())}?center=-90000,10px&size=5px"
        return _get(path, _expect(500, text=b"does not overlap"))

    def hostile(self) -> Question:
        """Ask for a cutout of a file that was made to harm."""
        name = self._random.choice(self._archive.hostile)
        query = self._random.choice(
            ("center=5,5px&size=3px", "center=150.1,2.2&size=9arcsec", "format=png")
        )
        return _get(f"{self._archive.storages[0]}/{name}?{query}", _has_reason)

    def operator(self) -> Question:
        """Ask how the gateway is."""
        return _get(self._random.choice(("/healthz", "/readyz", "/metrics", "/")), _expect(200))

    def _parent(self) -> Parent:
        return self._random.choice(self._archive.parents)

    def _path(self, parent: Parent) -> str:
        return f"{self._random.choice(self._archive.storages)}/{parent.name}"

    def _check_cutout(
        self, answer: Answer, parent: Parent, box: tuple[slice, slice], *, is_gzipped: bool
    ) -> str | None:
        """Compare status, length and the pixels of the last image; of some, all HDUs."""
        if answer.status != 200:
            return f"{answer.status} instead of a cutout: {answer.body[:200]!r}"
        body = gzip.decompress(answer.body) if is_gzipped else answer.body
        cuts = [image[box] for image in parent.images]
        overhead = len(body) - sum(-(-cut.nbytes // _BLOCK) * _BLOCK for cut in cuts)
        last = cuts[-1].tobytes()
        stored = body[len(body) - -(-len(last) // _BLOCK) * _BLOCK :]
        if stored[: len(last)] != last and "float" not in parent.name:
            return "wrong pixels"
        key = parent.name, tuple(cut.size > 0 for cut in cuts)
        if key not in self._overheads or self._random.random() < _CHECKED_WHOLE:
            if fault := _compare(body, cuts):
                return fault
            self._overheads.setdefault(key, overhead)
        return (
            None if self._overheads[key] == overhead else f"{len(body)} bytes are too many or few"
        )


def _box(center: float, size: int) -> slice:
    """Give the pixels, from 0, of a cutout of an exact size along one axis."""
    return slice(max(floor(center - size / 2), 0), max(floor(center + size / 2), 0))


def _request(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def _get(path: str, check: Check, *fields: str) -> Question:
    return Question(_request("GET", path, *fields), check)


def _expect(
    status: int, *, size: int | None = None, text: bytes = b"", end: bytes | None = None
) -> Check:
    """Make a check of a status, and of what else is known."""

    def check(answer: Answer) -> str | None:
        if answer.status != status:
            return f"{answer.status} instead of {status}: {answer.body[:200]!r}"
        if size is not None and len(answer.body) != size:
            return f"{len(answer.body)} bytes instead of {size}"
        if text not in answer.body or (end and not answer.body.rstrip().endswith(end)):
            return f"another text: {answer.body[:200]!r}"
        return None

    return check


def _is_png(answer: Answer) -> str | None:
    if answer.status != 200:
        return f"{answer.status} instead of a picture: {answer.body[:200]!r}"
    at, body = 8, answer.body
    while body[at + 4 : at + 8] != b"IEND":
        (length,) = struct.unpack_from(">I", body, at)
        part = body[at + 4 : at + 8 + length]
        if zlib.crc32(part) != struct.unpack_from(">I", body, at + 8 + length)[0]:
            return "a damaged picture"
        at += 12 + length
    return None if at + 12 == len(body) else "a picture that goes on behind its end"


def _is_json(answer: Answer) -> str | None:
    if answer.status != 200:
        return f"{answer.status} instead of JSON: {answer.body[:200]!r}"
    json.loads(answer.body)
    return None


def _has_reason(answer: Answer) -> str | None:
    if answer.status == 200:
        return None
    is_told = answer.status in {413, 500} and b"The gateway failed" not in answer.body
    return None if is_told and b"\nRequest " in answer.body else f"{answer.status} without a reason"


def _compare(body: bytes, cuts: list[np.ndarray]) -> str | None:
    """Compare all images of a cutout, as astropy reads them."""
    with fits.open(BytesIO(body)) as hdus:
        found = [hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None]
    wanted = [cut for cut in cuts if cut.size]
    same = len(found) == len(wanted) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(found, wanted, strict=True)
    )
    return None if same else "wrong pixels in one of the HDUs"
