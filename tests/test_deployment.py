"""docker-compose.yml: it is valid, and its topology, run by hand, does what it is for."""

import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import ExitStack
from http.client import IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import create_default_context
from subprocess import run
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import yaml

from gateway.config import load_settings
from gateway.config_server import ServerSettings
from gateway.demo import EXAMPLES
from tests.deployment import (
    BUCKET,
    COMPOSE,
    Deployment,
    ask,
    credentials,
    run_deployment,
    run_nginx,
    upload,
)
from tests.running import REPOSITORY, run_gateway
from tests.servers import S3Server, require

pytest_plugins = ("tests.demo_archive",)

PATHS = [example.url_path_and_query for example in EXAMPLES]
CUTOUT = PATHS[0]
FILE = urlsplit(CUTOUT).path


@pytest.fixture(scope="module")
def storage(seaweedfs: S3Server, demo_archive: Path) -> S3Server:
    """Put the demo archive into a bucket."""
    upload(demo_archive, seaweedfs)
    return seaweedfs


@pytest.fixture(scope="module")
def deployment(storage: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Run the whole topology."""
    with run_deployment(storage, tmp_path_factory.mktemp("cache")) as deployment:
        yield deployment


def fresh(query: str) -> str:
    """Give the path of a cutout that no other test asks for."""
    return f"{FILE}?center={query}px&size=20px"


def test_the_compose_file_is_valid():
    """docker-compose.yml obeys the schema of the Compose Specification."""
    schema = "--builtin-schema", "vendor.compose-spec"
    run([require("check-jsonschema"), *schema, REPOSITORY / "docker-compose.yml"], check=True)


def test_what_is_mounted_is_there():
    """Each file that a service mounts from the repository exists; each named volume is declared."""
    for service in COMPOSE["services"].values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            if source.startswith("./"):
                assert (REPOSITORY / source).is_file()
            else:
                assert source in COMPOSE["volumes"]


def test_prometheus_asks_the_port_of_the_gateways():
    """Prometheus finds the replicas by the name of their service, at the port that they have."""
    config = yaml.safe_load((REPOSITORY / "config/prometheus.yml").read_text())
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    (server,) = [
        line.split()[1].rstrip(";")
        for line in (REPOSITORY / "config/nginx.conf").read_text().splitlines()
        if line.split()[:1] == ["server"] and ":" in line
    ]

    assert f"{found['names'][0]}:{found['port']}" == server
    assert found["names"][0] in COMPOSE["services"]


def test_the_bucket_is_a_change_of_one_line(
    demo_archive: Path, storage: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A local archive and one on S3 differ by the url; all their answers are the same bytes."""
    for name, value in credentials(storage).items():
        monkeypatch.setenv(name, value)
    local = tmp_path / "local.toml"
    local.write_text(f'[[collections]]\npath = "/ibe/data"\nurl = "{demo_archive}"\n')
    bucket = tmp_path / "bucket.toml"
    bucket.write_text(local.read_text().replace(str(demo_archive), f"s3://{BUCKET}"))
    folders = {f"/{'/'.join(path.split('/')[1:-1])}/" for path in PATHS}
    files = {urlsplit(path).path for path in PATHS}
    with (
        run_gateway("serve", "--config", local, "--port", "0") as one,
        run_gateway("serve", "--config", bucket, "--port", "0") as other,
    ):
        for path in [
            *PATHS,
            *files,
            *(f"{path}&gzip=false" for path in PATHS if "gzip" not in path),
        ]:
            here, there = ask(one.url + path), ask(other.url + path)
            assert here.status == there.status == 200
            assert here.body == there.body
            for name in ("Content-Type", "Content-Disposition", "Content-Length"):
                assert here.headers.get(name) == there.headers.get(name)
        for path in folders:
            assert _listed(one.url + path) == _listed(other.url + path)


def _listed(url: str) -> list[tuple[str, int | None]]:
    entries = json.loads(ask(url, Accept="application/json").body)["entries"]
    return [(entry["name"], entry["size"]) for entry in entries]


@pytest.mark.parametrize("path", PATHS)
def test_cutouts_come_through(deployment: Deployment, path: str):
    """A cutout by way of nginx is that of a gateway, the second time from the cache."""
    direct = ask(deployment.gateways[0].url + path)
    first, again = ask(deployment.url + path), ask(deployment.url + path)

    assert (first.status, first.cache_status) == (200, "MISS")
    assert (again.status, again.cache_status) == (200, "HIT")
    assert direct.body == first.body == again.body
    for name in ("ETag", "Content-Type", "Content-Disposition", "Cache-Control"):
        assert direct.headers[name] == first.headers[name] == again.headers[name]


def test_pictures_are_cached(deployment: Deployment):
    """A picture of a whole image is drawn once."""
    path = f"{deployment.url}{FILE}?format=png&width=64"
    answers = [ask(path) for _ in range(2)]

    assert [(a.status, a.cache_status) for a in answers] == [(200, "MISS"), (200, "HIT")]


def test_each_answer_has_an_id_of_its_own(deployment: Deployment):
    """A cached answer has the id of its request, not of the one that it was made for."""
    path = deployment.url + fresh("100,100")
    ids = {ask(path).headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3
    assert all(each in deployment.log.read_text() for each in ids)


def test_a_cached_cutout_is_revalidated(deployment: Deployment):
    """Who has a cutout is told so by nginx, and who has another version gets this one."""
    path = deployment.url + fresh("120,100")
    etag = ask(path).headers["ETag"]
    known, unknown = ask(path, If_None_Match=etag), ask(path, If_None_Match='"other"')

    assert (known.status, known.body, known.cache_status) == (304, b"", "HIT")
    assert (unknown.status, unknown.cache_status) == (200, "HIT")


def test_ranges(deployment: Deployment):
    """A range of a cutout comes from the cache, a range of a file from the gateway alone."""
    cutout = deployment.url + fresh("140,100") + "&gzip=false"
    whole = ask(cutout).body
    part = ask(cutout, Range="bytes=100-299")
    file = ask(deployment.url + FILE, Range="bytes=-2880")
    stale = ask(deployment.url + FILE, Range="bytes=0-9", If_Range='"other"')

    assert (part.status, part.cache_status, part.body) == (206, "HIT", whole[100:300])
    assert (file.status, file.cache_status, len(file.body)) == (206, None, 2880)
    assert file.headers["Content-Range"].endswith(f"/{len(stale.body)}")
    assert stale.status == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("center=1,1px", 400), ("center=-900,1px&size=1px", 500)],
)
def test_errors_are_not_cached(deployment: Deployment, query: str, status: int):
    """A refusal is asked for anew each time."""
    path = f"{deployment.url}{FILE}?{query}"
    answers = [ask(path) for _ in range(2)]

    assert [(a.status, a.cache_status) for a in answers] == [(status, "MISS")] * 2


def test_what_was_absent_is_found_when_it_is_there(deployment: Deployment, demo_archive: Path):
    """A file that was not there is answered as soon as it is."""
    path = f"{deployment.url}/ibe/data/new.fits?center=1,1px&size=20px"
    missing = ask(path)
    content = next(demo_archive.rglob("*w1-int-1b.fits")).read_bytes()
    deployment.storage.put(BUCKET, {"new.fits": content})
    found = ask(path)

    assert (missing.status, found.status) == (404, 200)


def test_pages_and_problems_come_through(deployment: Deployment):
    """Listings and errors are those of the gateway; what is for operators alone is not shown."""
    listing = ask(f"{deployment.url}/ibe/data/", Accept="application/json")
    problem = ask(f"{deployment.url}/ibe/data/missing.fits", Accept="application/json")

    assert "wise" in [entry["name"] for entry in json.loads(listing.body)["entries"]]
    assert json.loads(problem.body)["status"] == 404
    assert ask(f"{deployment.url}/healthz").status == 200
    assert {ask(f"{deployment.url}/{name}").status for name in ("metrics", "readyz")} == {404}


def test_many_who_ask_for_one_cutout(deployment: Deployment):
    """A hundred who ask for a new cutout at the same time get it, made once."""
    path = deployment.url + fresh("160,100")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, [path] * 100))

    assert len({answer.body for answer in answers}) == 1
    assert [answer.cache_status for answer in answers].count("MISS") == 1


def test_a_gateway_may_be_gone(deployment: Deployment):
    """When one of two gateways is killed, every request still has its answer."""
    urls = [deployment.url + fresh(f"{x},200") for x in range(100, 140)]
    before = {ask(url).status for url in urls[:10]}
    lost = deployment.gateways[1]
    for process in (lost.process.pid, *lost.workers):
        os.kill(process, signal.SIGKILL)
    lost.wait()
    after = {ask(url).status for url in urls[10:]}

    assert before == after == {200}


class BreaksOff(BaseHTTPRequestHandler):
    """Answers as a gateway does whose storage fails behind the first chunk."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        """Send a chunk, and break the connection."""
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Cache-Control", "public, max-age=3600")
        self.end_headers()
        self.wfile.write(b"4\r\nhalf\r\n")
        self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


def test_half_an_answer_is_neither_whole_nor_cached():
    """An answer that a gateway breaks off is broken off by nginx, and asked for anew."""
    with ExitStack() as stack:
        gateway = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), BreaksOff))
        stack.enter_context(ThreadPoolExecutor(1)).submit(gateway.serve_forever)
        stack.callback(gateway.shutdown)
        port, _ = stack.enter_context(run_nginx([gateway.server_port]))
        for _ in range(2):
            with pytest.raises(IncompleteRead):
                ask(f"http://127.0.0.1:{port}{CUTOUT}")

    assert BreaksOff.asked == [CUTOUT] * 2


def test_tls_is_three_lines(deployment: Deployment, tmp_path: Path):
    """With the lines of docs/deployment.md nginx speaks TLS, and the first page knows it."""
    certificate, key = tmp_path / "archive.pem", tmp_path / "archive.key"
    made = "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"
    files = (
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        certificate,
        "-keyout",
        key,
    )
    run([require("openssl"), "req", *made, *files], check=True, capture_output=True)
    (lines,) = blocks("nginx")
    with run_nginx([deployment.gateways[0].port], lines, certificate, key) as (port, _):
        page = ask(f"https://127.0.0.1:{port}/", create_default_context(cafile=certificate))

    assert page.status == 200
    assert f"https://127.0.0.1:{port}/ibe/data".encode() in page.body


def blocks(language: str) -> list[str]:
    """Give the code of a language in docs/deployment.md, block by block."""
    text = (REPOSITORY / "docs/deployment.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_curl_measures_the_load(deployment: Deployment):
    """The commands of docs/deployment.md ask for many cutouts, and tell how long that took."""
    script = "".join(block for block in blocks("sh") if "$url" in block)
    for here, there in {
        "http://localhost:8080": deployment.gateways[0].url,
        ":20]": ":100]",
    }.items():
        assert here in script
        script = script.replace(here, there)
    ended = run(["bash", "-c", script], check=True, capture_output=True, text=True, timeout=120)

    assert "49 answers of status 200" in ended.stdout
    assert re.search(r"half within 0\.\d+ s, 99 % within \d+\.\d+ s", ended.stdout)
    assert "Server-Timing: layout;dur=" in ended.stdout


def test_what_has_begun_may_be_finished():
    """A container and a unit are given longer to end than answers are to finish."""
    drained_s = ServerSettings().drain_timeout_s
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(REPOSITORY / "config/ibe-gateway.service")

    assert int(COMPOSE["services"]["gateway"]["stop_grace_period"].removesuffix("s")) > drained_s
    assert int(unit["Service"]["TimeoutStopSec"]) > drained_s


def test_the_public_buckets_are_those_of_the_configuration():
    """docs/deployment.md lists the buckets of config/irsa.toml, each open to anyone."""
    text = (REPOSITORY / "docs/deployment.md").read_text()
    for collection in load_settings(REPOSITORY / "config/irsa.toml").collections:
        bucket = "/".join(collection.url.split("/")[:3])
        region = collection.storage_options["region"]

        assert collection.storage_options == {"anon": True, "region": region}
        assert re.search(rf"\| `{bucket}` \| `{region}` \|", text)
        assert f"`{collection.path.removeprefix('/ibe/data/')}`" in text
