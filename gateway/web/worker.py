"""Worker: one process that answers, and lets nobody down who has come in when it leaves off."""

import asyncio
import logging
import signal
from contextlib import suppress
from types import FrameType
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.worker import GunicornUVLoopWebWorker

from gateway.web.app import ANSWER, GATE, PACE
from gateway.web.connections import Connections

BACKLOG = 2048
"""Connections that wait to be accepted; the system may allow fewer (net.core.somaxconn)."""
_SEE_OFF_S = 1.0  # for a client to ask once more, and to be told that it was the last time
_LOOK_S = 0.02


def _tell_shortly(record: logging.LogRecord) -> bool:
    """Make a line of what aiohttp tells of bytes that are no HTTP.

    They are the client's mistake, and come by the thousand from who scans the internet; it would
    write a traceback for each.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args = "no HTTP: %s", (error.message.partition("\n")[0],)
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = None
    return True


_LOG = logging.getLogger("gateway.http")
_LOG.addFilter(_tell_shortly)


class Worker(GunicornUVLoopWebWorker):
    """gunicorn's worker."""

    def init_signals(self) -> None:
        """Let signals end the worker at once, until it runs: uvloop loses those that come before.

        A worker that had lost its SIGTERM went on answering until it was killed with all it did.
        """
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    async def _run(self) -> None:
        super().init_signals()
        await super()._run()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave off at once: aiohttp looks only once a second whether it was told to."""
        self.handle_quit(sig, frame)

    def notify(self) -> None:
        """Give a sign of life, and let as many connections wait as the socket was made for.

        Each worker that begins lets aiohttp reduce that to 128, for all workers. Those who come
        when more than these wait to be accepted are not heard, and try again after a second.
        """
        super().notify()
        for listener in self.sockets:
            listener.listen(BACKLOG)


class Runner(web.AppRunner):
    """Runs the application.

    aiohttp closes at once the connections on which it is asked nothing. A request may be on its way
    on them; so each is first given the time to ask, and is told by ``Connection: close`` that no
    further one will be answered here.

    Parameters
    ----------
    app : web.Application
        What answers.
    max_connections : int
        How many may be open.
    has_siblings : bool
        Whether there are other workers.
    **options
        Of aiohttp's runner.
    """

    def __init__(
        self,
        app: web.Application,
        max_connections: int,
        *,
        has_siblings: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(app, logger=_LOG, **options)
        self._max_connections = max_connections
        self._has_siblings = has_siblings

    async def _make_server(self) -> Connections:
        """Hand requests to what answers them.

        There is one route for all, and the way to it through aiohttp's router and middlewares costs
        a small cutout a twentieth.
        """
        server = await super()._make_server()
        return Connections(
            self.app[ANSWER],
            self.app[PACE],
            self._max_connections,
            has_siblings=self._has_siblings,
            request_factory=server.request_factory,
            **self._kwargs,
        )

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
