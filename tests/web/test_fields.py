"""What the heads of answers have in common, whichever way they are written."""

import pytest

from gateway.web.fields import Entity, Manners, write_common, write_fields
from tests.web.conftest import Connect
from tests.web.small_archive import GZIPPED, IMAGE, PLAIN, files

OF_EACH = {"date", "server-timing", "x-request-id", "content-length"}
BROKEN = ["a\r\nSet-Cookie: b", "a\rSet-Cookie: b", "a\nSet-Cookie: b", "a\0"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_field_that_breaks_its_line_is_not_written(text: str):
    """Whatever a file is called, it cannot add a header."""
    manners = Manners(varies=False, is_public=True, has_cors=True)
    with pytest.raises(ValueError, match="would end it"):
        write_fields({"X-Name": text})
    with pytest.raises(ValueError, match="would end it"):
        write_common(Entity(0, "", "image/png", text), "bytes", manners)


def test_fields_are_lines():
    """Each ends as HTTP has it; no fields are no lines."""
    assert write_fields({"A": "b", "C": "d; e"}) == "A: b\r\nC: d; e\r\n"
    assert write_fields({}) == ""


@pytest.mark.parametrize("cors", [False, True])
@pytest.mark.parametrize("url", [IMAGE, PLAIN, GZIPPED])
async def test_a_small_answer_has_the_fields_of_all_others(
    connect: Connect, url: str, *, cors: bool
):
    """A HEAD, whose fields take the long way, tells what a GET tells."""
    client = await connect(files(), cors=cors)
    got, head = await client.get(url), await client.head(url)
    told = [sorted((n.lower(), v) for n, v in r.headers.items()) for r in (got, head)]
    common, of_head = ([(n, v) for n, v in each if n not in OF_EACH] for each in told)
    names = [name for name, _ in common]

    assert common == of_head
    assert len(common) + len(OF_EACH) == len(told[0])
    assert {"etag", "last-modified", "accept-ranges", "x-content-type-options"} <= {*names}
    assert ("access-control-allow-origin" in names) is cors
