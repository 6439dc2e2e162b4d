"""Worker: one process that answers, and lets nobody down who has come in when it leaves off."""

import asyncio
from contextlib import suppress
from types import FrameType

from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker

from gateway.web.app import ANSWER, GATE

_SEE_OFF_S = 1.0  # for a client to ask once more, and to be told that it was the last time
_LOOK_S = 0.02


class Worker(GunicornUVLoopWebWorker):
    """gunicorn's worker."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave off at once: aiohttp looks only once a second whether it was told to."""
        self.handle_quit(sig, frame)


class Runner(web.AppRunner):
    """Runs the application.

    aiohttp closes at once the connections on which it is asked nothing. A request may be on its way
    on them; so each is first given the time to ask, and is told by ``Connection: close`` that no
    further one will be answered here.
    """

    async def setup(self) -> None:
        """Hand requests to what answers them.

        There is one route for all, and the way to it through aiohttp's router and middlewares costs
        a small cutout a twentieth.
        """
        await super().setup()
        if self.server is not None:
            # what the application makes of a message is a web.Request
            self.server.request_handler = self.app[ANSWER]  # type: ignore[assignment]

    async def cleanup(self) -> None:
        """Take no more connections, answer what comes on those that are there, then end."""
        for site in list(self.sites):
            await site.stop()
        self.app[GATE].drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SEE_OFF_S):
                # nobody tells when they are gone
                while self.server is not None and self.server.connections:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        await super().cleanup()
