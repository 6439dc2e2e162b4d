"""Clients that are slow, silent, gone or hostile: they cost little, and nothing stays behind."""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.faults.conftest import (
    IMAGE,
    LARGE,
    connect,
    eventually,
    impatient_gateway,
    measure,
    read_all,
    request,
    unharmed,
)
from tests.running import Gateway

MANY = 500


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run one impatient gateway for all."""
    folder = tmp_path_factory.mktemp("clients") / "archive"
    folder.mkdir()
    (folder / "a.fits").write_bytes(IMAGE)
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)
    with impatient_gateway(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays(gateway: Gateway) -> Iterator[None]:
    """After each test nothing is held that was not held before, and the service is well."""
    workers = gateway.workers
    with unharmed(gateway):
        yield
    assert gateway.get("/ibe/data/a.fits") == IMAGE
    assert gateway.workers == workers


def test_connections_that_say_nothing(gateway: Gateway):
    """Hundreds of silent connections hinder nobody, and are closed in time."""
    with ExitStack() as clients:
        silent = [clients.enter_context(connect(gateway)) for _ in range(MANY)]

        assert gateway.get("/healthz") == b"ok\n"
        assert {client.recv(1) for client in silent} == {b""}


def test_heads_that_never_end(gateway: Gateway):
    """Who sends a head bit by bit has no more time for it than who sends nothing."""
    with connect(gateway) as client:
        ended = False
        for byte in request(fields := "/ibe/data/a.fits", f"X-Slow: {fields * 200}"):
            client.settimeout(0.02)
            try:
                client.sendall(bytes([byte]))
                ended = client.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
            if ended:
                break

        assert ended


def test_clients_that_read_nothing(gateway: Gateway):
    """Who asks for much and takes nothing is given up; meanwhile others are served."""
    before = measure(gateway).descriptors
    with ExitStack() as clients:
        for n in range(100):
            address = f"127.0.0.{2 + n % 4}"  # each may have some large answers
            client = clients.enter_context(connect(gateway, buffer_bytes=4096, address=address))
            client.sendall(request("/ibe/data/large"))

        assert gateway.get("/healthz") == b"ok\n"
        eventually(lambda: measure(gateway).descriptors <= before)


def test_clients_that_are_gone(gateway: Gateway):
    """A connection that is reset at any byte of the head or of the answer harms nobody."""
    head = request("/ibe/data/large")
    for n in range(0, len(head), 3):
        hang_up(gateway, head[:n], 0)
    for n in (1, 100, 5000, 2**20, 2**22):
        hang_up(gateway, head, n)


def hang_up(gateway: Gateway, sent: bytes, n_read: int) -> None:
    """Send something, read some bytes, and reset the connection."""
    with connect(gateway) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(sent)
        while n_read > 0 and (part := client.recv(n_read)):
            n_read -= len(part)


def test_many_requests_at_once(gateway: Gateway):
    """Requests that come in one go on one connection are answered one after the other."""
    n = 40
    with connect(gateway) as client:
        client.sendall(request() * (n - 1) + request("/ibe/data/a.fits", "Connection: close"))
        answer = read_all(client)

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == n
    assert answer.count(IMAGE) == n


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # TLS
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: \x9a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request(gateway: Gateway, sent: bytes):
    """Rubbish is refused or ignored, in time, and is never the gateway's own fault."""
    with connect(gateway) as client:
        with suppress(ConnectionError):
            client.sendall(sent)
        answer = read_all(client)
    status = answer.partition(b" ")[2][:3]

    assert status == b"" or status.isdigit()
    assert not status.startswith(b"5")
    assert "Traceback" not in gateway.read_log()
