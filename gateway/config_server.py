"""Settings of the process: where it listens, how it behaves, what it tells."""

from typing import Literal

from pydantic import Field

from gateway.config_values import Collector, Network, Secret, SigningKey, Table


class ServerSettings(Table):
    """``[server]``: where the program listens and how it behaves."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of IPv4."""
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port; 0 picks a free one."""
    workers: int = Field(default=1, ge=1, le=256)
    """Number of processes; one per core is a good number."""
    no_overlap_status: Literal[500, 404, 422] = 500
    """Status of a request that has no pixel in common with the image; IBE answers 500."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object per line."""
    drain_timeout_s: float = Field(default=30.0, ge=0, le=3600)
    """How long answers that have begun may take to finish after SIGTERM, in seconds."""
    worker_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """After how long a worker that does not respond is killed and replaced, in seconds."""
    trusted_proxies: tuple[Network, ...] = Field(default=(), strict=False)
    """Addresses and networks of proxies whose X-Forwarded-For names the client."""
    signing_keys: tuple[SigningKey, ...] = Field(default=(), strict=False, repr=False)
    """Keys of signed URLs: the first signs, all are accepted; "env:NAME" stands for a variable."""


class TelemetrySettings(Table):
    """``[telemetry]``: traces of requests, for a collector of OpenTelemetry."""

    endpoint: Collector = ""
    """Where traces are sent by OTLP over HTTP, as in "http://127.0.0.1:4318/v1/traces"; empty for
    nowhere. Needs ibe-gateway[otel]."""
    headers: dict[str, Secret] = Field(default={}, repr=False)
    """Headers that the collector wants; "env:NAME" stands for an environment variable."""
    service_name: str = Field(default="ibe-gateway", min_length=1)
    """What the traces are found by."""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the requests that are traced; those that bring a traceparent do as that says."""
    pass_on: bool = True
    """Whether web servers that files are read from are told the trace, by traceparent."""
    max_spans: int = Field(default=4096, ge=1, le=2**20)
    """Spans that a worker keeps until they are sent; further ones are lost."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long the collector may take for a batch; also for the last, after SIGTERM; in seconds."""
