"""Soak: a hundred thousand mixed requests, their answers checked, and what the gateway holds.

Good and bad parameters, hostile files, plain, tiled and gzipped parents on a disk, S3 and a web
server, whole files, ranges, pictures, pages and listings, on connections that are kept or not,
pipelined, and cut at any byte. What is measured and how to read it is in bench/README.md.
"""

import argparse
import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic

import uvloop

from bench.curve import draw_curves, sparkline
from bench.servers import run_server
from bench.soak_archive import Archive, serve_archive
from bench.soak_client import BrokenAnswer, Client
from bench.soak_questions import Questions
from bench.watch import Watch, make_table

_AT_ONCE = 16
_ROUNDS = 5  # between them the gateway is left alone; the first warms it up
_SETTLE_S = 12.0  # spare memory is given back, idle threads and connections of storages end
_TELL_S = 30.0
_OF_STORAGE = (502, 503, 504)


class Soak:
    """Asks, and keeps what went wrong.

    Parameters
    ----------
    archive : Archive
        What is asked for.
    port : int
        Of the gateway.
    watch : Watch
        Looks at its processes.
    seed : int
        Of all random numbers.
    """

    def __init__(self, archive: Archive, port: int, watch: Watch, seed: int) -> None:
        self.asked = 0
        self.wrong: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        self.watch = watch
        self._port = port
        self._disk = archive.storages[0].encode()
        self._random = Random(seed)
        self._questions = Questions(archive, self._random)

    async def load(self, n_requests: int) -> None:
        """Ask until so many were asked, and wait until nothing is left to be done."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._ask(n_requests))
        await asyncio.sleep(_SETTLE_S)

    async def look(self) -> None:
        """Look every second, and say now and then how far it is."""
        client, told = Client(self._port), monotonic()
        while True:
            await asyncio.sleep(1)
            (answer,) = await client.ask([b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"], keep=False)
            sample = self.watch.look(self.asked, answer.body.decode())
            if monotonic() - told > _TELL_S:
                told = monotonic()
                print(
                    f"{self.asked:,} requests in {sample.seconds:.0f} s, own "
                    f"{sample.own_bytes / 1e6:.0f} MB, {sample.descriptors} descriptors, "
                    f"{self.wrong.total()} wrong",
                    flush=True,
                )

    async def _ask(self, n_requests: int) -> None:
        client = Client(self._port)
        while self.asked < n_requests:
            (way,) = self._random.choices(("kept", "new", "pipelined", "aborted"), (60, 25, 8, 7))
            self.ways[way] += 1
            if way == "aborted":
                await self._abort(client)
                continue
            n = self._random.randint(2, 6) if way == "pipelined" else 1
            questions = [self._questions.draw() for _ in range(n)]
            self.asked += n
            try:
                answers = await client.ask([q.request for q in questions], keep=way != "new")
            except (BrokenAnswer, TimeoutError, OSError) as error:
                self._note(repr(error), questions[0].request)
                continue
            for question, answer in zip(questions, answers, strict=True):
                if answer.status in _OF_STORAGE and self._is_remote(question.request):
                    self.ways["storage failed"] += 1  # it runs on this machine, and may starve
                elif fault := question.check(answer):
                    self._note(fault, question.request)
        client.close()

    def _is_remote(self, request: bytes) -> bool:
        return b" " + self._disk + b"/" not in request

    async def _abort(self, client: Client) -> None:
        """Leave in the middle of a head, or of an answer."""
        request = self._questions.draw().request
        self.asked += 1
        n_sent = len(request)
        if self._random.random() < 0.3:
            n_sent = self._random.randrange(n_sent)
        try:
            await client.abort(request, n_sent, self._random.choice((0, 1, 500, 50_000, 10**6)))
        except (TimeoutError, OSError) as error:
            self._note(f"aborted: {error!r}", request)

    def _note(self, fault: str, request: bytes) -> None:
        self.wrong[fault[:60]] += 1
        if self.wrong[fault[:60]] <= 3:
            print(f"WRONG: {request.partition(b' HTTP')[0].decode()}: {fault}", flush=True)


async def _run(options: argparse.Namespace, archive: Archive, port: int, pid: int) -> bool:
    watch = Watch(pid)
    soak = Soak(archive, port, watch, options.seed)
    looking = asyncio.create_task(soak.look())
    at_rest = []
    for number in range(1, _ROUNDS + 1):
        await soak.load(options.requests * number // _ROUNDS)
        if looking.done():
            looking.result()  # what /metrics could not tell ends the run
        at_rest.append(watch.samples[-1])
        print(f"At rest: own memory {at_rest[-1].own_bytes / 1e6:.1f} MB.", flush=True)
        if number == 1:
            workers = watch.workers
            watch.samples.clear()
    looking.cancel()
    problems = [f"{n} times: {fault}" for fault, n in soak.wrong.items()]
    problems += watch.find_growth() + watch.find_remains(at_rest[0])
    if watch.workers != workers:
        problems.append("a worker died")
    print("At rest after each round:\n" + make_table(at_rest))
    print(watch.table())
    for name, values in watch.curves().items():
        print(f"{name:>12} {sparkline(values)}")
    if options.svg:
        options.svg.write_text(draw_curves(watch.samples))
    print(f"{soak.asked:,} requests to {', '.join(archive.storages)}; {dict(soak.ways)}.")
    print("\n".join(problems) or "Flat, back to where it was, and every answer right.")
    return not problems


def main() -> None:
    """Soak; the exit status is 1 if anything grew or was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg", type=Path, help="file for a drawing of the curves")
    options = parser.parse_args()
    with (
        TemporaryDirectory() as name,
        serve_archive(Path(name), options.seed) as archive,
        run_server("gateway", "serve", "--config", str(archive.config), log=Path(name, "log")) as s,
    ):
        Path(name).chmod(0o755)
        is_well = uvloop.run(_run(options, archive, int(s.url.rpartition(":")[2]), s.pid))
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
