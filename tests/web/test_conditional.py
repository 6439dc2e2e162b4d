"""Tests of gateway.web.conditional: tables from RFC 9110, and properties."""

from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.core.ranges import ByteRange
from gateway.web.conditional import (
    Multipart,
    RangeNotSatisfiable,
    Validators,
    Verdict,
    content_range,
    evaluate,
    http_date,
    parse_range,
    plan_multipart,
    selects_range,
)

PROCEED = Verdict.PROCEED
NOT_MODIFIED = Verdict.NOT_MODIFIED
FAILED = Verdict.PRECONDITION_FAILED

# The instant of RFC 9110, 5.6.7, with a fraction that must not matter.
MODIFIED = 784111777.75
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
EQUAL = "Sun, 06 Nov 1994 08:49:37 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
RFC_850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"

XYZZY = Validators('"xyzzy"', MODIFIED)
COMMA = Validators('"a, b"', MODIFIED)
UNDATED = Validators('"xyzzy"', None)

NOT_DATES = [
    "",
    "0",
    "yesterday",
    "784111777",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 +0100",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    f"{EQUAL}, {EQUAL}",
]


@dataclass(frozen=True, slots=True)
class Case:
    """The headers of a request, and what they lead to."""

    id: str
    headers: dict[str, str] | list[tuple[str, str]]
    expected: Verdict | bool
    validators: Validators = field(default=XYZZY)


def request(headers):
    """Make headers as a server is given them."""
    return CIMultiDictProxy(CIMultiDict(headers))


def table(*cases):
    """Give each case to a test, under its name."""
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


@table(
    Case("none", {}, PROCEED),
    Case("the tag", {"If-Match": '"xyzzy"'}, PROCEED),
    Case("another tag", {"If-Match": '"r2d2xxxx"'}, FAILED),
    Case("in a list", {"If-Match": '"xyzzy", "r2d2xxxx", "c3piozzzz"'}, PROCEED),
    Case("not in a list", {"If-Match": '"r2d2xxxx", "c3piozzzz"'}, FAILED),
    Case("any", {"If-Match": "*"}, PROCEED),
    Case("compared strongly", {"If-Match": 'W/"xyzzy"'}, FAILED),
    Case("weak, then strong", {"If-Match": 'W/"xyzzy", "xyzzy"'}, PROCEED),
    Case("tag with a comma", {"If-Match": '"c","a, b"'}, PROCEED, COMMA),
    Case("tag in halves", {"If-Match": '"a", "b"'}, FAILED, COMMA),
    Case("other case", {"If-Match": '"XYZZY"'}, FAILED),
    Case("without quotes", {"If-Match": "xyzzy"}, FAILED),
    Case("empty", {"If-Match": ""}, FAILED),
    Case("empty elements", {"If-Match": ', ,"xyzzy",'}, PROCEED),
    Case("name in lower case", {"if-match": '"r2d2xxxx"'}, FAILED),
    Case("in a second line", [("If-Match", '"x"'), ("If-Match", '"xyzzy"')], PROCEED),
)
def test_if_match_asks_for_a_tag_by_the_strong_comparison(case):
    """If-Match fails unless it is an asterisk or lists the tag as a strong one."""
    assert evaluate(request(case.headers), case.validators) is case.expected


@table(
    Case("the tag", {"If-None-Match": '"xyzzy"'}, NOT_MODIFIED),
    Case("another tag", {"If-None-Match": '"r2d2xxxx"'}, PROCEED),
    Case("compared weakly", {"If-None-Match": 'W/"xyzzy"'}, NOT_MODIFIED),
    Case("in a list", {"If-None-Match": '"r2d2xxxx", W/"xyzzy", "c"'}, NOT_MODIFIED),
    Case("not in a list", {"If-None-Match": 'W/"r2d2xxxx", W/"c3piozzzz"'}, PROCEED),
    Case("any", {"If-None-Match": " * "}, NOT_MODIFIED),
    Case("tag with a comma", {"If-None-Match": '"c","a, b"'}, NOT_MODIFIED, COMMA),
    Case("w in lower case", {"If-None-Match": 'w/"r2d2xxxx"'}, PROCEED),
    Case("without quotes", {"If-None-Match": "xyzzy"}, PROCEED),
    Case("empty", {"If-None-Match": ""}, PROCEED),
    Case("open quote", {"If-None-Match": '"xyzzy'}, PROCEED),
)
def test_if_none_match_finds_a_tag_by_the_weak_comparison(case):
    """If-None-Match answers 304 if it is an asterisk or lists the tag, weak or strong."""
    assert evaluate(request(case.headers), case.validators) is case.expected


@table(
    Case("before", {"If-Modified-Since": BEFORE}, PROCEED),
    Case("equal", {"If-Modified-Since": EQUAL}, NOT_MODIFIED),
    Case("after", {"If-Modified-Since": AFTER}, NOT_MODIFIED),
    Case("RFC 850", {"If-Modified-Since": RFC_850}, NOT_MODIFIED),
    Case("asctime", {"If-Modified-Since": ASCTIME}, NOT_MODIFIED),
    Case("unknown time", {"If-Modified-Since": AFTER}, PROCEED, UNDATED),
)
def test_if_modified_since_compares_whole_seconds(case):
    """If-Modified-Since answers 304 unless the file changed in a later second."""
    assert evaluate(request(case.headers), case.validators) is case.expected


@table(
    Case("before", {"If-Unmodified-Since": BEFORE}, FAILED),
    Case("equal", {"If-Unmodified-Since": EQUAL}, PROCEED),
    Case("after", {"If-Unmodified-Since": AFTER}, PROCEED),
    Case("RFC 850", {"If-Unmodified-Since": RFC_850}, PROCEED),
    Case("asctime", {"If-Unmodified-Since": ASCTIME}, PROCEED),
    Case("RFC 850, older", {"If-Unmodified-Since": RFC_850.replace("94", "93")}, FAILED),
    Case("asctime, older", {"If-Unmodified-Since": ASCTIME.replace("94", "93")}, FAILED),
    Case("unknown time", {"If-Unmodified-Since": BEFORE}, PROCEED, UNDATED),
)
def test_if_unmodified_since_compares_whole_seconds(case):
    """If-Unmodified-Since fails if the file changed in a later second."""
    assert evaluate(request(case.headers), case.validators) is case.expected


@table(
    Case(
        "If-Match hides If-Unmodified-Since",
        {"If-Match": '"xyzzy"', "If-Unmodified-Since": BEFORE},
        PROCEED,
    ),
    Case(
        "If-None-Match hides If-Modified-Since",
        {"If-None-Match": '"r2d2xxxx"', "If-Modified-Since": AFTER},
        PROCEED,
    ),
    Case(
        "If-Match fails before If-None-Match is asked",
        {"If-Match": '"r2d2xxxx"', "If-None-Match": '"xyzzy"'},
        FAILED,
    ),
    Case(
        "If-Unmodified-Since fails before If-Modified-Since is asked",
        {"If-Unmodified-Since": BEFORE, "If-Modified-Since": EQUAL},
        FAILED,
    ),
    Case(
        "If-None-Match is asked after If-Match holds",
        {"If-Match": "*", "If-None-Match": '"xyzzy"'},
        NOT_MODIFIED,
    ),
    Case(
        "If-Modified-Since is asked after If-Unmodified-Since holds",
        {"If-Unmodified-Since": EQUAL, "If-Modified-Since": EQUAL},
        NOT_MODIFIED,
    ),
)
def test_preconditions_have_an_order(case):
    """Several preconditions are judged in the order of RFC 9110, 13.2.2."""
    assert evaluate(request(case.headers), case.validators) is case.expected


@pytest.mark.parametrize("text", NOT_DATES)
def test_what_is_no_date_is_ignored(text):
    """A precondition whose date cannot be read neither fails nor saves the answer."""
    assert evaluate(request({"If-Modified-Since": text}), Validators('"x"', 0.0)) is PROCEED
    assert evaluate(request({"If-Unmodified-Since": text}), Validators('"x"', 4e9)) is PROCEED


@given(st.text())
def test_no_text_upsets_a_precondition(text):
    """Any text in any precondition leads to a verdict."""
    for name in ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"):
        assert evaluate(request({name: text}), XYZZY) in Verdict
    assert selects_range(request({"If-Range": text}), XYZZY) in (True, False)


@table(
    Case("none", {}, expected=True),
    Case("the tag", {"If-Range": '"xyzzy"'}, expected=True),
    Case("another tag", {"If-Range": '"r2d2xxxx"'}, expected=False),
    Case("a weak tag", {"If-Range": 'W/"xyzzy"'}, expected=False),
    Case("a list", {"If-Range": '"xyzzy", "r2d2xxxx"'}, expected=False),
    Case("any", {"If-Range": "*"}, expected=False),
    Case("before", {"If-Range": BEFORE}, expected=False),
    Case("equal", {"If-Range": EQUAL}, expected=True),
    Case("after", {"If-Range": AFTER}, expected=False),
    Case("RFC 850", {"If-Range": RFC_850}, expected=True),
    Case("asctime", {"If-Range": ASCTIME}, expected=True),
    Case("no date", {"If-Range": "yesterday"}, expected=False),
    Case("unknown time", {"If-Range": EQUAL}, expected=False, validators=UNDATED),
    Case("unknown time and no date", {"If-Range": "?"}, expected=False, validators=UNDATED),
)
def test_if_range_needs_the_very_version(case):
    """If-Range lets a range count for the strong tag or the very date of Last-Modified."""
    assert selects_range(request(case.headers), case.validators) is case.expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784111777, EQUAL),
        (784111777.9999999, EQUAL),
        (-0.5, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ],
)
def test_http_date_drops_the_fraction(seconds, text):
    """A time is written as IMF-fixdate, never rounded up to a second that is to come."""
    assert http_date(seconds) == text


@given(st.floats(min_value=0, max_value=4e9))
def test_last_modified_comes_back_as_not_modified(seconds):
    """The date that we send, sent back, is the time of the version that we have."""
    validators = Validators('"x"', seconds)
    returned = http_date(seconds)
    assert evaluate(request({"If-Modified-Since": returned}), validators) is NOT_MODIFIED
    assert evaluate(request({"If-Unmodified-Since": returned}), validators) is PROCEED
    assert selects_range(request({"If-Range": returned}), validators)


def selected(header, size=10000, max_ranges=8):
    """Give the ranges of a header as pairs, or None."""
    ranges = parse_range(header, size, max_ranges=max_ranges)
    return None if ranges is None else [(part.start, part.stop) for part in ranges]


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10000)]),
        ("bytes=9500-", [(9500, 10000)]),
        ("bytes=0-", [(0, 10000)]),
        ("bytes=7-7", [(7, 8)]),
        ("bytes=9999-20000", [(9999, 10000)]),
        ("bytes=-20000", [(0, 10000)]),
        ("BYTES=0-0", [(0, 1)]),
        ("bytes=0007-0008", [(7, 9)]),
        (f"bytes=0-{'9' * 5000}", [(0, 10000)]),
        (f"bytes=-{'9' * 5000}", [(0, 10000)]),
        (f"bytes={'0' * 5000}7-8", [(7, 9)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        ("bytes= 0-999, 4500-5499\t,-1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
        ("bytes=,0-0,,2-2,", [(0, 1), (2, 3)]),
        ("bytes=10000-,5-6", [(5, 7)]),
        ("bytes=-0,5-6", [(5, 7)]),
    ],
)
def test_range_is_parsed(header, ranges):
    """First and last position, open end and suffix are understood, and clipped to the size."""
    assert selected(header) == ranges


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=500-700,601-999", [(500, 1000)]),
        ("bytes=500-600,601-999", [(500, 1000)]),
        ("bytes=500-600,602-999", [(500, 601), (602, 1000)]),
        ("bytes=0-99,20-29,50-149", [(0, 150)]),
        ("bytes=0-,0-,0-,0-", [(0, 10000)]),
        ("bytes=-1,0-0", [(9999, 10000), (0, 1)]),
        ("bytes=70-79,10-19,75-89,0-9", [(70, 90), (0, 20)]),
        ("bytes=70-79,0-9,10-69,90-99", [(0, 80), (90, 100)]),
    ],
)
def test_ranges_that_meet_are_one(header, ranges):
    """Ranges that overlap or touch are merged, where the first of them was asked."""
    assert selected(header) == ranges


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5",
        "bytes=5-4",
        "bytes=20000-5",
        "bytes=0-1,5-4",
        "bytes=0-1;5-6",
        "bytes=0 -1",
        "bytes=0-1-2",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=0x1-2",
        "bytes=1.0-2",
        "bytes=\u0661-\u0662",
        "bytes=\u00b2-5",
        "bytes=0-1\n",
        "bytes 0-1",
        "bytes =0-1",
        " bytes=0-1",
        "pixels=0-1",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
    ],
)
def test_range_that_is_malformed_or_too_much_is_ignored(header):
    """What is not in the grammar, of another unit, or of too many ranges is no range at all."""
    assert selected(header) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10000-", 10000),
        ("bytes=10000-10001", 10000),
        ("bytes=-0", 10000),
        ("bytes=-0,10000-", 10000),
        (f"bytes={'9' * 5000}-", 10000),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-1", 0),
    ],
)
def test_range_beyond_the_end_is_not_satisfiable(header, size):
    """A well-formed range without a byte to give is refused with the size of the answer."""
    with pytest.raises(RangeNotSatisfiable, match=f"none of the {size} bytes") as caught:
        parse_range(header, size, max_ranges=8)
    assert caught.value.size == size


RANGE_TEXTS = st.one_of(
    st.text(),
    st.text("0123456789-, ").map("bytes={}".format),
    st.text("bytes=019-,+_ \t\u0661"),
)


@given(RANGE_TEXTS, st.integers(0, 200), st.integers(1, 5))
def test_no_text_upsets_a_range(text, size, max_ranges):
    """Any text gives None, or is refused, or gives apart and non-empty ranges within the size."""
    try:
        ranges = parse_range(text, size, max_ranges=max_ranges)
    except RangeNotSatisfiable:
        return
    if ranges is None:
        return
    assert 0 < len(ranges) <= max_ranges
    assert all(0 <= part.start < part.stop <= size for part in ranges)
    ascending = sorted(ranges, key=lambda part: part.start)
    assert all(a.stop < b.start for a, b in pairwise(ascending))


SIZE = 60
ASKED = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(0, 12)).map(lambda at: (at[0], sum(at))),
    min_size=1,
    max_size=8,
)


@given(ASKED)
def test_ranges_are_the_bytes_that_were_asked(asked):
    """The ranges hold every byte asked and no other, in the order of their first asking."""
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in asked)
    ranges = parse_range(header, SIZE, max_ranges=len(asked))
    wanted = {at for first, last in asked for at in range(first, min(last + 1, SIZE))}
    assert wanted == {at for part in ranges for at in range(part.start, part.stop)}
    firsts = [first for first, _ in asked]
    places = [
        min(firsts.index(at) for at in firsts if at in range(p.start, p.stop)) for p in ranges
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (ByteRange(42, 1234), "bytes 42-1233/1234"),
        (ByteRange(0, 1), "bytes 0-0/1234"),
        (None, "bytes */1234"),
    ],
)
def test_content_range_is_inclusive(part, text):
    """Content-Range names the first and the last byte, or none for a range that was refused."""
    assert content_range(part, 1234) == text


def body(plan: Multipart, data: bytes) -> bytes:
    """Fill a plan with the bytes of its ranges."""
    parts = [prefix + data[part.start : part.stop] for prefix, part in plan.parts]
    return b"".join(parts) + plan.closing


def test_multipart_has_the_form_of_the_rfc():
    """Each part has its type, its range and its bytes, and the boundaries stand between them."""
    plan = plan_multipart(
        [ByteRange(0, 2), ByteRange(5, 9)], content_type="application/fits", size=10, etag='"x"'
    )
    kind, boundary = plan.content_type.split("; boundary=")
    assert kind == "multipart/byteranges"
    assert body(plan, b"0123456789").decode() == (
        f"--{boundary}\r\nContent-Type: application/fits\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
        f"\r\n--{boundary}\r\n"
        "Content-Type: application/fits\r\nContent-Range: bytes 5-8/10\r\n\r\n5678"
        f"\r\n--{boundary}--\r\n"
    )


def test_boundary_comes_from_the_etag():
    """Equal requests have equal answers, and another version has another boundary."""

    def plan(etag):
        return plan_multipart([ByteRange(0, 1)], content_type="a/b", size=1, etag=etag)

    assert plan('"x"') == plan('"x"')
    assert plan('"x"').content_type != plan('"y"').content_type


@given(ASKED, st.binary(min_size=SIZE, max_size=SIZE))
def test_multipart_is_read_back(asked, data):
    """A reader of MIME finds the bytes of every range, and the announced length is exact."""
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in asked)
    ranges = parse_range(header, SIZE, max_ranges=len(asked))
    plan = plan_multipart(ranges, content_type="application/fits", size=SIZE, etag='"x"')
    sent = body(plan, data)
    assert plan.size == len(sent)
    message = message_from_bytes(f"Content-Type: {plan.content_type}\r\n\r\n".encode() + sent)
    received = [
        (part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()
    ]
    assert received == [
        (content_range(part, SIZE), data[part.start : part.stop]) for part in ranges
    ]
    assert not message.defects
