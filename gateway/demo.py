"""A small archive to try the gateway on, in the shape of 2MASS, WISE, Euclid and SPHEREx.

It has a file of the same name for every example of IRSA's public page on cutouts, and those
examples, with their numbers, work on it.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from astropy.io import fits

from gateway.demo_images import (
    EUCLID_CENTER,
    make_euclid_background,
    make_euclid_mosaic,
    make_spherex_exposure,
    make_twomass_image,
    make_wise_intensity,
    make_wise_uncertainty,
)

URL_PREFIX = "/ibe/data/"
"""Where the archive's folder is to be served."""

_EUCLID = "euclid/q1/MER/102158277/NISP/EUC_MER_"
_MOSAIC = _EUCLID + "BGSUB-MOSAIC-NIR-H_TILE102158277-797A7D_20241025T122514.635323Z_00.00.fits"
_BACKGROUND = _EUCLID + "BGMOD-NIR-H_TILE102158277-48F2AF_20241025T122514.635142Z_00.00.fits"
_SPHEREX = (
    "spherex/qr2/level2/2025W20_2B/l2b-v20-2025-247/3/"
    "level2_2025W20_2B_0353_2D3_spx_l2b-v20-2025-247.fits"
)
_TWOMASS = "twomass/allsky/allsky/000105s/s019/image/hi0190056.fits.gz"
_WISE = "wise/allsky/4band_p1bm_frm/6a/02206a/149/02206a149-w1-"
_INTENSITY = _WISE + "int-1b.fits"
_UNCERTAINTY = _WISE + "unc-1b.fits.gz"

_MAKERS: dict[str, Callable[[], fits.HDUList]] = {
    _MOSAIC: make_euclid_mosaic,
    _BACKGROUND: make_euclid_background,
    _SPHEREX: make_spherex_exposure,
    _TWOMASS: make_twomass_image,
    _INTENSITY: make_wise_intensity,
    _UNCERTAINTY: make_wise_uncertainty,
}


@dataclass(frozen=True, slots=True)
class Example:
    """A cutout to try."""

    title: str
    """What it shows, for a person."""
    url_path_and_query: str
    """What follows the host and port."""


EXAMPLES = (
    Example(
        "Euclid, a spiral galaxy: sky centre, angular size",
        f"{URL_PREFIX}{_MOSAIC}?center={EUCLID_CENTER[0]},{EUCLID_CENTER[1]}&size=1arcmin",
    ),
    Example(
        "SPHEREx, every extension: pixel centre, pixel size",
        f"{URL_PREFIX}{_SPHEREX}?center=1020,1020pix&size=100pix",
    ),
    Example(
        "2MASS, from a gzipped file, clipped at the edge of the image",
        f"{URL_PREFIX}{_TWOMASS}?center=29,176pix&size=90arcsec",
    ),
    Example(
        "WISE, a frame with distortion: sky centre, pixel size",
        f"{URL_PREFIX}{_INTENSITY}?center=70,20&size=200pix",
    ),
    Example(
        "WISE, the uncertainty of the same pixels, not gzipped",
        f"{URL_PREFIX}{_UNCERTAINTY}?center=70,20&size=200pix&gzip=false",
    ),
)


def make_archive(folder: Path, report: Callable[[str], None]) -> None:
    """Make the files of the archive that are not there yet.

    Parameters
    ----------
    folder : Path
        What is to be served at `URL_PREFIX`; it need not exist.
    report : callable
        Is told, in a line, of each file that was made.
    """
    for name, make in _MAKERS.items():
        path = folder / name
        if not path.exists():
            size = _write(path, make())
            report(f"made {name} ({size / 1e6:.1f} MB)")


def download_lines(base_url: str) -> tuple[str, ...]:
    """Write the commands of the page that download a cutout, for a server's address.

    Parameters
    ----------
    base_url : str
        Scheme, host and port, without a slash at the end.
    """
    url = f"{base_url}{URL_PREFIX}{_INTENSITY}?center=70,20&size=200pix"
    return (
        f'curl --output mycutout.fits.gz "{url}"',
        f'curl -O -J "{url}"',
        f'wget --output-document=mycutout.fits.gz "{url}"',
        f'wget --content-disposition "{url}"',
    )


def _write(path: Path, hdus: fits.HDUList) -> int:
    """Write a file under a name of its own and rename it: what has its name is whole."""
    buffer = BytesIO()
    hdus.writeto(buffer)
    data = buffer.getvalue()
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=1, mtime=0)
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    part.replace(path)
    return len(data)
