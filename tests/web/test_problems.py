"""Each error has its status, and each client gets a body that it can read."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import (
    BadParameter,
    GatewayError,
    NoOverlap,
    NotFound,
    ShortRead,
    StorageUnavailable,
)
from gateway.web.problems import STATUS, Problem, describe_error, prefers, render_problem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
TEXT = "text/plain; charset=utf-8"
OFFERED = ("text/plain", "text/html", "application/json")
PROBLEM = Problem(404, "Not Found", "There is no file <a&b>.fits.", "7f3a1c")


def leaves(error: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """Walk to the classes that have no subclass."""
    children = error.__subclasses__()
    if not children:
        yield error
    for child in children:
        yield from leaves(child)


def test_every_leaf_has_a_status():
    """Every error that has no subclass has a row in the table."""
    assert set(leaves(GatewayError)) - set(STATUS) == set()


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (BadParameter("size", "is negative."), 400, "Bad Request"),
        (NotFound("There is no such file or folder here."), 404, "Not Found"),
        (StorageUnavailable("The storage failed."), 502, "Bad Gateway"),
        (ShortRead("The storage gave too few bytes."), 502, "Bad Gateway"),
        (NoOverlap("No pixel in common."), 500, "Internal Server Error"),
    ],
)
def test_our_errors_speak_for_themselves(error, status, title):
    """An error of ours gives its status, the name of the status, and its own sentence."""
    found = describe_error(error, "7f3a1c")

    assert found == Problem(status, title, str(error), "7f3a1c", type(error).__name__)


def test_all_that_is_absent_is_told_alike():
    """No sentence of a storage tells what is not there from what may not be seen."""
    texts = {describe_error(NotFound(text), "1").detail for text in ("No such key.", "A file?")}

    assert texts == {"There is no such file or folder here."}


@pytest.mark.parametrize("status", [404, 422])
def test_no_overlap_status_is_configurable(status):
    """The configured status applies to NoOverlap and to nothing else."""
    outside = describe_error(NoOverlap("No pixel in common."), "1", no_overlap_status=status)
    failed = describe_error(StorageUnavailable("It failed."), "1", no_overlap_status=status)

    assert (outside.status, outside.detail) == (status, "No pixel in common.")
    assert failed.status == 502


@pytest.mark.parametrize(
    "error",
    [
        OSError("/srv/secret: permission denied"),
        KeyError("/srv/secret"),
        GatewayError("/srv/secret"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", BROWSER, "application/json"])
def test_foreign_errors_keep_their_secrets(error, accept):
    """The text of an error that has no row in the table reaches no client."""
    problem = describe_error(error, "7f3a1c")
    body, _ = render_problem(problem, accept)

    assert problem.status == 500
    assert b"secret" not in body
    assert b"7f3a1c" in body


def test_plain_text_for_curl():
    """Who accepts anything gets the sentence and the request id, unescaped."""
    body, content_type = render_problem(PROBLEM, "*/*")

    assert content_type == TEXT
    assert body == b"There is no file <a&b>.fits.\nRequest 7f3a1c\n"


def test_page_for_a_browser():
    """A browser gets a page in which the sentence is escaped."""
    body, content_type = render_problem(PROBLEM, BROWSER)

    assert content_type == "text/html; charset=utf-8"
    assert b"<title>404 Not Found</title>" in body
    assert b"There is no file &lt;a&amp;b&gt;.fits." in body
    assert b"7f3a1c" in body


@pytest.mark.parametrize(
    "accept", ["application/json", "application/problem+json", "application/geo+json, */*;q=0.1"]
)
def test_problem_details_for_programs(accept):
    """Who asks for any JSON gets the members of RFC 9457 and the request id."""
    body, content_type = render_problem(PROBLEM, accept)

    assert content_type == "application/problem+json"
    assert json.loads(body) == {
        "type": "about:blank",
        "status": 404,
        "title": "Not Found",
        "detail": "There is no file <a&b>.fits.",
        "request_id": "7f3a1c",
    }


@pytest.mark.parametrize("accept", ["*/*", BROWSER, "application/json"])
def test_text_that_is_not_unicode_can_be_told(accept):
    """A sentence that quotes a name which is not UTF-8 is still answered, in UTF-8."""
    body, _ = render_problem(Problem(404, "Not Found", "No \udcff.fits.", "1"), accept)

    assert ".fits." in body.decode()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("text/*", "text/plain"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html;q=0.5, */*", "text/plain"),
        ("text/html ; level=1 ; q=0.9, text/plain;q=.2", "text/html"),
        ("*/*, text/plain;q=0", "text/html"),
        ("text/*;q=0.1, application/*;q=0.2", "application/json"),
        ("application/json;q=0.4, application/problem+json;q=0.6, text/*;q=0.5", OFFERED[2]),
        ("application/ld+json;q=0.6, application/json;q=0.4, text/*;q=0.5", OFFERED[2]),
        ("image/png", "text/plain"),
        ("text/html;q=2, application/json;q=0.1", "application/json"),
        ("text/html;q=nan, application/json;q=0.1", "application/json"),
        ("text/html;q=, application/json;q=0.1", "application/json"),
        (",;=q,/,,text/html;;", "text/html"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "text/html"),
    ],
)
def test_preference(accept, wanted):
    """The most specific range decides, then quality, then the order of the offer."""
    assert prefers(accept, OFFERED) == wanted


@given(st.text(alphabet="texhmlapicajson/*+;,=q.019 é\x00\t"))
def test_malformed_accept_is_no_error(accept):
    """Whatever the header holds, one of the offered types is chosen."""
    assert prefers(accept, OFFERED) in OFFERED
