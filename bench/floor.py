"""The floor: a server that only sends bytes that it has, deflated or as they are.

It has many cutouts of each size and takes them in turn: how long one takes to deflate depends on
its pixels, by a factor of two, and the processor learns to foresee the branches of one that comes
again and again: 0.26 ms where a new one takes 0.38 to 0.44.

It runs in one process on the event loop of the gateway's workers, deflates as the gateway does, and
has no access log, no metrics and no cutouts to make. Its allocator is tuned as theirs: without,
an answer of 1000 px takes 900 pages anew, a fifth of its time, and the gateway looks faster than
what it is measured by.
"""

import socket
import sys
from itertools import cycle
from pathlib import Path

import uvloop
from aiohttp import web

from gateway.web.gzip import deflate
from gateway.web.spare_memory import tune_allocator


def main() -> None:
    """Serve the files of each folder at ``/plain/FOLDER`` and, gzipped, at ``/gzip/FOLDER``."""
    tune_allocator()
    app = web.Application()
    for folder in Path(sys.argv[1]).iterdir():
        _add_routes(app, folder.name, [path.read_bytes() for path in folder.glob("*.fits")])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"Listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(app, sock=listener, access_log=None, print=None, loop=uvloop.new_event_loop())


def _add_routes(app: web.Application, name: str, cutouts: list[bytes]) -> None:
    turn = cycle(cutouts)

    async def send_plain(_: web.Request) -> web.Response:
        return web.Response(body=next(turn), content_type="application/fits")

    async def send_gzipped(_: web.Request) -> web.Response:
        return web.Response(body=deflate(next(turn)), content_type="application/gzip")

    app.router.add_get(f"/plain/{name}", send_plain)
    app.router.add_get(f"/gzip/{name}", send_gzipped)


if __name__ == "__main__":
    main()
