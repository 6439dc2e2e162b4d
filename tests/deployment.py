"""The topology of docker-compose.yml as processes of this machine, from the same files."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from ssl import SSLContext
from subprocess import run
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.running import REPOSITORY, STOP_WITHIN_S, Gateway, run_gateway
from tests.servers import KEY, SECRET, S3Server, free_ports, require, running

COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
BUCKET = "demo"


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: Message
    body: bytes

    @property
    def cache_status(self) -> str | None:
        """What nginx's cache had of it."""
        return self.headers.get("X-Cache-Status")


def ask(url: str, context: SSLContext | None = None, **headers: str) -> Answer:
    """Ask for a URL; an underscore in the name of a header is a hyphen."""
    request = Request(url, headers={n.replace("_", "-"): value for n, value in headers.items()})  # noqa: S310
    try:
        with urlopen(request, timeout=STOP_WITHIN_S, context=context) as answer:  # noqa: S310
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@dataclass
class Deployment:
    """nginx in front of gateways, S3 behind them."""

    url: str
    """Of nginx."""
    gateways: list[Gateway]
    storage: S3Server
    log: Path
    """nginx's, with a line for each request."""


def upload(folder: Path, storage: S3Server) -> None:
    """Put a folder into the bucket, by the command of docker-compose.yml."""
    service = COMPOSE["services"]["upload"]
    options = service["environment"] | credentials(storage)
    options["RCLONE_CONFIG_STORAGE_ENDPOINT"] = storage.url
    arguments = [str(folder) if each == "/archive" else each for each in service["command"]]
    # an empty configuration, so that the user's own plays no part
    command = [require("rclone"), "--config", os.devnull, *arguments]
    run(command, env=os.environ | options, check=True, timeout=60)


def credentials(storage: S3Server) -> dict[str, str]:
    """Give the variables of AWS's tools that lead to a server."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": storage.url,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def run_deployment(storage: S3Server, folder: Path) -> Iterator[Deployment]:
    """Start the gateways and nginx in front of them; the bucket is filled already."""
    service = COMPOSE["services"]["gateway"]
    config = REPOSITORY / "config/demo-s3.toml"
    assert f"./config/{config.name}:{service['command'][-1]}:ro" in service["volumes"]
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(storage).items():
            patch.setenv(name, value)
        patch.setenv("IBE_GATEWAY_CACHE__DIR", str(folder))
        arguments = [*service["command"][:-1], config, "--host", "127.0.0.1", "--port", "0"]
        gateways = [
            stack.enter_context(run_gateway(*arguments))
            for _ in range(service["deploy"]["replicas"])
        ]
        port, log = stack.enter_context(run_nginx([gateway.port for gateway in gateways]))
        yield Deployment(f"http://127.0.0.1:{port}", gateways, storage, log)


@contextmanager
def run_nginx(
    ports: list[int], listen: str = "listen 80;", *files: Path
) -> Iterator[tuple[int, Path]]:
    """Run nginx by config/nginx.conf, but for the places that a container has of its own.

    Parameters
    ----------
    ports : list of int
        Of the gateways.
    listen : str
        What the file is to say in the place of its ``listen``.
    *files : Path
        What stands for the files of the same names in /etc/ssl.

    Yields
    ------
    port : int
    log : Path
        With a line for each request.
    """
    (port,) = free_ports(1)
    with TemporaryDirectory() as name:
        state = Path(name)
        state.chmod(0o755)  # it reads as another user
        temporary = "".join(
            f"{each}_temp_path {state}/{each}; "
            for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = (REPOSITORY / "config/nginx.conf").read_text()
        for here, there in {
            "listen 80;": listen,
            re.search(r"listen (\d+)", listen)[0]: f"listen 127.0.0.1:{port}",
            "server gateway:8080;": "".join(f"server 127.0.0.1:{each};" for each in ports),
            "http {": f"http {{ {temporary}",
            "/run/nginx.pid": f"{state}/nginx.pid",
            "/dev/stderr": f"{state}/error.log",
            "/dev/stdout": f"{state}/access.log",
            "/var/cache/nginx": str(state),
            **{f"/etc/ssl/{path.name}": str(path) for path in files},
        }.items():
            assert here in text
            text = text.replace(here, there)
        config = state / "nginx.conf"
        config.write_text(text)
        with running(require("nginx"), "-c", config, "-g", "daemon off;", port=port):
            yield port, state / "access.log"
