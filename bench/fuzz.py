"""Fuzz: files and requests that are nearly right, by the hundred thousand, at a real gateway.

Half of the inputs are FITS files, changed in any byte, card, descriptor or gzip byte, and asked for
by a query; half are whole HTTP connections. An input whose answer says something new is changed
further. What is looked for: failures without a reason, answers that are no FITS or not whole,
answers that take longer than 5 s, workers that die, tracebacks in the log, and growth. What finds
something is written into a folder; see `tests/fuzz_corpus`.
"""

import argparse
import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic

import uvloop

from bench.fits_mutations import mutate_fits
from bench.fuzz_seeds import make_files, make_requests
from bench.http_mutations import mutate_requests
from bench.mutations import split
from bench.servers import run_server
from bench.watch import Watch, make_table
from tests.conftest import find_material
from tests.fuzzing import (
    NO_ANSWER,
    QUERIES,
    ask,
    exchange,
    find_fault,
    find_unexplained,
    parse_answer,
    pick_log_faults,
)

_AT_ONCE = 64
_LOOK_S = 2.0
_TELL_S = 30.0
_ROUNDS = 5  # between them the gateway is left alone; the first warms it up
_SETTLE_S = 8.0
_LARGE = 4 * 2**20  # bytes of a large answer, after which a worker gives back spare memory
_SUFFIXES = ("fits", "fits", "fits", "fits.gz", "fits.fz")
_MAX_POOL = 3000
_CONFIG = """\
[server]
port = 0
workers = 2
[limits]
max_requests = 5000
max_client_requests = 5000
keepalive_timeout_s = 10
open_files = 16
[cache]
dir = "{cache}"
max_bytes = 50000000
memory_bytes = 8000000
unpacked_bytes = 8000000
[[collections]]
path = "/ibe/data"
url = "{folder}"
[[collections]]
path = "/ibe/exactly"
url = "{folder}"
box = "ibe"
gzip = "never"
[[collections]]
path = "/ibe/closed"
url = "{folder}"
[[collections.access]]
paths = "*"
"""


@dataclass
class Findings:
    """What was found, and the inputs that found it.

    Parameters
    ----------
    folder : Path
        Where the inputs are kept.
    """

    folder: Path
    by_fault: Counter[str] = field(default_factory=Counter)

    def add(self, fault: str, content: bytes, kind: str, note: str = "") -> None:
        """Note a fault, and keep the first inputs of each kind of it."""
        self.by_fault[fault] += 1
        if self.by_fault[fault] <= 5:
            name = f"{blake2b(content, digest_size=6).hexdigest()}.{kind}"
            self.folder.mkdir(exist_ok=True, parents=True)
            (self.folder / name).write_bytes(content)
            print(f"FOUND {fault}: {self.folder / name} {note}", flush=True)


class Fuzzer:
    """Makes inputs, asks, and judges the answers.

    Parameters
    ----------
    port : int
        Of the gateway.
    folder : Path
        What it serves.
    seed : int
        Of all random numbers.
    findings : Findings
        Is told.
    """

    def __init__(self, port: int, folder: Path, seed: int, findings: Findings) -> None:
        self.inputs = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        self._port, self._folder, self._findings = port, folder, findings
        self._seed = seed << 32
        material = find_material()
        self._files = make_files(material if material.is_dir() else None)
        self._requests = make_requests()
        self._heard: set[str] = set()
        good = self._files[0]
        (folder / "good.fits").write_bytes(good)
        (folder / "good.fits.fz").write_bytes(self._files[-1])
        (folder / "large.bin").write_bytes(bytes(_LARGE))
        (folder / "notes.txt").write_text("Nothing to cut.")

    async def fuzz(self, n_inputs: int) -> None:
        """Make inputs and send them, until there were so many."""
        while self.inputs < n_inputs:
            self.inputs += 1
            random = Random(self._seed + self.inputs)
            await (self._try_file if self.inputs % 2 else self._try_requests)(self.inputs, random)

    async def ask_much(self) -> None:
        """Ask all workers for large answers, after which they give spare memory back."""
        for _ in range(20):
            await ask(self._port, "/ibe/data/large.bin")

    async def _try_file(self, number: int, random: Random) -> None:
        """Ask for a changed file, under a name of its own."""
        content = mutate_fits(random, self._files)
        path = self._folder / f"{number}.{random.choice(_SUFFIXES)}"
        path.write_bytes(content)
        target = f"{path.name}?{random.choice(QUERIES)}".rstrip("?")
        try:
            answer = parse_answer(await ask(self._port, f"/ibe/data/{target}"))
            fault = find_fault(answer)
        except (TimeoutError, OSError) as error:
            answer, fault = NO_ANSWER, type(error).__name__
        path.unlink()
        if fault:
            self._findings.add(fault, content, "fits", target)
        self.answers["file", answer.status] += 1
        self._learn(f"file {answer.reason}", content, self._files)

    async def _try_requests(self, _: int, random: Random) -> None:
        """Send changed requests on one connection, in pieces."""
        content = mutate_requests(random, self._requests)
        try:
            received = await exchange(self._port, split(random, content))
            fault = find_unexplained(received)
        except (TimeoutError, OSError) as error:
            received, fault = b"", type(error).__name__
        if fault:
            self._findings.add(fault, content, "http")
        answer = parse_answer(received)
        self.answers["connection", answer.status] += 1
        self._learn(f"connection {answer.reason}", content, self._requests)

    def _learn(self, reason: str, content: bytes, pool: list[bytes]) -> None:
        """Keep an input whose answer says something new, to be changed further."""
        if reason not in self._heard and len(pool) < _MAX_POOL:
            self._heard.add(reason)
            pool.append(content)

    @property
    def n_reasons(self) -> int:
        """How many kinds of answers there were."""
        return len(self._heard)


async def _watch(fuzzer: Fuzzer, watch: Watch, findings: Findings, port: int, log: Path) -> None:
    """Look at the processes and at the log, again and again, and say how far it is."""
    workers, read, told = None, 0, monotonic()
    while True:
        await asyncio.sleep(_LOOK_S)
        metrics = ""
        with suppress(OSError, TimeoutError):
            metrics = (await ask(port, "/metrics")).decode("latin-1")
        sample = watch.look(fuzzer.inputs, metrics)
        if workers not in {None, watch.workers}:
            findings.add("a worker died", b"", "none")
        workers = watch.workers
        with log.open() as file:
            file.seek(read)
            text = file.read()
            read = file.tell()
        for excerpt in pick_log_faults(text):
            findings.add("something in the log", excerpt.encode(), "log")
        if monotonic() - told > _TELL_S:
            told = monotonic()
            print(
                f"{fuzzer.inputs:,} inputs in {sample.seconds:.0f} s, {fuzzer.n_reasons} kinds of "
                f"answers, own {sample.own_bytes / 1e6:.0f} MB, {sample.descriptors} descriptors",
                flush=True,
            )


async def _run(options: argparse.Namespace, port: int, pid: int, folder: Path, log: Path) -> bool:
    findings = Findings(options.findings)
    fuzzer = Fuzzer(port, folder, options.seed, findings)
    watch = Watch(pid)
    watching = asyncio.create_task(_watch(fuzzer, watch, findings, port, log))
    at_rest = []
    for number in range(1, _ROUNDS + 1):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(fuzzer.fuzz(options.inputs * number // _ROUNDS))
        await fuzzer.ask_much()
        await asyncio.sleep(_SETTLE_S)
        at_rest.append(watch.samples[-1])
    watching.cancel()
    growth = watch.find_remains(at_rest[0])
    print("At rest after each round:\n" + make_table(at_rest))
    print(f"{fuzzer.inputs:,} inputs (seed {options.seed}), by the status of their first answer:")
    for (kind, status), n in sorted(fuzzer.answers.items()):
        print(f"  {kind} {status or 'none'}: {n:,}")
    print(f"{fuzzer.n_reasons} kinds of answers in {watch.samples[-1].seconds:.0f} s.")
    for text in growth:
        print(f"Growth: {text}")
    for fault, n in findings.by_fault.most_common():
        print(f"Found {n} times: {fault}")
    if not findings.by_fault and not growth:
        print("Nothing was found.")
    return not findings.by_fault and not growth


def main() -> None:
    """Fuzz; the exit status is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), help="folder")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        (folder := Path(name, "archive")).mkdir()
        config, log = Path(name, "gateway.toml"), Path(name, "log")
        config.write_text(_CONFIG.format(folder=folder, cache=Path(name, "cache")))
        with run_server("gateway", "serve", "--config", str(config), log=log) as server:
            port = int(server.url.rpartition(":")[2])
            is_well = uvloop.run(_run(options, port, server.pid, folder, log))
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
