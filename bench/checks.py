"""Checks: whether cutouts are right, before anyone is told how fast they are made."""

import gzip
from http import HTTPStatus
from io import BytesIO
from math import floor
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bench.load import Cutouts
from bench.servers import Server
from bench.targets import Target

_N_BYTES = 64e6  # of the cutouts that are compared, and kept for the floor
_N_POSITIONS = 16, 128  # least and most


def check_answers(server: Server, target: Target, cutouts: Cutouts) -> list[bytes]:
    """Compare some answers with slices of the file; give their FITS bytes.

    The program ends if one is wrong.
    """
    rng, centers = np.random.default_rng(2), cutouts.centers
    n = round(np.clip(_N_BYTES / (4 * cutouts.size_px**2), *_N_POSITIONS))
    positions = zip(rng.uniform(*centers.x, n), rng.uniform(*centers.y, n), strict=True)
    answers = []
    with fits.open(target.path, mode="denywrite") as parent:
        image = parent[target.hdu]
        wcs = WCS(image.header)
        for x, y in positions:
            data = fetch(server, cutouts.at(x, y), gzipped=cutouts.gzip)
            x_px, y_px = (x, y) if centers.unit == "px" else wcs.all_world2pix(x, y, 1)
            box = _box(x_px, cutouts.size_px), _box(y_px, cutouts.size_px)
            if not _is_cutout(data, image, *box):
                raise SystemExit(f"A wrong answer: {cutouts.at(x, y)}")
            answers.append(data)
    return answers


def fetch(server: Server, path_and_query: str, *, gzipped: bool) -> bytes:
    """Give the body of an answer, inflated."""
    try:
        with urlopen(server.url + path_and_query) as answer:  # noqa: S310 - our own server
            status, announced, body = answer.status, answer.length, answer.read()
    except HTTPError as error:
        status, announced, body = error.code, error.length, error.read()
    if status != HTTPStatus.OK:
        raise SystemExit(f"{path_and_query} was answered {status}: {body.decode()}")
    if announced not in {None, len(body)}:
        raise SystemExit(f"{path_and_query} has {len(body)} bytes where {announced} were announced")
    return gzip.decompress(body) if gzipped else body


def _box(center: float, size_px: int) -> slice:
    """Give the pixels, from 0, of a cutout of an exact size along one axis."""
    center = round(float(center), 6)
    return slice(floor(center - size_px / 2), floor(center + size_px / 2))


def _is_cutout(data: bytes, image: fits.ImageHDU, x: slice, y: slice) -> bool:
    """Tell whether an answer has one image, with the pixels and the place of a box."""
    with fits.open(BytesIO(data)) as hdus:
        cut = hdus[-1]
        corner = tuple(image.header[f"CRPIX{n}"] - cut.header[f"CRPIX{n}"] for n in (1, 2))
        n_images = sum(hdu.is_image and hdu.data is not None for hdu in hdus)
        is_in_place = n_images == 1 and corner == (x.start, y.start)
        return is_in_place and np.array_equal(cut.data, image.data[y, x])
