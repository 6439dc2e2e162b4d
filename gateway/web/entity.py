"""Entity: what the answers about a file have in common: their validators and headers."""

from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

from aiohttp import hdrs, web

from gateway.core.names import is_fits
from gateway.core.query import CutoutQuery
from gateway.service import Source
from gateway.web.conditional import (
    PreconditionFailed,
    Validators,
    Verdict,
    evaluate,
)
from gateway.web.fields import Entity, Headers

FITS, GZIP = "application/fits", "application/gzip"

_REMEMBERED = 1024  # names; who asks for one file asks again


def is_gzipped(source: Source, query: CutoutQuery) -> bool:
    """Tell whether a cutout is sent gzipped: as the query says, or the collection."""
    mode = source.collection.settings.gzip
    if mode == "never":
        return False
    return mode == "on" if query.gzip is None else query.gzip


def make_validators(source: Source, what: str) -> Validators:
    """Make the validators of an answer: its ETag changes with the file and with the question."""
    info = source.stored.info
    digest = blake2b(f"{info.identity}\0{source.name}\0{what}".encode(), digest_size=12)
    return Validators(f'"{digest.hexdigest()}"', info.modified)


def entity_of(source: Source, media_type: str = "", named: str = "") -> Entity:
    """Say what is told of a file, or of what is made of it and given a `disposition`."""
    settings = source.collection.settings
    return Entity(source.stored.info.modified, settings.cache_control, media_type, named)


def success_headers(source: Source, validators: Validators) -> Headers:
    """Give the headers that a success and a 304 share (RFC 9110, 15.4.5)."""
    return {hdrs.ETAG: validators.etag} | entity_of(source).headers


def knows_tag(request: web.Request, validators: Validators) -> bool:
    """Tell whether the client has the tag of what it asks for: then there is such an answer.

    All other preconditions count only where the answer would be a success (RFC 9110, 13.2.1).
    """
    tags = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return validators.etag in tags and is_known(request, validators)


def is_known(request: web.Request, validators: Validators) -> bool:
    """Tell whether the client has what it asks for.

    Raises
    ------
    PreconditionFailed
    """
    verdict = evaluate(request.headers, validators)
    if verdict is Verdict.PRECONDITION_FAILED:
        raise PreconditionFailed("The file is not the version that the request names.")
    return verdict is Verdict.NOT_MODIFIED


def content_type(name: str) -> str:
    """Give the media type of a file, by its name."""
    if name.lower().endswith(".gz"):
        return GZIP
    return FITS if is_fits(name) else "application/octet-stream"


@lru_cache(maxsize=_REMEMBERED)
def disposition(name: str, kind: str = "attachment") -> str:
    """Write a Content-Disposition (RFC 6266); a name beyond ASCII is given twice."""
    plain = name.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "_")
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else "_" for c in plain)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
