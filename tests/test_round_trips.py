"""A cutout of a far file takes as few round trips as what is known of it allows."""

from pathlib import Path

from tests.round_trips import measure
from tests.rounds import LATENCY_S

MIB = 2**20


async def test_few_round_trips(tmp_path: Path):
    """One asks for the size, one for the pixels; the headers of seven HDUs take two, one, none."""
    costs = list((await measure(tmp_path, LATENCY_S)).values())

    assert [cost.rounds for cost in costs] == [4, 3, 2, 2]
    assert len({cost.cutout_bytes for cost in costs}) == 1
    assert all(cost.n_bytes <= 2 * cost.cutout_bytes + MIB for cost in costs)
