"""What the fuzzer (`python -m bench.fuzz`) ever found, asked again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fits_files import TAN, image
from tests.fuzzing import (
    QUERIES,
    ask,
    exchange,
    find_fault,
    find_unexplained,
    parse_answer,
    pick_log_faults,
)
from tests.running import Gateway, run_gateway

_CORPUS = Path(__file__).with_name("fuzz_corpus")
_FILES = sorted(path.name for path in _CORPUS.glob("*.fits*"))
_CONNECTIONS = sorted(path.name for path in _CORPUS.glob("*.http"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run one gateway for all; in the end its log is read."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "good.fits").write_bytes(image(cards=TAN))
    for name in _FILES:
        (folder / name).write_bytes((_CORPUS / name).read_bytes())
    with run_gateway("serve", folder, "--port", "0") as running:
        running.get("/healthz")
        workers = running.workers
        yield running
        assert running.workers == workers
        assert pick_log_faults(running.read_log()) == []


@pytest.mark.parametrize("name", _FILES)
async def test_files(gateway: Gateway, name: str):
    """A file that once did harm is answered in time, rightly or with a reason."""
    for query in QUERIES:
        received = await ask(gateway.port, f"/ibe/data/{name}?{query}".rstrip("?"))
        assert find_fault(parse_answer(received)) is None


@pytest.mark.parametrize("name", _CONNECTIONS)
async def test_connections(gateway: Gateway, name: str):
    """What once did harm on a connection is answered in time, or with a reason."""
    received = await exchange(gateway.port, [(_CORPUS / name).read_bytes()])
    assert find_unexplained(received) is None
