"""Bodies of answers to several ranges: all of what was asked for, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ShortRead
from gateway.core.ranges import ByteRange
from gateway.storage.multipart import max_body_bytes, read_boundary, unpack_parts

FILE = bytes(range(256)) * 4
RANGES = [ByteRange(10, 20), ByteRange(300, 305), ByteRange(1000, 1024)]
END = b"--b--\r\n"


def part(start: int, stop: int, *, size: int = len(FILE), data: bytes | None = None) -> bytes:
    """Make a part as servers do."""
    fields = b"--b\r\nContent-Type: x/y\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
    data = FILE[start:stop] if data is None else data
    return fields % (start, stop - 1, size) + data + b"\r\n"


A, B, C = (part(each.start, each.stop) for each in RANGES)
NEEDED = b"".join(FILE[each.start : each.stop] for each in RANGES)


@pytest.mark.parametrize(
    "body",
    [
        A + B + C + END,
        b"\r\n" + A + B + C + b"--b--",
        C + A + B + END,
        A + B.replace(b"Content-Range", b"content-RANGE") + C + END,
        A.replace(b"--b\r\n", b"--b \t\r\n") + B + C + END,
    ],
)
def test_all_ranges_are_packed_in_the_order_they_were_asked_for(body: bytes):
    """Parts may come in any order, with or without a line before the first."""
    assert len(body) <= max_body_bytes(RANGES)
    assert bytes(unpack_parts(body, b"b", RANGES, len(FILE))) == NEEDED


@given(st.data())
def test_the_bytes_of_a_file_may_look_like_boundaries(data: st.DataObject):
    """Nothing is searched for in the bytes of the file."""
    file = data.draw(st.text("-b\r\n", min_size=30, max_size=30)).encode()
    ranges = [ByteRange(0, 9), ByteRange(12, 30)]
    parts = [part(r.start, r.stop, size=30, data=file[r.start : r.stop]) for r in ranges]

    assert bytes(unpack_parts(b"".join(parts) + END, b"b", ranges, 30)) == file[:9] + file[12:]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(NEEDED, id="bytes only"),
        pytest.param(A + B + END, id="one is missing"),
        pytest.param(A + B + C, id="no end"),
        pytest.param(A + A + B + C + END, id="one twice"),
        pytest.param(A + B + C + A + END, id="one too many"),
        pytest.param(A + B + C + END + b"more", id="more behind the end"),
        pytest.param(A + B + part(1000, 1023) + END, id="a shorter one"),
        pytest.param(A + B + part(999, 1023) + END, id="a shifted one"),
        pytest.param(part(10, 305) + C + END, id="two in one"),
        pytest.param(A + B + part(1000, 1024, size=2000) + END, id="of another file"),
        pytest.param(A + B + C.replace(b"/1024", b"/*") + END, id="of an unknown length"),
        pytest.param(A + B + part(1000, 1024, data=b"short") + END, id="fewer bytes"),
        pytest.param(A + B + part(1000, 1024, data=bytes(25)) + END, id="more bytes"),
        pytest.param(A + B + C.replace(b"Content-Range", b"X-Range") + END, id="of no range"),
        pytest.param(
            A + B + C.replace(b"x/y\r\n", b"x/y\r\nContent-Range: bytes 0-1/2\r\n") + END,
            id="of two ranges",
        ),
        pytest.param((A + B + C + END).replace(b"--b", b"--c"), id="another boundary"),
        pytest.param((A + B + C).replace(b"x/y", b"x" * 600) + END, id="an endless field"),
        pytest.param((A + B + C + END).replace(b"\r\n", b"\n"), id="other line ends"),
        pytest.param((A + B + C + END)[:40], id="broken off"),
    ],
)
def test_whatever_else_comes_is_an_error(body: bytes):
    """No byte is given of a body that is not right as a whole."""
    with pytest.raises(ShortRead):
        unpack_parts(body, b"b", RANGES, len(FILE))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_damage_never_gives_other_bytes(junk: bytes, place: int):
    """Junk in a body is an error, or lies in the bytes of a part, as any damage may."""
    body = A + B + C + END
    try:
        found = unpack_parts(body[:place] + junk + body[place:], b"b", RANGES, len(FILE))
    except ShortRead:
        return
    assert len(found) == len(NEEDED)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/byteranges; boundary=abc", b"abc"),
        ('Multipart/ByteRanges; boundary="a b:c"', b"a b:c"),
        ("multipart/byteranges", None),
        ("multipart/byteranges; boundary=", None),
        ("multipart/form-data; boundary=abc", None),
        ("application/fits", None),
        ("", None),
    ],
)
def test_the_boundary_is_in_the_content_type(content_type: str, boundary: bytes | None):
    """It may be quoted; an answer of another type has no parts."""
    if boundary is not None:
        assert read_boundary(content_type) == boundary
        return
    with pytest.raises(ShortRead):
        read_boundary(content_type)
