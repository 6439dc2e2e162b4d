"""Names: what the name of a file tells. No I/O."""

from functools import lru_cache

_REMEMBERED = 1024  # who asks for one file asks again
_PACKED_ENDINGS = ".gz", ".fz"
_FITS_ENDINGS = tuple(f".{e}{p}" for e in ("fits", "fit", "fts") for p in ("", *_PACKED_ENDINGS))


@lru_cache(maxsize=_REMEMBERED)
def is_fits(name: str) -> bool:
    """Tell from its name whether a file is FITS."""
    return name.lower().endswith(_FITS_ENDINGS)


@lru_cache(maxsize=_REMEMBERED)
def cutout_name(name: str, *, gzipped: bool) -> str:
    """Give the name of a cutout: the parent's, with an ending that tells the truth."""
    if name.lower().endswith(_PACKED_ENDINGS):
        name = name[:-3]
    return f"{name}.gz" if gzipped else name
