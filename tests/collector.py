"""A collector of OpenTelemetry: it takes traces by OTLP over HTTP, as the protocol defines them."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What was sent so far, and how to go on."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        self.bodies: list[bytes] = []
        self.headers: list[Message] = []
        self.is_open = Event()
        """Whether it answers; what comes before waits."""
        self.is_open.set()

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def services(self) -> set[str]:
        """The names that the traces are found by."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        resources = [each.resource for request in requests for each in request.resource_spans]
        return {attributes(resource)["service.name"] for resource in resources}

    def take(self, headers: Message, body: bytes) -> bytes:
        """Take a batch; give the answer."""
        self.is_open.wait()
        self.headers.append(headers)
        self.bodies.append(body)
        return ExportTraceServiceResponse().SerializeToString()


def attributes(described: Any) -> dict[str, Any]:
    """Give the attributes of a span or a resource."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in described.attributes
    }


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Run a collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = collector.take(self.headers, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        collector.is_open.set()
        server.shutdown()
        thread.join()
        server.server_close()
