"""API: cutouts in scripts and notebooks, without a server of one's own."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from astropy.io import fits

from gateway.cutter import Box, Cutter
from gateway.parameters import Center, Hdus, Size, write_center, write_hdus, write_size


def cutout(  # noqa: PLR0913 - names for what most callers leave out
    source: str | os.PathLike[str],
    center: Center,
    size: Size,
    *,
    hdu: Hdus | None = None,
    box: Box | None = None,
    storage_options: Mapping[str, Any] = {},
) -> fits.HDUList:
    """Cut a FITS file, reading only the bytes that the cutout needs.

    Parameters
    ----------
    source : str or path
        A path, an fsspec URL (``s3://…``, ``https://…``), or the URL of a file at a gateway: an
        http(s) URL with ``/ibe/`` in its path, which is cut there.
    center : str, SkyCoord, Quantity of shape (2,), or pair of numbers or quantities
        The centre: a text as in a URL, ``"10.68,41.27"`` or ``"300.5,120px"``, a position, or x
        and y. Numbers without a unit are degrees; the first pixel is (1, 1).
    size : str, number, Quantity, or pair of them
        Full width and height, or one for both: ``"200px"``, ``30 * u.arcsec``, ``(100, 50) *
        u.pix``. Numbers without a unit are degrees.
    hdu : str, int, or sequence of them, optional
        The HDUs that are wanted, by name or number, where the primary one is 0: ``"SCI"``,
        ``(1, "FLAGS")``; all if it is not given. The primary HDU is always there.
    box : "exact" or "ibe", optional
        The rule for the pixels: as many as asked for, which is the default, or every one that the
        area touches. A gateway has a rule of its own.
    storage_options : mapping, optional
        For the filesystem of an fsspec URL, as in ``{"anon": True}``.

    Returns
    -------
    HDUList
        All HDUs of the source, its images cut; in memory and writable.

    Raises
    ------
    GatewayError
        The cutout cannot be made; `gateway.core.errors` has the tree.
    ConfigurationError
        There is no filesystem for the URL, or the environment has settings that cannot be used.

    Notes
    -----
    It blocks its caller, also where an event loop runs, as in a notebook; `cutout_async` does not.

    Examples
    --------
    >>> import gateway
    >>> hdus = gateway.cutout("image.fits", "150.1,2.2", "30arcsec")  # doctest: +SKIP
    """
    call = cutout_async(source, center, size, hdu=hdu, box=box, storage_options=storage_options)
    # in a thread of its own, for the caller's may have an event loop that runs
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()


async def cutout_async(  # noqa: PLR0913 - as `cutout`
    source: str | os.PathLike[str],
    center: Center,
    size: Size,
    *,
    hdu: Hdus | None = None,
    box: Box | None = None,
    storage_options: Mapping[str, Any] = {},
) -> fits.HDUList:
    """Cut a FITS file like `cutout`, and let others run meanwhile.

    Parameters
    ----------
    source, center, size, hdu, box, storage_options
        As for `cutout`.

    Returns
    -------
    HDUList

    Raises
    ------
    GatewayError, ConfigurationError
    """
    wanted = None if hdu is None else write_hdus(hdu)
    async with Cutter(box, storage_options, wanted) as cutter:
        cut = await cutter.open(os.fspath(source))
        made = await cut(write_center(center), write_size(size))
        data = BytesIO(b"".join([chunk async for chunk in made.chunks]))
    return fits.open(data)
