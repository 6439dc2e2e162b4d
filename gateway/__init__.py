"""A streaming gateway to FITS archives: cutouts of astronomical images by URL."""
