"""Selection: which HDUs of a file ``hdu=NAME,3`` means, and what is left of a cutout. No I/O."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.core.errors import BadParameter, NoOverlap
from gateway.core.image import Parent
from gateway.core.layout import Hdu
from gateway.core.placement import Placement, Uncut
from gateway.core.query import shown

_NAMED = 8  # HDUs that a message names


def find_hdus(hdus: Sequence[Hdu], wanted: Iterable[int | str]) -> frozenset[int]:
    """Find HDUs by number, or by name without regard to case; a name may mean several.

    Raises
    ------
    BadParameter
        There is no such HDU.
    """
    found: set[int] = set()
    for each in wanted:
        if isinstance(each, int):
            matching = {each} if each < len(hdus) else set()
        else:
            matching = {hdu.index for hdu in hdus if hdu.name.upper() == each.upper()}
        if not matching:
            raise BadParameter("hdu", f"there is no {shown(str(each))!r}; {_describe(hdus)}.")
        found |= matching
    return frozenset(found)


def select(
    parent: Parent, wanted: Iterable[int | str], placements: Mapping[int, Placement]
) -> tuple[dict[int, Placement], set[int]]:
    """Reduce a cutout to some HDUs.

    Parameters
    ----------
    parent : Parent
        The file.
    wanted : iterable of int or str
        From the query.
    placements : mapping of int to Placement
        Of all images: a mask is placed by the image before it, whether or not that is wanted.

    Returns
    -------
    placements : dict of int to Placement
        Of the images that are wanted.
    uncut : set of int
        The other HDUs that are wanted, and the tables that bend the sky of a wanted image.

    Raises
    ------
    BadParameter
        There is no such HDU.
    NoOverlap
        The requested area overlaps other images only.
    """
    chosen = find_hdus(parent.layout.hdus, wanted)
    kept = {index: p for index, p in placements.items() if index in chosen}
    if chosen & parent.images.keys() and all(p is Uncut.LEFT_OUT for p in kept.values()):
        raise NoOverlap(
            "The requested area overlaps none of the images that hdu names: "
            "move center, enlarge size, or leave out hdu."
        )
    bending = {
        table for table, owners in parent.lookups.items() if not kept.keys().isdisjoint(owners)
    }
    return kept, {index for index in parent.uncut if index in chosen} | bending


def _describe(hdus: Sequence[Hdu]) -> str:
    names = [f"{hdu.index} {hdu.name}".rstrip() for hdu in hdus[:_NAMED]]
    return "the file has HDUs " + ", ".join(names) + (" and more" if len(hdus) > _NAMED else "")
