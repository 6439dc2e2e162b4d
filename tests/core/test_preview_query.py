"""The parameters of a picture: every value, every refusal."""

import pytest

from gateway.core.cuts import Limits, Percentile
from gateway.core.errors import BadParameter
from gateway.core.preview_query import PreviewQuery, asks_for_picture, parse_preview_query
from gateway.core.query import parse_query

AREA = {"center": "1,2px", "size": "3px"}


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({"format": "png"}, PreviewQuery("png", None, None)),
        ({"format": "webp"} | AREA, PreviewQuery("webp", parse_query(AREA), None)),
        ({"format": "jpeg", "hdu": "SCI"}, PreviewQuery("jpeg", None, "SCI")),
        ({"format": "json", "hdu": " 2 "}, PreviewQuery("json", None, 2)),
        ({"format": "png", "stretch": "log"}, PreviewQuery("png", None, None, stretch="log")),
        ({"format": "png", "cmap": "hot_r"}, PreviewQuery("png", None, None, colormap="hot_r")),
        ({"format": "png", "width": "1"}, PreviewQuery("png", None, None, width_px=1)),
    ],
)
def test_each_parameter_is_taken(parameters, query):
    """A picture of the whole image needs no more than its format."""
    assert asks_for_picture(parameters)
    assert parse_preview_query(parameters) == query


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        ("zscale", "zscale"),
        ("minmax", "minmax"),
        ("99.5", Percentile(99.5)),
        ("100", Percentile(100.0)),
        ("-1.5e-3,2", Limits(-0.0015, 2.0)),
        (" 0 , .5 ", Limits(0.0, 0.5)),
    ],
)
def test_cuts_are_names_a_percentage_or_two_values(text, cuts):
    """One number is a percentage, two are values."""
    assert parse_preview_query({"format": "png", "cuts": text}).cuts == cuts


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("format", "tiff", "give fits, png, jpeg, webp or json"),
        ("format", "", "give fits, png"),
        ("format", "PNG", "give fits, png"),
        ("stretch", "gamma", "give asinh, linear, sqrt, log"),
        ("stretch", "", "give asinh"),
        ("cmap", "jet", "give gray, viridis"),
        ("cuts", "", "zscale, minmax, a percentage"),
        ("cuts", "ZScale", "zscale, minmax, a percentage"),
        ("cuts", "nan", "a percentage"),
        ("cuts", "1,2,3", "two values"),
        ("cuts", "0", "above 0"),
        ("cuts", "100.1", "up to 100"),
        ("cuts", "5,5", "lower value first"),
        ("cuts", "5,1e999", "lower value first"),
        ("width", "0", "from 1 to 8192"),
        ("width", "8193", "from 1 to 8192"),
        ("width", "12.5", "from 1 to 8192"),
        ("width", "9" * 5000, "from 1 to 8192"),
        ("hdu", "1,2", "shows one HDU"),
        ("hdu", "", "numbers, from 0, or names"),
        ("gzip", "off", "never gzipped"),
        ("center", "1,2px", "required"),
        ("dpi", "300", "no such parameter"),
    ],
)
def test_what_is_no_picture_is_refused(name, text, problem):
    """The message names the parameter, and says what is accepted."""
    with pytest.raises(BadParameter, match=problem) as refused:
        parse_preview_query({"format": "png", name: text})

    assert refused.value.name in {name, "size"}
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("parameters", [{}, AREA, {"format": "fits"}])
def test_a_cutout_is_no_picture(parameters):
    """The default is FITS."""
    assert not asks_for_picture(parameters)
