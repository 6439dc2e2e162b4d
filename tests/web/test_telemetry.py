"""Traces of requests, as a collector of OpenTelemetry gets them."""

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic, time_ns

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.config import CollectionSettings, ConfigurationError, Settings, load_settings
from gateway.config_server import TelemetrySettings
from gateway.web.app import build_app
from tests.collector import Collector, attributes, run_collector
from tests.fits_files import TAN, image
from tests.flaky_archive import FlakyArchive
from tests.running import REPOSITORY, run_gateway
from tests.servers import free_ports
from tests.web.conftest import Server

Serve = Callable[..., Awaitable[TestClient]]

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
CUT = "/ibe/data/a.fits?center=30,30px&size=10px"
MAX_STOP_S = 15
EXPORTER = "opentelemetry.exporter.otlp.proto.http"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Run a collector."""
    with run_collector() as collector:
        yield collector


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with an image."""
    (folder := tmp_path / "archive").mkdir()
    (folder / "a.fits").write_bytes(image(cards=TAN))
    return folder


@pytest.fixture
def serve(
    aiohttp_client: Callable[[TestServer], Awaitable[TestClient]], collector: Collector
) -> Serve:
    """Give a function that starts a gateway whose requests are traced, and gives a client of it."""

    async def start(url: str | Path, **telemetry: float | str | dict[str, str]) -> TestClient:
        settings = Settings(
            telemetry=TelemetrySettings(**{"endpoint": collector.endpoint, **telemetry}),
            collections=(CollectionSettings(path="/ibe/data", url=str(url)),),
        )
        return await aiohttp_client(Server(build_app(settings)))

    return start


def by_name(spans: list[Span]) -> dict[str, list[Span]]:
    """Sort spans by their names, in the order in which they began."""
    found: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start_time_unix_nano):
        found.setdefault(span.name, []).append(span)
    return found


async def test_a_request_is_a_span_of_the_trace_that_its_client_began(
    serve: Serve, collector: Collector, folder: Path
):
    """The span says what was asked and answered, and its steps lie in it, one after the other."""
    client = await serve(folder, service_name="survey", headers={"Api-Key": "k"})
    before = time_ns()
    answer = await client.get(CUT, headers=SAMPLED | {"X-Request-ID": "the-id"})
    body = await answer.read()
    after = time_ns()
    await client.close()

    (span,) = by_name(collector.spans).pop("GET /ibe/data/{key}")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.status.code == Status.STATUS_CODE_UNSET
    found = attributes(span)
    assert found.pop("user_agent.original").startswith("Python")
    assert found.pop("ibe.storage.read_bytes") == found.pop("ibe.storage.needed_bytes") > 0
    assert found.pop("ibe.storage.reads") > 0
    assert found == {
        "http.request.method": "GET",
        "http.response.body.size": len(body),
        "http.response.status_code": 200,
        "http.route": "/ibe/data/{key}",
        "client.address": "127.0.0.1",
        "ibe.request_id": "the-id",
        "ibe.storage.retries": 0,
        "network.protocol.version": "1.1",
        "url.path": "/ibe/data/a.fits",
        "url.query": "center=30,30px&size=10px",
        "url.scheme": "http",
    }
    steps = sorted((s for s in collector.spans if s != span), key=lambda s: s.start_time_unix_nano)
    assert [step.name for step in steps] == ["resolve", "layout", "wcs", "read", "encode"]
    assert {step.parent_span_id for step in steps} == {span.span_id}
    instants = [t for s in steps for t in (s.start_time_unix_nano, s.end_time_unix_nano)]
    whole = [before, span.start_time_unix_nano, *instants, span.end_time_unix_nano, after]
    assert whole == sorted(whole)
    assert collector.services == {"survey"}
    assert collector.headers[0]["Api-Key"] == "k"


async def test_each_request_to_a_storage_is_a_span_and_is_told_the_trace(
    serve: Serve,
    collector: Collector,
    folder: Path,
    aiohttp_server: Callable[[web.Application], Awaitable[TestServer]],
):
    """Tries that fail are there, too; a web server goes on with the trace where it was asked."""
    archive = FlakyArchive(folder)
    archive.failures = 1
    server = await aiohttp_server(archive.app())
    client = await serve(server.make_url(""))
    assert (await client.get(CUT, headers=SAMPLED)).status == 200
    assert (await client.get("/ibe/data/none.fits", headers=SAMPLED)).status == 404
    await client.close()

    found = by_name(collector.spans)
    request, absent = found["GET /ibe/data/{key}"]
    failed, head, refused = found["storage head"]
    asked = [failed, head, *found["storage get"], refused]
    told = [f"00-{TRACE_ID}-{span.span_id.hex()}-01" for span in asked]
    assert [head["traceparent"] for head in archive.heads] == told
    assert {span.parent_span_id for span in asked[:-1]} == {request.span_id}
    assert refused.parent_span_id == absent.span_id
    assert {span.kind for span in asked} == {Span.SPAN_KIND_CLIENT}
    assert [span for span in asked if span.status.code == Status.STATUS_CODE_ERROR] == [failed]
    assert attributes(failed) == {"error.type": "TransientFault"}
    assert attributes(refused) == {"error.type": "NotFound"}
    read = sum(attributes(span)["ibe.storage.read_bytes"] for span in found["storage get"])
    assert attributes(request)["ibe.storage.read_bytes"] == read
    assert attributes(request)["ibe.storage.retries"] == 1


async def test_a_storage_is_not_told_the_trace_if_it_should_not_be(
    serve: Serve,
    folder: Path,
    aiohttp_server: Callable[[web.Application], Awaitable[TestServer]],
):
    """A server of somebody else learns nothing of traces."""
    archive = FlakyArchive(folder)
    server = await aiohttp_server(archive.app())
    client = await serve(server.make_url(""), pass_on=False)
    assert (await client.get(CUT, headers=SAMPLED)).status == 200
    await client.close()

    assert archive.heads
    assert not any("traceparent" in head for head in archive.heads)


async def test_errors_are_marked(serve: Serve, collector: Collector, folder: Path):
    """An answer that is the gateway's failure is an error, one that is the client's is not."""
    client = await serve(folder, sample_ratio=1)
    await client.get("/ibe/data/a.fits?center=999,999px&size=1px")
    await client.get("/ibe/data/a.fits?center=nonsense")
    await client.request("PROPFIND", "/ibe/data/a.fits")
    await client.close()

    spans = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    found = [attributes(span) for span in spans]
    assert [each["http.response.status_code"] for each in found] == [500, 400, 405]
    assert [each.get("error.type") for each in found] == ["500", None, None]
    assert spans[0].status.code == Status.STATUS_CODE_ERROR
    assert found[2]["http.request.method"] == "_OTHER"
    assert spans[2].name.startswith("HTTP")


async def test_no_secret_is_traced(serve: Serve, collector: Collector, folder: Path):
    """Neither a signature in a URL nor a token in a header reaches the collector."""
    client = await serve(folder)
    for query in ("expires=1&signature=s3cret", "a=1&signature=s3cret&b=2"):
        await client.get(f"/ibe/data/a.fits?{query}", headers={"Authorization": "Bearer s3cret"})
    await client.close()

    requests = by_name(collector.spans)["GET /ibe/data/{key}"]
    queries = [attributes(span)["url.query"] for span in requests]
    assert set(queries) == {"expires=1&signature=…", "a=1&signature=…&b=2"}
    assert not any(b"s3cret" in body for body in collector.bodies)


@pytest.mark.parametrize(("ratio", "n_traces"), [(0.0, 1), (1.0, 2)])
async def test_which_requests_are_traced(
    serve: Serve, collector: Collector, folder: Path, ratio: float, n_traces: int
):
    """A share of those without a trace, the others as they say, and none of an operator's."""
    client = await serve(folder, sample_ratio=ratio)
    unsampled = {"traceparent": SAMPLED["traceparent"][:-1] + "0"}
    for headers in ({}, SAMPLED, unsampled):
        await client.get("/ibe/data/", headers=headers)
    for path in ("/healthz", "/readyz", "/metrics"):
        await client.get(path, headers=SAMPLED)
    await client.close()

    assert len(collector.spans) == n_traces


def write_config(folder: Path, collector: Collector, workers: int) -> Path:
    """Write the configuration of a gateway that gives its collector little time."""
    path = folder.parent / "gateway.toml"
    path.write_text(
        f"[server]\nport = 0\nworkers = {workers}\n"
        f'[telemetry]\nendpoint = "{collector.endpoint}"\ntimeout_s = 0.5\nmax_spans = 200\n'
        f'[[collections]]\npath = "/ibe/data"\nurl = "{folder}"\n'
    )
    return path


def test_workers_send_what_they_have_before_they_end(collector: Collector, folder: Path):
    """Each worker sends its own traces, and SIGTERM loses none of them."""
    config = write_config(folder, collector, workers=2)
    with run_gateway("serve", "--config", config) as gateway:
        for _ in range(20):
            gateway.get(CUT)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait() == 0

    assert len(by_name(collector.spans)["GET /ibe/data/{key}"]) == 20


def test_a_collector_that_hangs_harms_nobody(collector: Collector, folder: Path):
    """Requests are answered, what is too much is dropped, and the end does not wait for long."""
    collector.is_open.clear()
    with run_gateway("serve", "--config", write_config(folder, collector, workers=1)) as gateway:
        for _ in range(80):  # twice as many spans as are kept
            gateway.get(CUT)
        gateway.process.send_signal(signal.SIGTERM)
        stopped = monotonic()
        assert gateway.wait() == 0
        assert monotonic() - stopped < MAX_STOP_S
        assert "dropping" in gateway.read_log()


async def test_a_collector_that_is_down_harms_nobody(serve: Serve, folder: Path):
    """Requests are answered as without one."""
    (port,) = free_ports(1)
    client = await serve(folder, endpoint=f"http://127.0.0.1:{port}/v1/traces", timeout_s=0.2)

    assert (await client.get(CUT)).status == 200
    await client.close()


def test_without_a_collector_nothing_is_imported():
    """Who wants no traces pays nothing for them."""
    code = (
        "import sys; from gateway.config import settings_for_source;"
        "from gateway.web.app import build_app; build_app(settings_for_source('.'));"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("endpoint", "installed", "said"),
    [
        ("127.0.0.1:4318", True, "must begin with http:// or https://"),
        ("http://127.0.0.1:4318/v1/traces", False, "pip install 'ibe-gateway[otel]'"),
    ],
)
def test_a_collector_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, said: str, *, installed: bool
):
    """The program does not start, and says what to do."""
    if not installed:
        monkeypatch.setitem(sys.modules, EXPORTER, None)  # as where it is not installed
    config = tmp_path / "gateway.toml"
    config.write_text(f'[telemetry]\nendpoint = "{endpoint}"\n')

    with pytest.raises(ConfigurationError, match=r"line 2: \[telemetry\] endpoint: .*") as caught:
        load_settings(config)
    assert said in str(caught.value)
