"""Cutter: cutouts without a server of one's own, of any path, fsspec URL or file at a gateway.

What lies at a gateway is cut there; of everything else only the bytes of the cutout are read.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from gateway.asking import GatewayClient, is_at_gateway
from gateway.config import load_settings
from gateway.core.errors import RequestError
from gateway.core.query import parse_query
from gateway.service import Service, Source, open_service
from gateway.storage.store import Buffer

Box = Literal["exact", "ibe"]
"""The rule for the pixels."""

_ROOT = "/ibe/data"  # where the service has its only collection; nobody sees it
_LIMITS = {"mapped_bytes": 256 * 2**20}  # a script's memory is counted as its own, maps too


@dataclass(frozen=True, slots=True)
class Cutout:
    """A cutout that can be read."""

    size: int | None
    """Number of bytes; None if a gateway does not tell it."""
    chunks: AsyncGenerator[Buffer, None]
    """The bytes of a FITS file, not gzipped, in order."""


Cut = Callable[[str, str], Awaitable[Cutout]]
"""Makes cutouts of one source: takes centre and size as they stand in a URL."""


class Cutter:
    """Opens sources to be cut; an asynchronous context manager.

    Parameters
    ----------
    box : "exact", "ibe" or None
        The rule for the pixels; None is exact, and a gateway's own rule at a gateway.
    storage_options : mapping of str to any
        For the filesystem, in fsspec's words.
    hdu : str or None
        The HDUs that are wanted, as in a URL; None for all.
    """

    def __init__(
        self,
        box: Box | None = None,
        storage_options: Mapping[str, Any] = {},
        hdu: str | None = None,
    ) -> None:
        self._collection = {
            "path": _ROOT,
            "box": box or "exact",
            "storage_options": dict(storage_options),
            "follow_symlinks": True,
        }
        self._wanted = {} if hdu is None else {"hdu": hdu}
        self._is_plain = box is None and not storage_options
        self._services: dict[str, Service] = {}
        self._client: GatewayClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for service in self._services.values():
            await service.close()
        if self._client is not None:
            await self._client.close()

    async def open(self, source: str) -> Cut:
        """Open a source.

        Parameters
        ----------
        source : str
            A path, an fsspec URL, or the http(s) URL of a file at a gateway: one with ``/ibe/`` in
            its path.

        Raises
        ------
        GatewayError, ConfigurationError
        """
        if is_at_gateway(source):
            return self._open_at_gateway(source)
        root, key = _split(source)
        service = self._services.get(root)
        if service is None:
            collection = {**self._collection, "url": root}
            service = open_service(
                load_settings(None, {"limits": _LIMITS, "collections": [collection]})
            )
            self._services[root] = service
        found = await service.open((*_ROOT[1:].split("/"), *key.split("/")))
        return partial(_plan, service, found, self._wanted)

    def _open_at_gateway(self, url: str) -> Cut:
        if not self._is_plain:
            raise RequestError(
                "A gateway has a box rule and storage options of its own: leave them out."
            )
        if "?" in url:
            raise RequestError("The URL of the file is needed without a query.")
        if self._client is None:
            self._client = GatewayClient(load_settings().limits.request_timeout_s)
        return partial(_ask, self._client, url, self._wanted)


def _split(source: str) -> tuple[str, str]:
    """Split a source into a root, which many have in common, and a key."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        return "/", str(Path(source).expanduser().absolute())[1:]
    place, _, key = rest.partition("/")
    return f"{scheme}://{place or '/'}", key


async def _plan(
    service: Service, source: Source, wanted: Mapping[str, str], center: str, size: str
) -> Cutout:
    query = parse_query({"center": center, "size": size, **wanted})
    answer = await service.plan_cutout(source, query)
    return Cutout(answer.plan.size, service.read_chunks(answer, 0, answer.plan.size))


async def _ask(
    client: GatewayClient, url: str, wanted: Mapping[str, str], center: str, size: str
) -> Cutout:
    parameters = {"center": center, "size": size, **wanted}
    parse_query(parameters)  # so that both ways refuse in the same words
    return Cutout(*await client.ask(url, {**parameters, "gzip": "false"}))
