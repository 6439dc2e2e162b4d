"""Server: worker processes on one socket, under gunicorn.

gunicorn replaces a worker that dies, passes signals on, and lets answers that have begun finish;
a map of a file that is cut off while it is read kills a worker, and must not end the service.
"""

import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from itertools import count
from math import ceil
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from aiohttp import web
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from gateway.config import ConfigurationError, Settings
from gateway.core.errors import GatewayError
from gateway.web.app import build_app
from gateway.web.log_lines import SupervisorLogger, set_form
from gateway.web.metrics import Seat
from gateway.web.spare_memory import tune_allocator
from gateway.web.worker import BACKLOG, Runner

_LOG = logging.getLogger("gateway")
_COLLECTED = 5_000  # objects: eight requests have 700, and would begin a collection each time


def serve(read_settings: Callable[[], Settings], announce: Callable[[str], None]) -> None:
    """Listen and answer until told to end.

    Parameters
    ----------
    read_settings : callable
        Gives the settings: where to listen, how many workers, and all the rest. It is asked again
        for each SIGHUP.
    announce : callable
        Is told the URL once it is listened on.

    Raises
    ------
    ConfigurationError, GatewayError
        The settings cannot be used.
    OSError
        The address cannot be listened on.
    """
    settings = read_settings()
    set_form(settings.server.log_format)
    _allow_open_files()
    tune_allocator()
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    # gunicorn closes the descriptor: a socket object would close whatever has its number later
    _Supervisor(read_settings, settings, listener.detach()).run()


def _allow_open_files() -> None:
    """Let the process have as many connections and files as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _open_files() -> int:
    """Give how many connections and files the process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OSError(
            error.errno, f"{host}:{port}: {reason}; choose another by --port or server.port"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        timeout_ms = int(settings.limits.client_timeout_s * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    return listener


def _end_at_once(_arbiter: Arbiter, _worker: Worker) -> None:
    """Let SIGTERM end a worker that answers nothing yet: until then gunicorn would lose it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Supervisor(BaseApplication):  # type: ignore[misc]  # gunicorn is not typed
    """gunicorn, told what we know; it reads neither a file nor the environment."""

    def __init__(
        self, read_settings: Callable[[], Settings], settings: Settings, descriptor: int
    ) -> None:
        self._read_settings = read_settings
        self._settings = settings
        self._descriptor = descriptor
        self._metrics_folder = Path(mkdtemp(prefix="ibe-gateway-"))
        self._seat: Seat | None = None
        super().__init__()

    def reload(self) -> None:
        """Read the settings again; where to listen stays, and so do all if they cannot be used."""
        try:
            self._settings = self._read_settings()
            set_form(self._settings.server.log_format)
        except (ConfigurationError, GatewayError) as error:
            _LOG.error("The new settings cannot be used, the old ones stay.\n%s", error)
        super().reload()

    def load_config(self) -> None:
        """Say how the workers are kept."""
        server = self._settings.server
        drain_s = ceil(server.drain_timeout_s) + 1
        for name, value in {
            "bind": f"fd://{self._descriptor}",
            "workers": server.workers,
            "worker_class": "gateway.web.worker.Worker",
            "graceful_timeout": drain_s,
            # a worker that leaves off gives no signs of life
            "timeout": ceil(server.worker_timeout_s) + drain_s,
            "control_socket_disable": True,  # nobody but the system's signals commands us
            "proc_name": "ibe-gateway",
            "loglevel": "warning",
            "logger_class": SupervisorLogger,
            "accesslog": None,
            "pre_fork": self._give_seat,
            "post_fork": _end_at_once,
            "child_exit": self._take_seat,
            "on_exit": self._remove_metrics,
        }.items():
            self.cfg.set(name, value)

    def _give_seat(self, arbiter: Arbiter, worker: Worker) -> None:
        """Choose the place of a worker's counts, which it inherits from here."""
        taken = {other.seat.number for other in arbiter.WORKERS.values()}
        number = next(n for n in count() if n not in taken)
        self._seat = worker.seat = Seat(self._metrics_folder, number)

    def _take_seat(self, _arbiter: Arbiter, worker: Worker) -> None:
        worker.seat.leave()

    def _remove_metrics(self, _arbiter: Arbiter) -> None:
        rmtree(self._metrics_folder, ignore_errors=True)

    def load(self) -> Callable[[], Any]:
        """Give what each worker makes its application with."""

        async def make() -> web.AppRunner:
            gc.freeze()  # what is imported lives as long as the worker; no collection need see it
            gc.set_threshold(_COLLECTED)
            limits = self._settings.limits
            return Runner(
                build_app(self._settings, self._seat),
                min(limits.max_connections, _open_files() // 2),  # the rest is for files
                has_siblings=self._settings.server.workers > 1,
                access_log=None,
                keepalive_timeout=limits.keepalive_timeout_s,
                max_line_size=limits.max_url_bytes,
                max_field_size=limits.max_field_bytes,
                shutdown_timeout=self._settings.server.drain_timeout_s,
            )

        return make
