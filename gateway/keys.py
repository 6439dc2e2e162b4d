"""Keys to what is closed: new tokens, and signed URLs."""

import argparse
import re
from datetime import timedelta
from secrets import token_urlsafe
from time import time
from urllib.parse import urlsplit

from gateway.access import hash_token, sign
from gateway.config import ConfigurationError, Settings
from gateway.core.query import split_query
from gateway.storage.archive import parse_path

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def make_token() -> tuple[str, str]:
    """Make a token of 256 random bits; give it, and what the configuration keeps of it."""
    token = token_urlsafe(32)
    return token, hash_token(token)


def parse_duration(text: str) -> timedelta:
    """Read ``90s``, ``30m``, ``1h`` or ``7d``, for argparse."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("must be a number and s, m, h or d, as in 1h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def sign_url(url: str, lifetime: timedelta, settings: Settings) -> str:
    """Give a URL that opens what it leads to, for a while and for whoever has it.

    Raises
    ------
    ConfigurationError
        There is no key to sign with.
    BadParameter, NotFound
        No gateway would answer the URL.
    """
    if not settings.server.signing_keys:
        raise ConfigurationError("There is no key to sign with: set server.signing_keys.")
    parts = urlsplit(url)
    expires = int(time() + lifetime.total_seconds())
    segments, parameters = parse_path(parts.path), split_query(parts.query)
    signature = sign(segments, parameters, expires, settings.server.signing_keys[0])
    separator = "&" if parts.query else "?"
    return f"{url}{separator}expires={expires}&signature={signature}"
