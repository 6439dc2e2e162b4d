"""What Prometheus is told."""

from prometheus_client.parser import text_string_to_metric_families

from tests.stores import FakeObject
from tests.web.conftest import Connect
from tests.web.small_archive import FILE, GZIPPED, IMAGE, PLAIN, ROOT, files


async def read_metrics(client) -> dict[tuple[str, str, str], float]:
    """Read all counts, by name, collection and status."""
    response = await client.get("/metrics")
    assert response.content_type == "text/plain"
    return {
        (sample.name, sample.labels.get("collection", ""), sample.labels.get("status", "")): value
        for family in text_string_to_metric_families(await response.text())
        for sample in family.samples
        if (value := sample.value) is not None
    }


async def test_requests_are_counted_by_collection_and_status(connect: Connect):
    """Every request counts once, and one that leads to no collection has none."""
    client = await connect(files())
    for path in (IMAGE, PLAIN, GZIPPED, f"{ROOT}/missing", "/elsewhere"):
        await (await client.get(path)).read()
    found = await read_metrics(client)

    assert found["ibe_gateway_requests_total", ROOT, "200"] == 3
    assert found["ibe_gateway_requests_total", ROOT, "404"] == 1
    assert found["ibe_gateway_requests_total", "", "404"] == 1
    assert found["ibe_gateway_request_seconds_count", ROOT, ""] == 4


async def test_bytes_and_reads_are_counted(connect: Connect):
    """What was sent is what clients got; what the storage gave is what it was asked for."""
    objects = files()
    for limits in ({}, {"inline_bytes": 0}):
        objects["a.fits"] = FakeObject(FILE)
        client = await connect(objects, limits)
        body = await (await client.get(IMAGE)).read()
        found = await read_metrics(client)

        assert found["ibe_gateway_sent_bytes_total", ROOT, ""] == len(body)
        assert found["ibe_gateway_storage_bytes_total", ROOT, ""] == len(FILE)
        assert found["ibe_gateway_storage_needed_bytes_total", ROOT, ""] == len(FILE)
        assert found["ibe_gateway_storage_reads_total", ROOT, ""] == objects["a.fits"].reads


async def test_two_gateways_do_not_count_together(connect: Connect):
    """Nothing is counted in the process as a whole."""
    first, second = await connect(files()), await connect(files())
    await first.get(IMAGE)

    assert ("ibe_gateway_requests_total", ROOT, "200") not in await read_metrics(second)
