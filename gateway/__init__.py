"""A streaming gateway to FITS archives: cutouts of astronomical images by URL."""

from gateway.api import cutout, cutout_async

__all__ = ["cutout", "cutout_async"]
