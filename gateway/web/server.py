"""Server: worker processes on one socket, under gunicorn.

gunicorn replaces a worker that dies, passes signals on, and lets answers that have begun finish;
a map of a file that is cut off while it is read kills a worker, and must not end the service.
"""

import gc
import signal
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from gateway.config import Settings
from gateway.web.app import build_app


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Listen and answer until told to end.

    Parameters
    ----------
    settings : Settings
        Where to listen, how many workers, and all the rest.
    announce : callable
        Is told the URL once it is listened on.

    Raises
    ------
    OSError
        The address cannot be listened on.
    """
    listener = _listen(settings.server.host, settings.server.port)
    host, port = listener.getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    _Supervisor(settings, listener).run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _end_at_once(_arbiter: Arbiter, _worker: Worker) -> None:
    """Let SIGTERM end a worker that answers nothing yet: until then gunicorn would lose it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Supervisor(BaseApplication):  # type: ignore[misc]  # gunicorn is not typed
    """gunicorn, told what we know; it reads neither a file nor the environment."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Say how the workers are kept."""
        server, limits = self._settings.server, self._settings.limits
        for name, value in {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": server.workers,
            "worker_class": "aiohttp.GunicornUVLoopWebWorker",
            "graceful_timeout": int(server.drain_timeout_s) or 1,
            "timeout": int(limits.request_timeout_s),
            "proc_name": "ibe-gateway",
            "loglevel": "warning",
            "accesslog": None,
            "post_fork": _end_at_once,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[[], Any]:
        """Give what each worker makes its application with."""

        async def make() -> web.AppRunner:
            gc.freeze()  # what is imported lives as long as the worker; no collection need see it
            return web.AppRunner(
                build_app(self._settings),
                access_log=None,
                max_line_size=self._settings.limits.max_url_bytes,
                shutdown_timeout=self._settings.server.drain_timeout_s,
            )

        return make
