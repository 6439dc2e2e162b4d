"""Asking: cutouts of files at a gateway, this program's or IRSA's, over HTTP."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from gateway.core.errors import (
    ArchiveError,
    CorruptFits,
    GatewayError,
    NoOverlap,
    NotFound,
    NoUsableWcs,
    Overloaded,
    RequestError,
    SourceChanged,
    StorageTimeout,
    StorageUnavailable,
    TooLarge,
    TooManyRequests,
    UnsupportedFits,
)

_ERRORS: dict[int, type[GatewayError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
    HTTPStatus.BAD_GATEWAY: StorageUnavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Overloaded,
    HTTPStatus.GATEWAY_TIMEOUT: StorageTimeout,
}
# what one status means several of; a gateway of this program tells which
_KINDS: dict[str, type[GatewayError]] = {
    kind.__name__: kind
    for kind in (NoOverlap, NoUsableWcs, CorruptFits, UnsupportedFits, SourceChanged)
}
_ACCEPT = "application/fits, application/problem+json;q=0.9"


def is_at_gateway(source: str) -> bool:
    """Tell whether a source is a file at a gateway: the service's page says, by its path."""
    url = urlsplit(source)
    return url.scheme in {"http", "https"} and "/ibe/" in url.path


class GatewayClient:
    """Asks gateways; connections are kept.

    Parameters
    ----------
    timeout_s : float
        How long a whole request may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._session = ClientSession(
            timeout=ClientTimeout(total=timeout_s), headers={"Accept": _ACCEPT}
        )

    async def ask(
        self, url: str, parameters: Mapping[str, str]
    ) -> tuple[int | None, AsyncGenerator[bytes, None]]:
        """Ask for a cutout.

        Parameters
        ----------
        url : str
            Of the parent, without a query.
        parameters : mapping of str to str
            Of the query.

        Returns
        -------
        size : int or None
            Number of bytes of the answer, if it is told.
        chunks : async generator of bytes
            The answer.

        Raises
        ------
        GatewayError
        """
        with _translated():
            response = await self._session.get(URL(f"{url}?{urlencode(parameters)}", encoded=True))
            if response.status != HTTPStatus.OK:
                raise await _read_problem(response)
        return response.content_length, _read(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _read(response: ClientResponse) -> AsyncGenerator[bytes, None]:
    with _translated():
        async with response:
            async for chunk in response.content.iter_any():
                yield chunk


async def _read_problem(response: ClientResponse) -> GatewayError:
    """Make an error of an answer: its sentence, if it has one, else its status."""
    async with response:
        detail, told = f"The gateway answered {response.status} ({response.reason}).", ""
        if response.content_type == "application/problem+json":
            problem = await response.json(content_type=None)
            detail, told = str(problem.get("detail", detail)), str(problem.get("error", ""))
    kind = RequestError if response.status < HTTPStatus.INTERNAL_SERVER_ERROR else ArchiveError
    return (_KINDS.get(told) or _ERRORS.get(response.status, kind))(detail)


@contextmanager
def _translated() -> Iterator[None]:
    """Translate the client's errors; a break after the first byte is one of them."""
    try:
        yield
    except TimeoutError as error:
        raise StorageTimeout("The gateway did not answer in time; try again later.") from error
    except (ClientError, ValueError) as error:
        raise StorageUnavailable(
            "The gateway could not be reached, or broke off its answer; try again later."
        ) from error
