"""A web server with files, as a storage: it notes how it is asked, and fails as often as told."""

from pathlib import Path

from aiohttp import web
from multidict import CIMultiDictProxy


class FlakyArchive:
    """The files of a folder.

    Parameters
    ----------
    folder : Path
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.failures = 0
        """How many of the next requests are answered 503."""
        self.heads: list[CIMultiDictProxy[str]] = []
        """The headers of the requests so far."""

    def app(self) -> web.Application:
        """Make the server's application."""
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.heads.append(request.headers)
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        return web.FileResponse(self._folder / request.match_info["name"])
