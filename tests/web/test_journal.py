"""What is told of requests, and when."""

from gateway.web.journal import Journal, Record
from tests.web.conftest import Connect
from tests.web.small_archive import IMAGE, files


async def test_metrics_know_every_request_before_theirs(connect: Connect):
    """Who asks for the counts gets them as of now, not as of the last batch."""
    client = await connect(files())
    for n in range(1, 4):
        await (await client.get(IMAGE)).read()
        text = await (await client.get("/metrics")).text()

        assert f'ibe_gateway_requests_total{{collection="/ibe/data/x",status="200"}} {n}.0' in text


def test_nothing_is_told_of_nothing():
    """Readers are not called without records."""
    told: list[Record] = []
    Journal([told.extend]).tell()

    assert not told
