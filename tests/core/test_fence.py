"""Memory that tells whether it was left."""

from resource import RUSAGE_SELF, getrusage

import pytest

from gateway.core.fence import FencedBytes


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 * 65536 + 5])
def test_a_fence_tells_whether_a_byte_behind_it_was_read(size):
    """To read all that is held does nothing; a single byte more is noticed."""
    data = bytes(n % 251 for n in range(size))
    fenced = FencedBytes(data, 10)
    assert fenced.array[:size].tobytes() == data
    assert fenced.is_intact
    assert fenced.array[size] == 0
    assert not fenced.is_intact


def test_what_lies_behind_takes_no_memory():
    """However much may be read, it is there only when it is."""
    before = getrusage(RUSAGE_SELF).ru_minflt
    fenced = FencedBytes(b"held", 2**28)
    assert len(fenced.array) == 4 + 2**28
    assert fenced.is_intact
    assert getrusage(RUSAGE_SELF).ru_minflt - before < 1000
