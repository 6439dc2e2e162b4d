"""Boxes: how a position and a size in pixels are counted."""

from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.box import BoxRule, plan_box, plan_box_between, steady
from gateway.core.section import Section

EXACT, IBE = BoxRule.EXACT, BoxRule.IBE
COORDINATES = st.floats(-1e5, 1e5)
SIZES = st.floats(0, 1e5)


@pytest.mark.parametrize(("rule", "columns"), [(EXACT, 100), (IBE, 101)])
@pytest.mark.parametrize("center", [50, 1000])
def test_a_hundred_pixels_are_100_or_101(rule, columns, center):
    """The exact rule counts the size; the other takes every pixel that is touched."""
    box = plan_box(rule, center, center, 100, 100)
    assert (box.nx, box.ny) == (columns, columns)


@pytest.mark.parametrize(
    ("rule", "x", "width", "columns"),
    [
        (EXACT, 50, 100, (1, 100)),
        (EXACT, 50.5, 100, (1, 100)),
        (EXACT, 51, 100, (2, 101)),
        (EXACT, 50, 99, (1, 99)),
        (EXACT, 50.49, 99, (1, 99)),
        (EXACT, 50.5, 99, (2, 100)),
        (EXACT, 50, 99.5, (1, 100)),
        (EXACT, 50, 99.49, (1, 99)),
        (EXACT, 50, 0, (50, 50)),
        (EXACT, 50.4, 0.6, (50, 50)),
        (EXACT, 50.6, 1, (51, 51)),
        (IBE, 50, 100, (0, 100)),
        (IBE, 50.5, 100, (1, 101)),
        (IBE, 50, 99, (1, 100)),
        (IBE, 50, 98, (1, 99)),
        (IBE, 50, 0, (50, 50)),
        (IBE, 50.5, 0, (51, 51)),
        (IBE, 50.4, 0.2, (50, 51)),
    ],
)
def test_each_rule_gives_its_columns(rule, x, width, columns):
    """Columns, from 1, are floor(c - n/2) + 1 … floor(c + n/2), or those that are touched."""
    box = plan_box(rule, x, 7, width, 1)
    assert (box.x_start + 1, box.x_stop) == columns


@pytest.mark.parametrize("rule", BoxRule)
@pytest.mark.parametrize(
    ("x", "y", "size", "columns"),
    [(-49, 175, 100, 1), (-50, 175, 100, None), (29, 176, 90, 74)],
)
def test_the_numbers_of_the_public_page_hold_in_both_rules(rule, x, y, size, columns):
    """On 512 x 1024 pixels: one column, none, and 74 of 90."""
    section = plan_box(rule, x, y, size, size).clip(512, 1024)
    assert (section.nx if section else None) == columns


@given(COORDINATES, COORDINATES, SIZES, SIZES)
def test_the_exact_rule_gives_the_rounded_size(x, y, width, height):
    """The size does not depend on the position, and is at least one pixel."""
    box = plan_box(EXACT, x, y, width, height)
    assert box.nx == max(1, floor(width + 0.5))
    assert box.ny == max(1, floor(height + 0.5))
    assert abs((box.x_start + box.x_stop + 1) / 2 - x) <= 0.5 + 1e-9


@given(COORDINATES, SIZES)
def test_the_ibe_rule_takes_what_is_touched(x, width):
    """The first pixel holds the low edge of the area, the last its high edge."""
    box = plan_box(IBE, x, 1, width, 1)
    low, high = x - width / 2, x + width / 2
    assert box.x_start + 0.5 <= low + 1e-9
    assert low < box.x_start + 1.5 + 1e-9
    assert box.x_stop - 0.5 <= high + 1e-9
    assert high < box.x_stop + 0.5 + 1e-9


@pytest.mark.parametrize("rule", BoxRule)
@pytest.mark.parametrize(
    ("x", "width", "section"),
    [
        (1e300, 10, None),
        (-1e300, 10, None),
        (5, 1e300, Section(0, 10, 0, 5)),
        (1e308, 1.7e308, None),
    ],
)
def test_absurd_numbers_are_no_error(rule, x, width, section):
    """A box far away overlaps nothing; one as large as the universe is the whole image."""
    assert plan_box(rule, x, 3, width, 1e9).clip(10, 5) == section


def test_the_box_between_two_points_holds_both():
    """It goes from the pixel of the low point to that of the high one."""
    assert plan_box_between(1.0, 3.4, 0.49, 2.5) == Section(0, 3, -1, 3)


@pytest.mark.parametrize(
    ("coordinate", "steadied"),
    [
        (29.4999999997, 29.5),
        (29.5000000003, 29.5),
        (29.4999, 29.4999),
        (1e300, 1e15),
        (-1e99, -1e15),
    ],
)
def test_a_coordinate_from_a_wcs_is_rounded(coordinate, steadied):
    """The last digit of a platform never moves a box."""
    assert steady(coordinate) == steadied
