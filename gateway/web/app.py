"""App: the routes, and what is opened and closed with them."""

import sys
from collections.abc import Awaitable

from aiohttp import hdrs, web
from prometheus_client.exposition import CONTENT_TYPE_LATEST as METRICS

from gateway.config import Settings
from gateway.config_server import TelemetrySettings
from gateway.service import Service, open_service
from gateway.web.access_log import AccessLog
from gateway.web.admission import Admission
from gateway.web.assets import assets_path, get_asset, load_assets
from gateway.web.gauges import Gauges
from gateway.web.handlers import Handlers
from gateway.web.journal import Journal
from gateway.web.metrics import Metrics, Seat
from gateway.web.middleware import Gate, Handler
from gateway.web.pace import Pace

SERVICE = web.AppKey("service", Service)
GATE = web.AppKey("gate", Gate)
PACE = web.AppKey("pace", Pace)
ANSWER = web.AppKey[Handler]("answer")
"""Answers every request: the gate, or what traces them on their way there."""

_ANY_PATH = r"/{path:[\s\S]*}"  # a dot would not match a line break, which a name may have


def build_app(settings: Settings, seat: Seat | None = None) -> web.Application:
    """Make the application; its stores are made here, and closed with it.

    Parameters
    ----------
    settings : Settings
        What is served, and how.
    seat : Seat or None
        Where the process keeps its counts, beside those of others that serve the same.
    """
    service = open_service(settings)
    admission = Admission(settings.limits)
    handlers = Handlers(service, settings, admission)
    metrics = Metrics(service.archive.public_name, seat)
    metrics.expect(service.archive.collections)
    gauges = Gauges(metrics, service, admission)
    log = AccessLog(settings.server.log_format, sys.stderr)
    journal = Journal([log.write, metrics.count])

    async def get_metrics(_: web.Request) -> web.Response:
        journal.tell()
        gauges.look()
        return web.Response(body=metrics.render(), headers={hdrs.CONTENT_TYPE: METRICS})

    pages: dict[str, Handler] = {
        "/": handlers.get_landing,
        "/healthz": handlers.get_health,
        "/readyz": handlers.get_readiness,
        "/metrics": get_metrics,
        **{f"/{assets_path()}{name}": get_asset for name in load_assets()},
    }

    def dispatch(request: web.Request) -> Awaitable[web.StreamResponse]:
        if request.method == hdrs.METH_OPTIONS:
            return handlers.get_options(request)
        return pages.get(request.rel_url.raw_path, handlers.get_path)(request)

    app = web.Application()
    app[SERVICE] = service
    app[PACE] = admission.pace
    # one route: a look into a dictionary costs a fraction of aiohttp's routes and middlewares
    app[GATE] = gate = Gate(settings, dispatch, journal, admission, handlers.find_collection)
    app[ANSWER] = _traced(gate.answer, app, settings.telemetry)
    app.router.add_route("*", _ANY_PATH, app[ANSWER])

    async def begin(_: web.Application) -> None:
        gauges.begin()

    async def close(_: web.Application) -> None:
        gauges.end()
        await service.close()
        gauges.look()  # what storages did since the last second
        journal.tell()

    app.on_startup.append(begin)
    app.on_cleanup.append(close)
    return app


def _traced(answer: Handler, app: web.Application, settings: TelemetrySettings) -> Handler:
    """Let requests be traced, if that is wanted."""
    if not settings.endpoint:
        return answer
    from gateway.web.telemetry import Telemetry  # noqa: PLC0415 - its packages are an extra

    telemetry = Telemetry(settings)

    async def close(_: web.Application) -> None:
        await telemetry.close()

    app.on_cleanup.append(close)
    return telemetry.wrap(answer)
