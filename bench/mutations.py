"""Mutations: changes of any bytes. All are pure: the same random numbers make the same bytes."""

from collections.abc import Callable
from random import Random

Way = Callable[[Random, bytearray], None]
"""A way to change bytes in place."""


def change(random: Random, content: bytearray, ways: tuple[Way, ...]) -> None:
    """Change bytes in one to six ways."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        random.choice(ways)(random, content)


def flip(random: Random, content: bytearray, start: int, stop: int) -> None:
    """Change some bytes of a span."""
    for _ in range(random.choice((1, 1, 2, 8))):
        if start < stop:
            content[random.randrange(start, stop)] = random.randrange(256)


def flip_any(random: Random, content: bytearray) -> None:
    """Change some bytes anywhere."""
    flip(random, content, 0, len(content))


def cut_off(random: Random, content: bytearray) -> None:
    """End anywhere."""
    del content[random.randrange(len(content) + 1) :]


def split(random: Random, content: bytes) -> list[bytes]:
    """Cut bytes into one to five pieces anywhere."""
    cuts = sorted(random.randrange(len(content) + 1) for _ in range(random.choice((0, 0, 1, 2, 4))))
    return [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True) if a < b]
