"""What Prometheus is told."""

import asyncio
import json
import os
import re
import signal
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.web.app import SERVICE
from gateway.web.gauges import Gauges
from gateway.web.journal import Record
from gateway.web.metrics import AllSeats, Metrics
from tests.fits_files import TAN, image
from tests.running import REPOSITORY, Gateway, run_gateway
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


def test_times_counted_at_once_are_those_counted_one_by_one():
    """Each time is in the buckets that Prometheus' own library puts it in."""
    times = [0.0, 0.0009, 0.001, 0.0011, 0.05, 0.0500001, 1, 59.9, 60, 61, 1e6, 0.3, 0.3]
    metrics = Metrics(str)
    record = Record(
        0, "", "", "GET", "/", "/x", 200, 0, 0, 0, 0, 0, 0, {}, found=True, broken=False
    )
    metrics.count([record._replace(seconds=seconds) for seconds in times])
    families = text_string_to_metric_families(metrics.render().decode())
    (found,) = (each for each in families if each.name == "ibe_gateway_request_seconds")
    bounds = [float(s.labels["le"]) for s in found.samples if "le" in s.labels]
    expected = Histogram("expected", "", buckets=bounds, registry=None)
    for seconds in times:
        expected.observe(seconds)
    (by_library,) = expected.collect()

    assert _values(found) == _values(by_library)


def _values(family: Metric) -> dict[tuple[str, str], float]:
    """Give the buckets, the count and the sum of a histogram."""
    return {
        (sample.name.rpartition("_")[2], sample.labels.get("le", "")): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


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


async def test_what_is_done_at_the_moment(connect: Connect):
    """A request that is being answered is in flight, and a layout is read once, then remembered."""
    slow = FakeObject(FILE)
    slow.gate = asyncio.Event()
    client = await connect(files() | {"slow.fits": slow})
    for path in (PLAIN, GZIPPED, PLAIN):
        await (await client.get(path)).read()
    waiting = asyncio.create_task(client.get(f"{ROOT}/slow.fits"))
    while not (found := await read_metrics(client))["ibe_gateway_in_flight", "", ""]:
        pass
    slow.gate.set()
    await (await waiting).read()
    text = await (await client.get("/metrics")).text()

    assert found["ibe_gateway_in_flight", "", ""] == 1
    assert (await read_metrics(client))["ibe_gateway_in_flight", "", ""] == 0
    assert 'ibe_gateway_layouts_total{place="read"} 1.0' in text
    assert 'ibe_gateway_layouts_total{place="memory"} 2.0' in text
    assert f'ibe_gateway_storage_retries_total{{collection="{ROOT}"}} 0.0' in text


async def test_what_a_worker_did_last_is_counted(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    """What storages did since the last second is told when the worker ends."""
    client = await connect(files())
    (collection,) = client.app[SERVICE].archive.collections.values()
    seen = []
    look = Gauges.look

    def note(gauges: Gauges) -> None:
        seen.append(collection.tally.retries)
        look(gauges)

    monkeypatch.setattr(Gauges, "look", note)
    collection.tally.retries = 7
    await client.close()

    assert seen == [7]


async def test_counts_begin_at_0(connect: Connect):
    """A collection that nobody asked for is there, so that the first request shows as a rise."""
    found = await read_metrics(await connect(files()))

    assert found["ibe_gateway_request_seconds_count", ROOT, ""] == 0
    assert found["ibe_gateway_broken_total", ROOT, ""] == 0


async def test_the_dashboard_asks_for_what_there_is(connect: Connect):
    """Every metric that config/grafana.json names is one that /metrics tells."""
    client = await connect(files())
    await (await client.get(IMAGE)).read()
    told = await (await client.get("/metrics")).text()
    dashboard = (REPOSITORY / "config/grafana.json").read_text()
    asked = set(re.findall(r"ibe_gateway_\w+", dashboard))

    assert json.loads(dashboard)["panels"]
    assert asked
    missing = [n for n in asked if not re.search(rf"^(# TYPE )?{n}\b", told, re.MULTILINE)]
    assert missing == []


def test_a_worker_that_just_begins_hinders_no_scrape(tmp_path: Path):
    """The file that another process is about to fill with counts is empty, and is passed over."""
    (tmp_path / "counter_7.db").touch()

    assert list(AllSeats(CollectorRegistry(), str(tmp_path)).collect()) == []


def count_requests(gateway: Gateway, path: str) -> float:
    """Ask any worker how many requests to a path's collection were answered with 200."""
    text = gateway.get("/metrics").decode()
    found = re.search(rf'requests_total{{collection="{path}",status="200"}} (\S+)', text)
    return float(found[1]) if found else 0


def test_any_worker_tells_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Workers count together, a count outlives its worker and takes no more room with the next."""
    (tmp_path / "a.fits").write_bytes(image(cards=TAN))
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    n_requests = 0
    with run_gateway("serve", tmp_path, "--port", "0", "--workers", "2") as gateway:
        seen: set[str] = set()
        while len(seen) < 2:  # until both have answered
            connection = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
            connection.request("GET", "/ibe/data/a.fits")
            answer = connection.getresponse()
            answer.read()
            connection.close()
            seen.add(answer.headers["X-Request-ID"].partition("-")[0])
            n_requests += 1
        while count_requests(gateway, "/ibe/data") < n_requests:
            pass
        files = {path.name for path in temporary.glob("ibe-gateway-*/*")}
        for _ in range(3):
            before = gateway.workers
            os.kill(min(before), signal.SIGKILL)
            while len(gateway.workers - before) < 1:
                gateway.get("/healthz")

        assert {count_requests(gateway, "/ibe/data") for _ in range(10)} == {n_requests}
        assert "ibe_gateway_in_flight 0.0" in gateway.get("/metrics").decode()
        assert "pid=" not in gateway.get("/metrics").decode()
        assert {path.name for path in temporary.glob("ibe-gateway-*/*")} <= files
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait()

    assert list(temporary.glob("ibe-gateway-*")) == []
