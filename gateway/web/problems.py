"""Errors as answers: the one table from error to HTTP status, and the body in three formats."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

from gateway.core.errors import (
    AccessRefused,
    BadParameter,
    CorruptFits,
    GatewayError,
    IsFolder,
    NoOverlap,
    NotFound,
    NoUsableWcs,
    Overloaded,
    ShortRead,
    SourceChanged,
    StorageDown,
    StorageTimeout,
    StorageUnavailable,
    TooLarge,
    TooManyRequests,
    TransientFault,
    UnsupportedFits,
)
from gateway.web.pages import HTML, render_page

STATUS: dict[type[GatewayError], int] = {
    BadParameter: 400,
    NotFound: 404,
    IsFolder: 404,
    TooLarge: 413,
    TooManyRequests: 429,
    NoOverlap: 500,  # the service that we re-implement says so; `no_overlap_status` can change it
    CorruptFits: 500,
    UnsupportedFits: 500,
    NoUsableWcs: 500,
    SourceChanged: 502,
    StorageUnavailable: 502,
    ShortRead: 502,
    AccessRefused: 502,
    TransientFault: 502,
    Overloaded: 503,
    StorageDown: 503,
    StorageTimeout: 504,
}

# one for all: what may not be seen must look like what is not there
_ABSENT = "There is no such file or folder here."
_UNKNOWN = "The gateway failed; if it happens again, report this request to those who run it."


@dataclass(frozen=True, slots=True)
class Problem:
    """What a refused or failed request is told."""

    status: int
    title: str
    """The name of the status (RFC 9457, 4.2.1)."""
    detail: str
    """A sentence that a person can act on."""
    request_id: str
    error: str = ""
    """What programs tell it by, where the status means several things: ``NoOverlap``."""


def describe_error(
    error: BaseException, request_id: str, *, no_overlap_status: int = STATUS[NoOverlap]
) -> Problem:
    """Say what a client is told of an error.

    Parameters
    ----------
    error : BaseException
        Only the text of our own errors is passed on: that of others may name paths and hosts.
    request_id : str
        Names the request in the log.
    no_overlap_status : int
        Status where the requested area and the image have no pixel in common.
    """
    kind = NotFound if isinstance(error, NotFound) else type(error)
    if not (isinstance(error, GatewayError) and kind in STATUS):
        return Problem(500, HTTPStatus(500).phrase, _UNKNOWN, request_id)
    status = no_overlap_status if kind is NoOverlap else STATUS[kind]
    detail = _ABSENT if kind is NotFound else str(error)
    return Problem(status, HTTPStatus(status).phrase, detail, request_id, kind.__name__)


def render_problem(problem: Problem, accept: str) -> tuple[bytes, str]:
    """Write a problem as HTML for a browser, as JSON for who asks for it, else as plain text.

    Parameters
    ----------
    problem : Problem
        What to tell.
    accept : str
        The Accept header; empty if there is none.

    Returns
    -------
    body : bytes
    content_type : str
    """
    wanted = prefers(accept, ("text/plain", "text/html", "application/json"))
    if wanted == "text/html":
        return render_page("problem.html", problem=problem), HTML
    if wanted == "application/json":
        told = {name: value for name, value in asdict(problem).items() if value}
        body = json.dumps({"type": "about:blank"} | told) + "\n"
        return body.encode(), "application/problem+json"
    text = f"{problem.detail}\nRequest {problem.request_id}\n"
    return text.encode(errors="replace"), "text/plain; charset=utf-8"


def prefers(accept: str, offered: Sequence[str]) -> str:
    """Choose the offered media type that an Accept header likes best.

    Parameters
    ----------
    accept : str
        The header, empty if there is none. What is malformed in it counts for nothing.
    offered : sequence of str
        Media types; the first wins among equals, and if none is acceptable.

    Notes
    -----
    RFC 9110, 12.5.1: the most specific range that matches a media type gives its quality. Any
    ``+json`` is taken as a wish for JSON.
    """
    qualities = _parse_accept(accept)

    def quality(media_type: str) -> float:
        main_type = media_type.partition("/")[0]
        ranges = (media_type, f"{main_type}/*", "*/*")
        return next((qualities[key] for key in ranges if key in qualities), 0.0)

    return max(offered, key=quality)


def _parse_accept(accept: str) -> dict[str, float]:
    """Give the quality of each media range."""
    qualities: dict[str, float] = {}
    for item in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        if media_range.endswith("+json"):
            media_range = "application/json"
        quality = _parse_quality(parameters)
        qualities[media_range] = max(quality, qualities.get(media_range, 0.0))
    return qualities


def _parse_quality(parameters: Sequence[str]) -> float:
    """Give the value of ``q``: 1 without one, 0 for what is not a number from 0 to 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0
