"""Query parameters: every spelling, every refusal."""

from contextlib import suppress
from itertools import product
from math import isfinite

import pytest
from hypothesis import given

from gateway.core.errors import BadParameter
from gateway.core.query import (
    AngularSize,
    CutoutQuery,
    PixelPosition,
    PixelSize,
    SkyPosition,
    parse_center,
    parse_flag,
    parse_query,
    parse_size,
    split_query,
)
from gateway.core.units import SPELLINGS, Unit
from tests import strategies

ARC = [f"{a}{hyphen}" for a in ("a", "arc") for hyphen in ("", "-")]
SPELLED = {
    Unit.PIXEL: ["p", "px", "pix", "pixel", "pixels"],
    Unit.DEGREE: ["d", "deg", "degree", "degrees"],
    Unit.RADIAN: ["rad", "radian", "radians"],
    Unit.ARCMINUTE: ["'", *map("".join, product(ARC, ["min", "minute", "minutes"]))],
    Unit.ARCSECOND: ['"', *map("".join, product(ARC, ["sec", "second", "seconds"]))],
}
DEGREES = {
    Unit.DEGREE: 1.0,
    Unit.RADIAN: 57.29577951308232,
    Unit.ARCMINUTE: 1 / 60,
    Unit.ARCSECOND: 1 / 3600,
}
CASES = [(unit, spelling) for unit, spellings in SPELLED.items() for spelling in spellings]


def test_there_are_no_other_spellings():
    """The accepted units are those of the table, and no more."""
    assert {(unit, spelling) for spelling, unit in SPELLINGS.items()} == set(CASES)


@pytest.mark.parametrize("blank", ["", " ", "\t "])
@pytest.mark.parametrize(("unit", "spelling"), CASES)
def test_each_spelling_of_a_unit_means_it(unit, spelling, blank):
    """A unit may follow the last number, blanks between, in center and in size."""
    center = parse_center(f"1.5,0.25{blank}{spelling}")
    size = parse_size(f"1.5,0.25{blank}{spelling}")
    if unit is Unit.PIXEL:
        assert (center, size) == (PixelPosition(1.5, 0.25), PixelSize(1.5, 0.25))
    else:
        one = DEGREES[unit]
        assert isinstance(center, SkyPosition)
        assert isinstance(size, AngularSize)
        assert (center.ra_deg, center.dec_deg) == pytest.approx((1.5 * one, 0.25 * one), rel=1e-15)
        assert (size.x_deg, size.y_deg) == pytest.approx((1.5 * one, 0.25 * one), rel=1e-15)


def test_a_number_of_pixels_is_no_angle():
    """Asking for pixels in degrees is a mistake of the program."""
    with pytest.raises(ValueError, match="no angle"):
        Unit.PIXEL.to_degrees(1)


@pytest.mark.parametrize(
    ("text", "ra_deg", "dec_deg"),
    [
        ("10.68,41.27", 10.68, 41.27),
        ("+1e1,-.5", 10, -0.5),
        ("1.,2.", 1, 2),
        ("1E-2,2e+1deg", 0.01, 20),
        (" 1 , 2 deg ", 1, 2),
        ("-10,0", 350, 0),
        ("730,90", 10, 90),
        ("0,-90", 0, -90),
        ("360,0", 0, 0),
        ("-1e-20,0", 0, 0),
        ("21600,5400'", 0, 90),
        ("-648000,324000arcsec", 180, 90),
    ],
)
def test_angles_are_degrees_and_right_ascension_is_reduced(text, ra_deg, dec_deg):
    """A sky centre is in degrees, its right ascension in [0, 360)."""
    assert parse_center(text) == SkyPosition(ra_deg, dec_deg)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", AngularSize(0, 0)),
        ("0px", PixelSize(0, 0)),
        ("-0px", PixelSize(0, 0)),
        ("3px", PixelSize(3, 3)),
        ("1,2", AngularSize(1, 2)),
        ("200,100 pix", PixelSize(200, 100)),
    ],
)
def test_one_number_is_width_and_height(text, size):
    """One number is both; zero is legal."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "1", "1,", ",1", ",", "1,2,3", "deg", "nan,1", "1,inf", "Infinity,0", "0x10,1",
     "1_0,1", "1,2 3", "1;2", "1e,2", "1 2", "٣,1", "1e999,0px", "0,1e999", "1,2\n", "1,2px\n",
     "1deg,2", "10deg,10deg", "1,2PX", "1,2Deg", "1,2 furlong", "1,2 arc--sec", "1,2 arc", "1,2 m",
     "1,2px px", "0,90.0000001", "0,-91", "0,5401'", "0,1.6rad", "1e308,0rad"],
)  # fmt: skip
def test_a_malformed_center_is_refused(text):
    """Two finite numbers, one known unit, a declination: nothing else is a centre."""
    with pytest.raises(BadParameter) as refused:
        parse_center(text)
    assert refused.value.name == "center"


@pytest.mark.parametrize("text", ["273.4866 64.3971", "18:13:56 +64:23:49", "18h13m56s,64"])
def test_what_is_no_pair_of_numbers_is_not_told_as_a_wrong_unit(text):
    """A comma that is missing, and hours and minutes, are answered with the form of a centre."""
    with pytest.raises(BadParameter, match="malformed; it takes two numbers"):
        parse_center(text)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1,-1", "-1px", "1,-1px", "-1arcsec", "-1e-9deg", "nan", "inf", "-inf", "0x1p3",
     "1,2,3", "1,", "px", "1Px", "10deg,10deg", "1e999px", "1e308rad"],
)  # fmt: skip
def test_a_malformed_size_is_refused(text):
    """A negative, infinite or unreadable size is refused in every unit."""
    with pytest.raises(BadParameter) as refused:
        parse_size(text)
    assert refused.value.name == "size"


@pytest.mark.parametrize(
    ("spellings", "meaning"),
    [(["1", "o", "on", "y", "yes", "t", "true", " TRUE ", "On", "\tyEs"], True),
     (["0", "n", "no", "of", "off", "f", "false", "False", "OFF ", " n"], False)],
)  # fmt: skip
def test_a_flag_has_many_spellings(spellings, meaning):
    """A flag is read in any case, with blanks around it."""
    assert {parse_flag("gzip", text) for text in spellings} == {meaning}


@pytest.mark.parametrize("text", ["", " ", "2", "tru", "10", "none", "01", "ja", "o n"])
def test_what_is_no_flag_is_refused(text):
    """Anything else, empty too, is refused, and what was given is repeated."""
    with pytest.raises(BadParameter, match="neither true"):
        parse_flag("gzip", text)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("center=1,2&size=3", {"center": "1,2", "size": "3"}),
        ("size=3&center=1,2&", {"center": "1,2", "size": "3"}),
        ("size=3%22&center=1%2C2+deg", {"center": "1,2 deg", "size": '3"'}),
        ("c%65nter=%2B1,2", {"center": "+1,2"}),
        ("gzip", {"gzip": ""}),
        ("size=1=2", {"size": "1=2"}),
        ("size=%C2%B0", {"size": "°"}),
        ("size=100%", {"size": "100%"}),
    ],
)
def test_a_query_string_is_decoded(text, parameters):
    """A plus is a blank, %22 is a quotation mark, and the order does not matter."""
    assert split_query(text) == parameters


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("size=1&size=1", "size", "more than once"),
        ("size=1&s%69ze=1", "size", "more than once"),
        ("=1", "", "needs a name"),
        ("size=1&&center=1,2", "", "needs a name"),
        ("&", "", "needs a name"),
        ("size=%ff", "size", "UTF-8"),
        ("%ff=1", "%ff", "UTF-8"),
    ],
)
def test_a_query_string_that_is_no_table_is_refused(text, name, problem):
    """A repeated, nameless or undecodable parameter is refused, and named."""
    with pytest.raises(BadParameter, match=problem) as refused:
        split_query(text)
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("parameters", "name", "problem"),
    [
        ({}, "center", "required, as in"),
        ({"center": "1,2"}, "size", "required when center is given"),
        ({"size": "1"}, "center", "required when size is given"),
        ({"gzip": "true"}, "center", "required"),
        ({"center": "1,2", "size": "1", "Gzip": "1"}, "Gzip", "no such parameter"),
        ({"x" * 500: ""}, "x" * 60 + "…", "no such parameter"),
        ({"center": "1,2", "size": "1", "gzip": ""}, "gzip", "neither"),
        ({"center": "x" * 500, "size": "1"}, "center", "x{60}…' is malformed"),
        ({"center": "1,2", "size": "1", "hdu": ""}, "hdu", "numbers, from 0, or names"),
        ({"center": "1,2", "size": "1", "hdu": "1,,2"}, "hdu", "numbers, from 0, or names"),
        ({"center": "1,2", "size": "1", "stretch": "log"}, "stretch", "add format=png"),
        ({"center": "1,2", "size": "1", "format": "tiff"}, "format", "a cutout is fits"),
    ],
)
def test_a_query_with_a_missing_or_unknown_parameter_is_refused(parameters, name, problem):
    """The message names the parameter, and repeats at most 60 of a caller's characters."""
    with pytest.raises(BadParameter, match=problem) as refused:
        parse_query(parameters)
    assert refused.value.name == name
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("center", "size", "needs_sky"),
    [("1,2px", "3px", False), ("1,2", "3px", True), ("1,2px", "3'", True), ("1,2", "3", True)],
)
def test_units_are_independent_of_each_other(center, size, needs_sky):
    """Centre and size have units of their own; only pixels with pixels need no sky."""
    query = parse_query({"center": center, "size": size})
    assert query == CutoutQuery(parse_center(center), parse_size(size), gzip=None)
    assert query.needs_sky is needs_sky


@pytest.mark.parametrize(("text", "gzip"), [("off", False), ("1", True)])
def test_gzip_is_taken_where_it_is_given(text, gzip):
    """A given flag is a value, not a default."""
    assert parse_query({"center": "1,2", "size": "3", "gzip": text}).gzip is gzip


def test_hdus_are_numbers_or_names():
    """What has digits only is a number; blanks around it do not count."""
    parameters = {"center": "1,2", "size": "3", "format": "fits", "hdu": "SCI, 02,1A"}

    assert parse_query(parameters).hdus == ("SCI", 2, "1A")


@given(strategies.query_texts)
def test_any_query_gives_a_value_or_a_refusal(text):
    """No text makes the parsers raise anything but BadParameter."""
    with suppress(BadParameter):
        assert isinstance(parse_query(split_query(text)), CutoutQuery)


@given(strategies.values)
def test_any_center_is_finite_and_in_range(text):
    """A centre that is accepted is finite, and on the sphere if it is on the sky."""
    try:
        center = parse_center(text)
    except BadParameter:
        return
    if isinstance(center, SkyPosition):
        assert 0 <= center.ra_deg < 360
        assert -90 <= center.dec_deg <= 90
    else:
        assert isfinite(center.x)
        assert isfinite(center.y)


@given(strategies.values)
def test_any_size_is_finite_and_not_negative(text):
    """A size that is accepted is a finite number of pixels or degrees, at least zero."""
    try:
        size = parse_size(text)
    except BadParameter:
        return
    sides = (size.x, size.y) if isinstance(size, PixelSize) else (size.x_deg, size.y_deg)
    assert all(isfinite(side) and side >= 0 for side in sides)
