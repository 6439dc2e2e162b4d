"""App: the routes, and what is opened and closed with them."""

import sys

from aiohttp import hdrs, web

from gateway.config import Settings
from gateway.service import Service, open_service
from gateway.web.access_log import AccessLog
from gateway.web.handlers import Handlers
from gateway.web.metrics import Metrics
from gateway.web.middleware import Gate, Handler, add_common_headers

SERVICE = web.AppKey("service", Service)

_ANY_PATH = r"/{path:[\s\S]*}"  # a dot would not match a line break, which a name may have


def build_app(settings: Settings) -> web.Application:
    """Make the application; its stores are made here, and closed with it."""
    service = open_service(settings)
    handlers, metrics = Handlers(service, settings.limits), Metrics()
    log = AccessLog(settings.server.log_format, sys.stderr)
    gate = Gate(settings, metrics, log)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.answer(request, handler)

    app = web.Application(middlewares=[guard])
    app[SERVICE] = service
    for path, handler in (
        ("/", handlers.get_landing),
        ("/healthz", handlers.get_health),
        ("/readyz", handlers.get_readiness),
        ("/metrics", metrics.get),
    ):
        app.router.add_get(path, handler)
    app.router.add_route(hdrs.METH_OPTIONS, _ANY_PATH, handlers.get_options)
    app.router.add_route("*", _ANY_PATH, handlers.get_path)
    app.on_response_prepare.append(add_common_headers)

    async def close(_: web.Application) -> None:
        await service.close()
        log.flush()

    app.on_cleanup.append(close)
    return app
