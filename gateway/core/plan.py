"""Plan: every piece of a cutout, in order, and its exact size. No I/O."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from math import isfinite, prod
from typing import NamedTuple

from gateway.core.box import BoxRule
from gateway.core.coordinates import Coordinates
from gateway.core.edit import move_reference, without_data
from gateway.core.errors import UnsupportedFits
from gateway.core.header import Header, pad_to_block
from gateway.core.image import Image, Parent
from gateway.core.layout import Hdu
from gateway.core.placement import Placement, Uncut, place
from gateway.core.query import CutoutQuery
from gateway.core.ranges import Block
from gateway.core.section import Planes, Section, plan_rows
from gateway.core.selection import select
from gateway.core.tiles import TiledImage


class Literal(NamedTuple):
    """Bytes that are known: a header, or padding."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    @property
    def stop(self) -> int:
        """How far the parent must reach."""
        return 0


class Stored(NamedTuple):
    """Bytes that are copied from the parent."""

    planes: Planes
    size: int
    """Number of bytes."""

    @property
    def stop(self) -> int:
        """How far the parent must reach."""
        return self.planes.stop


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Pixels of a tile-compressed image."""

    tiles: TiledImage
    section: Section
    size: int
    """Number of bytes."""

    @property
    def stop(self) -> int:
        """How far the parent must reach."""
        return self.tiles.table.heap.stop

    @property
    def unpacked_bytes(self) -> int:
        """Number of bytes of all tiles that the section touches."""
        return self._n_tiles * prod(self.tiles.tile_shape) * self.tiles.pixel_bytes

    @property
    def unpacking_s(self) -> float:
        """About how long it takes to unpack these tiles, in seconds."""
        n_tiles = self._n_tiles
        return self.tiles.codec.estimate_s(n_tiles, n_tiles * prod(self.tiles.tile_shape))

    @property
    def _n_tiles(self) -> int:
        """Number of the tiles that the section touches."""
        tiles, section = self.tiles, self.section
        wanted = chain(
            [(section.x_start, section.x_stop), (section.y_start, section.y_stop)],
            ((0, length) for length in tiles.shape[2:]),
        )
        return prod(
            -(-stop // along) - start // along
            for (start, stop), along in zip(wanted, tiles.tile_shape, strict=True)
        )


Piece = Literal | Stored | Unpacked


class CutoutPlan(NamedTuple):
    """The pieces of an answer."""

    pieces: tuple[Piece, ...]
    size: int
    """Number of bytes of all pieces."""

    @property
    def unpacked_bytes(self) -> int:
        """Number of bytes that are unpacked for it: a small section may lie in a large tile."""
        return sum([p.unpacked_bytes for p in self.pieces if isinstance(p, Unpacked)])

    def blocks(self) -> Iterator[Block]:
        """Give what is copied from the parent; the bytes of tiles are not known yet."""
        for piece in self.pieces:
            if isinstance(piece, Stored):
                yield from (block for block, *_ in piece.planes.blocks(0, piece.size))

    @property
    def unpacking_s(self) -> float:
        """About how long that takes, in seconds."""
        return sum([p.unpacking_s for p in self.pieces if isinstance(p, Unpacked)])

    def between(self, start: int, stop: int) -> Iterable[tuple[Piece, int, int]]:
        """Give the pieces that hold the answer's bytes from `start` to `stop`, each with these.

        Returns
        -------
        iterable of (Piece, int, int)
            A piece, and its wanted bytes, from the first up to, not including, the last.
        """
        if start == 0 and stop == self.size:  # all of it, as mostly
            return [(piece, 0, piece.size) for piece in self.pieces if piece.size]
        return self._part(start, stop)

    def _part(self, start: int, stop: int) -> Iterator[tuple[Piece, int, int]]:
        offset = 0
        for piece in self.pieces:
            if offset >= stop:
                return
            size = piece.size
            first, last = max(start - offset, 0), min(stop - offset, size)
            if first < last:
                yield piece, first, last
            offset += size


def plan_cutout(
    parent: Parent, query: CutoutQuery, rule: BoxRule, coordinates: Coordinates | None
) -> CutoutPlan:
    """Plan the answer to a query. This is the last point where anything can be refused.

    Parameters
    ----------
    parent : Parent
        The file.
    query : CutoutQuery
        What is asked for.
    rule : BoxRule
        How pixels are counted.
    coordinates : Coordinates or None
        Of the file; only needed if the query `needs_sky`.

    Raises
    ------
    BadParameter, NoOverlap, NoUsableWcs, UnsupportedFits
    """
    placements, uncut = place(parent, query, rule, coordinates), set(parent.uncut)
    if query.hdus is not None:
        placements, uncut = select(parent, query.hdus, placements)
    pieces: list[Piece] = []
    # an image that is not placed is left out, without a look at it: there may be hundreds
    for index in sorted({0, *uncut, *placements}):
        hdu, image = parent.layout.hdus[index], parent.images.get(index)
        if index in parent.lookups:
            owners = [placements.get(owner, Uncut.LEFT_OUT) for owner in parent.lookups[index]]
            pieces += _plan_lookup(hdu, owners)
        elif image is None and index not in uncut:
            pieces.append(Literal(without_data(hdu.header).to_bytes()))
        elif image is None:
            pieces += _plan_copy(hdu, hdu.header)
        else:
            pieces += _plan_image(image, placements.get(index, Uncut.LEFT_OUT))
    return CutoutPlan(tuple(pieces), sum([piece.size for piece in pieces]))


def plan_whole(size: int) -> CutoutPlan:
    """Plan the answer that is the file itself."""
    return CutoutPlan((Stored(Planes.run(0, size), size),) if size else (), size)


def _plan_copy(hdu: Hdu, header: Header) -> list[Piece]:
    head = Literal(header.to_bytes())
    data = hdu.data_range
    if not data.size:
        return [head]
    stored = Stored(Planes.run(data.start, data.stop), data.size)
    return [head, stored, *_padding(data.size, b" " if hdu.xtension == "TABLE" else b"\0")]


def _plan_image(image: Image, placement: Placement) -> list[Piece]:
    if isinstance(placement, Section):
        return _plan_section(image, placement)
    if placement is Uncut.LEFT_OUT:
        is_first = image.hdu.index == 0
        return [Literal(without_data(image.header).to_bytes())] if is_first else []
    if image.tiles is not None:
        return _plan_section(image, Section(0, image.shape[0], 0, image.shape[1]))
    return _plan_copy(image.hdu, image.header)


def _plan_section(image: Image, section: Section) -> list[Piece]:
    x_start, x_stop, y_start, y_stop = section
    head = Literal(image.template.render(x_stop - x_start, y_stop - y_start, x_start, y_start))
    planes = plan_rows(section, image.shape, image.pixel_bytes, image.hdu.data_range.start)
    size, tiles = planes.size, image.tiles
    pixels = Stored(planes, size) if tiles is None else Unpacked(tiles, section, size)
    return [head, pixels, *_padding(size, b"\0")]


def _plan_lookup(hdu: Hdu, owners: Sequence[Placement]) -> list[Piece]:
    """Copy a lookup table, and let it follow the corner of its images."""
    sections = [owner for owner in owners if isinstance(owner, Section)]
    corners = {(section.x_start, section.y_start) for section in sections}
    if len(corners) > 1:
        raise UnsupportedFits(
            f"The images of this file share the distortion table of HDU {hdu.index}, which cannot "
            "follow sections with different corners: give center and size in pixels."
        )
    if not corners:
        return _plan_copy(hdu, hdu.header) if Uncut.WHOLE in owners else []
    header, (x_start, y_start) = hdu.header, corners.pop()
    if x_start or y_start:
        x_step, y_step = (_table_step(header, axis) for axis in (1, 2))
        header = move_reference(header, x_start / x_step, y_start / y_step)
    return _plan_copy(hdu, header)


def _table_step(header: Header, axis: int) -> Decimal:
    """Read CDELTj of a lookup table; what is no step is the default, 1."""
    step = header.get(f"CDELT{axis}")
    if isinstance(step, int | float) and isfinite(step) and step:
        return Decimal(str(float(step)))
    return Decimal(1)


@lru_cache(maxsize=256)  # who asks for many cutouts asks for one size
def _padding(size: int, fill: bytes) -> tuple[Literal, ...]:
    """Fill the last block of a data unit (FITS 4.0, 3.3.2, 7.2.3 and 7.3.3)."""
    missing = pad_to_block(size) - size
    return (Literal(fill * missing),) if missing else ()
