"""Fence: memory that tells whether somebody read on behind what it holds. No I/O.

A C decoder that does not know where its input ends gives no sign that it read on. But the kernel
maps a page of fresh memory when it is first touched, and says which pages are mapped: 5 µs a tile.
"""

import ctypes
from functools import cache
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, mmap
from typing import Any

import numpy as np


class FencedBytes:
    """A copy of bytes that ends with a page of memory, before pages that nobody has touched.

    Parameters
    ----------
    data : bytes
        What is copied.
    n_behind : int
        Number of zeros behind it, > 0, that may be read without harm. They take memory only where
        they are read.
    """

    def __init__(self, data: bytes | memoryview, n_behind: int) -> None:
        stop = -(-len(data) // PAGESIZE) * PAGESIZE
        memory = mmap(-1, stop + n_behind, MAP_PRIVATE | MAP_ANONYMOUS)
        memory[stop - len(data) : stop] = data
        self.array = np.frombuffer(memory, np.uint8, offset=stop - len(data))
        """The bytes, and the zeros behind them."""
        self._size = len(data)

    @property
    def is_intact(self) -> bool:
        """Whether it is certain that nobody read behind the bytes."""
        is_mapped = ctypes.create_string_buffer(b"\xff")
        behind = self.array.ctypes.data + self._size
        return _mincore()(behind, 1, is_mapped) == 0 and not is_mapped.raw[0] & 1


@cache
def _mincore() -> Any:
    """Find the kernel's ``mincore``, of Linux, BSD and macOS."""
    mincore = ctypes.CDLL(None).mincore
    mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    return mincore
