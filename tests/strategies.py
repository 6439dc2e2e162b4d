"""Hypothesis strategies: query texts, sections, byte ranges and headers."""

from hypothesis import strategies as st

from gateway.core.header import CARD
from gateway.core.ranges import Block
from gateway.core.section import Planes, Section
from gateway.core.units import SPELLINGS
from tests.fits_files import card

_NUMBERS = st.one_of(
    st.integers(-400, 400).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.sampled_from(["", "+", "1e", "1e999", "-0", ".5", "5.", "0x10", "1_0", "٣", " 7 ", "--1"]),
)
_UNITS = st.one_of(
    st.just(""), st.sampled_from(sorted(SPELLINGS)), st.text("depxarcsmin-'\" ", max_size=6)
)


def _joined(parts: tuple[list[str], str]) -> str:
    numbers, unit = parts
    return ",".join(numbers) + unit


values = st.one_of(
    st.tuples(st.lists(_NUMBERS, max_size=3), _UNITS).map(_joined), st.text(max_size=12)
)
"""Texts that are, or nearly are, the value of center or size."""

query_texts = st.one_of(
    st.text(),
    st.lists(
        st.tuples(st.sampled_from(["center", "size", "gzip", "Size", "", "%", "%ff"]), values).map(
            "=".join
        ),
        max_size=4,
    ).map("&".join),
)
"""Texts that are, or nearly are, the query of a URL."""


@st.composite
def sections(draw, shape: st.SearchStrategy[tuple[int, int]]):
    """Draw an image's number of columns and rows, and a section inside of it."""
    nx, ny = draw(shape)
    x_start, y_start = draw(st.integers(0, nx - 1)), draw(st.integers(0, ny - 1))
    x_stop, y_stop = draw(st.integers(x_start + 1, nx)), draw(st.integers(y_start + 1, ny))
    return (nx, ny), Section(x_start, x_stop, y_start, y_stop)


image_sections = sections(st.tuples(st.integers(1, 12), st.integers(1, 12)))


@st.composite
def blocks(draw) -> Block:
    """Draw a block of a few small rows."""
    row_bytes = draw(st.integers(1, 9))
    stride = row_bytes + draw(st.integers(0, 9))
    return Block(draw(st.integers(0, 20)), row_bytes, stride, draw(st.integers(1, 9)))


@st.composite
def planes(draw) -> Planes:
    """Draw blocks in planes that do not overlap."""
    block = draw(blocks())
    return Planes(block, block.span.size + draw(st.integers(0, 9)), draw(st.integers(1, 4)))


_KEYWORDS = st.sampled_from(
    ["CRPIX1", "CRPIX2", "CRPIX1A", "CRPIX2Z", "LTV1", "LTV2", "CNPIX1", "CTYPE1", "CTYPE2B",
     "CRVAL1", "CD1_1", "CD2_2C", "NAXIS1", "CHECKSUM", "DATASUM", "EXTNAME", "HISTORY", "END", ""]
)  # fmt: skip
_FIELDS = st.one_of(
    st.floats().map(lambda number: f"{number:20}"),
    st.integers().map(lambda number: f"{number:20} / a comment"),
    st.sampled_from(["", " / undefined", "'text'", "1E999999", "-1D-9999999", "9E99999999 /", "T"]),
    st.text(st.characters(max_codepoint=255), max_size=70),
)
cards = st.one_of(
    st.builds(card, _KEYWORDS, _FIELDS, indicator=st.sampled_from(["= ", "=", "  ", "=x"])),
    st.binary(min_size=CARD, max_size=CARD),
)
"""Cards that matter to a cutout, rightly and wrongly written, and bytes that are no cards."""

_WCS_KEYWORDS = st.sampled_from(
    ["CTYPE1", "CTYPE2", "CRPIX1", "CRVAL2", "CDELT1", "CD1_1", "PC1_2", "PV2_1", "CUNIT1",
     "CROTA2", "RADESYS", "EQUINOX", "LONPOLE", "WCSAXES", "A_ORDER", "A_2_0", "B_ORDER",
     "AP_ORDER", "CPDIS1", "DP1", "D2IMDIS1", "WAT1_001", "DATE-OBS", "NAXIS", "NAXIS1", "AMDX1",
     "AMDY1", "PLTRAH", "PS1_0"]
)  # fmt: skip
_WCS_FIELDS = st.one_of(
    _FIELDS,
    st.sampled_from(
        ["'RA---TPV'", "'RA---TNX'", "'RA---ZPN'", "'GLON-HPX'", "'LOOKUP'", "'EXTVER: 1'", "'FK4'",
         "0", "-1", "2", "9", "1000000", "1E300", "'wtype=tnx'", "'arcmin'", "'2000-13-45'", "NaN"]
    ),
)  # fmt: skip
wcs_cards = st.builds(card, _WCS_KEYWORDS, _WCS_FIELDS, indicator=st.sampled_from(["= ", "=", " "]))
"""Cards of world coordinates, rightly and wrongly written."""
