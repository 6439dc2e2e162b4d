"""Viewers: who asks, by a bearer token (RFC 6750) or by the signature of the URL."""

import re
from collections.abc import Sequence
from hmac import compare_digest
from time import time

from aiohttp import hdrs, web

from gateway.access import PUBLIC, Viewer, hash_token, sign
from gateway.core.preview_query import asks_for_picture

_BEARER = "bearer"
_SIGNATURE = re.compile(r"((?:^|[?&])signature=)[^&]*")
_PAGE = {"view": ""}  # whose signature opens what it shows, too: the pictures of the file
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class Viewers:
    """Tells what those who ask can show.

    Parameters
    ----------
    signing_keys : sequence of str
        Any of them may have signed a URL.
    """

    def __init__(self, signing_keys: Sequence[str]) -> None:
        self._signing_keys = signing_keys

    def find(
        self, request: web.Request, segments: tuple[str, ...], parameters: dict[str, str]
    ) -> Viewer:
        """Tell who asks; the parameters of a signature are taken from the others."""
        has_ticket = "signature" in parameters and self._take_ticket(request, segments, parameters)
        header = request.headers.get(hdrs.AUTHORIZATION)
        if header is None and not has_ticket:
            return PUBLIC
        scheme, _, token = (header or "").partition(" ")
        digest = hash_token(token.strip()) if scheme.lower() == _BEARER else ""
        return Viewer(digest, has_ticket)

    def _take_ticket(
        self, request: web.Request, segments: tuple[str, ...], parameters: dict[str, str]
    ) -> bool:
        # only as the access log knows it: it must not be written there
        if "expires" not in parameters or not _SIGNATURE.search(request.rel_url.raw_query_string):
            return False
        expires, signature = parameters.pop("expires"), parameters.pop("signature")
        if not (_SECONDS.fullmatch(expires) and signature.isascii()):
            return False
        opened = [parameters]
        if "view" in parameters or asks_for_picture(parameters):
            opened.append(_PAGE)
        right = [
            compare_digest(signature, sign(segments, each, int(expires), key))
            for key in self._signing_keys
            for each in opened
        ]
        return any(right) and time() < int(expires)


def ticket_of(request: web.Request) -> str:
    """Give the part of a query that opens what a signed URL leads to, as it was found to do."""
    query = request.rel_url.query
    return f"expires={query['expires']}&signature={query['signature']}"


def redact(url: str) -> str:
    """Give a URL as it may be logged: without its signature."""
    return _SIGNATURE.sub(r"\1…", url) if "signature=" in url else url
