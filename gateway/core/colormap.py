"""Colour maps: levels -> colours. No I/O.

Those with anchors are drawn by straight lines between 33 colours, which is within 5 of 255 of their
full tables: viridis, plasma, inferno and magma by N. Smith, S. van der Walt and E. Firing, and
cividis by J. Nuñez, C. Anderton and R. Renslow (CC0); coolwarm by K. Moreland (published without
restriction). hot and cubehelix (D. Green, 2011) are formulas.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.core.stretch import N_LEVELS

Colors = NDArray[np.float64]

_ANCHORS = {
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e "
        "2c728e 297a8e 26828e 23898e 21918c 1f988b 1fa088 22a785 28ae80 32b67a 3fbc73 4ec36b "
        "5ec962 70cf57 84d44b 98d83e addc30 c2df23 d8e219 ece51b fde725"
    ),
    "plasma": (
        "0d0887 220690 310597 3f049c 4c02a1 5901a5 6600a7 7201a8 7e03a8 8a09a5 9511a1 a01a9c "
        "aa2395 b32c8e bc3587 c43e7f cc4778 d35171 da5a6a e06363 e66c5c eb7655 f0804e f58b47 "
        "f89540 fba139 fdac33 feb82c fdc527 fcd225 f8df25 f4ed27 f0f921"
    ),
    "inferno": (
        "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e 7d1e6d "
        "8a226a 972766 a32c61 b0315b bc3754 c73e4c d24644 db503b e45a31 eb6628 f1731d f68013 "
        "f98e09 fb9d07 fcac11 fbbc21 f9cb35 f5db4c f2ea69 f3f68a fcffa4"
    ),
    "magma": (
        "000004 030312 0a0822 130d34 1d1147 29115a 36106b 440f76 51127c 5d177f 6a1c81 762181 "
        "832681 902a81 9c2e7f aa337d b73779 c43c75 d0416f dc4869 e75263 ef5d5e f56b5c f9795d "
        "fc8961 fd9869 fea772 feb67c fec488 fed395 fde2a3 fcf0b2 fcfdbf"
    ),
    "cividis": (
        "00224e 00285b 002e6a 053371 1a386f 273e6e 32436d 3b496c 434e6c 4b546c 535a6d 5a5f6e "
        "61656f 686a71 6f7073 767676 7d7c78 848279 8c8878 938e78 9b9476 a39a74 aba072 b4a76f "
        "bcae6c c4b468 cdbb63 d5c25e dec958 e7d150 f0d846 f9e03a fee838"
    ),
    "coolwarm": (
        "3b4cc0 445acc 4e68d8 5875e1 6282ea 6c8ff1 779af7 82a6fb 8db0fe 98b9ff a3c2fe aec9fc "
        "b9d0f9 c3d5f4 ccd9ed d5dbe5 dddcdc e5d8d1 ecd3c5 f1ccb8 f5c4ac f7ba9f f7b093 f6a586 "
        "f4987a f08b6e eb7d62 e46e56 dd5f4b d44e41 ca3b37 be242e b40426"
    ),
}


def _hot(x: Colors) -> Colors:
    """Go from black over red and yellow to white."""
    return np.clip(np.stack([8 * x / 3, 8 * x / 3 - 1, 4 * x - 3], axis=1), 0, 1)


def _cubehelix(x: Colors) -> Colors:
    """Go around the colours once and a half while the brightness grows evenly."""
    phase, swing = 2 * np.pi * (0.5 / 3 + 1 - 1.5 * x), x * (1 - x) / 2
    cosine, sine = swing * np.cos(phase), swing * np.sin(phase)
    channels = (
        x - 0.14861 * cosine + 1.78277 * sine,
        x - 0.29227 * cosine - 0.90649 * sine,
        x + 1.97294 * cosine,
    )
    return np.clip(np.stack(channels, axis=1), 0, 1)


def _between(name: str) -> Callable[[Colors], Colors]:
    """Interpolate the anchors of a map."""

    def colors(x: Colors) -> Colors:
        anchors = np.array([list(bytes.fromhex(each)) for each in _ANCHORS[name].split()]) / 255
        places = np.linspace(0, 1, len(anchors))
        return np.stack([np.interp(x, places, channel) for channel in anchors.T], axis=1)

    return colors


_MAPS: dict[str, Callable[[Colors], Colors]] = {
    "gray": lambda x: np.stack([x, x, x], axis=1),
    **{name: _between(name) for name in _ANCHORS},
    "hot": _hot,
    "cubehelix": _cubehelix,
}

COLORMAPS: Mapping[str, object] = MappingProxyType(
    {**_MAPS, **{f"{name}_r": colors for name, colors in _MAPS.items()}}
)
"""By name; with ``_r`` the colours are turned round."""


@cache
def color_table(name: str) -> NDArray[np.uint8]:
    """Give the colours of all levels: shape (256, 3); level 0, no value, is black.

    Parameters
    ----------
    name : str
        One of `COLORMAPS`.
    """
    base = name.removesuffix("_r")
    colors = _MAPS[base](np.linspace(0, 1, N_LEVELS))
    table = np.zeros((N_LEVELS + 1, 3), np.uint8)
    table[1:] = np.round(colors[:: -1 if base != name else 1] * 255)
    return table
