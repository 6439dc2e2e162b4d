"""Tables of targets, in every format, with the columns and units that people have."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

from gateway.core.errors import RequestError
from gateway.targets import FORMATS, Target, is_table, read_targets


def write(path: Path, **columns: object) -> Path:
    """Write a table in the format of its ending."""
    Table(columns).write(path, format=FORMATS[path.suffix], overwrite=True)
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format(tmp_path: Path, ending: str):
    """The same table gives the same targets, whatever its format."""
    path = write(
        tmp_path / f"targets{ending}",
        source=["a/m 1.fits", "s3://bucket/m2.fits.gz"],
        ra=[150.1, 359.999999],
        dec=[2.25, -0.5],
        size=["100px", "30,45arcsec"],
    )

    assert is_table(str(path))
    assert read_targets(path, None) == [
        Target("a/m 1.fits", 150.1, 2.25, "100px", "m 1_150.100000+2.250000_100px.fits"),
        Target(
            "s3://bucket/m2.fits.gz",
            359.999999,
            -0.5,
            "30,45arcsec",
            "m2_359.999999-0.500000_30x45arcsec.fits",
        ),
    ]


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"RAJ2000": [10.5], "DEJ2000": [-1.5]}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"s_ra": [10.5], "s_dec": [-1.5]}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"RA": [10], "Dec": [-1]}, Target("a.fits", 10.0, -1.0, "9px")),
        ({"RA_ICRS": [10.5], "DE_ICRS": [-1.5]}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"ra": ["10.5"], "dec": ["-1.5e0"]}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"ra": [630] * u.arcmin, "dec": [-90] * u.arcmin}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"ra": ["06:00:00"], "dec": ["-01:30:00"]}, Target("a.fits", 90.0, -1.5, "9px")),
        ({"ra": ["10.5d"], "dec": ["-1d30m"]}, Target("a.fits", 10.5, -1.5, "9px")),
        ({"ra": [1.0], "dec": [2.0], "size": [0.25]}, Target("a.fits", 1.0, 2.0, "0.25deg")),
        (
            {"ra": [1.0], "dec": [2.0], "size": [15] * u.arcmin},
            Target("a.fits", 1.0, 2.0, "0.25deg"),
        ),
        ({"ra": [1.0], "dec": [2.0], "size": [64] * u.pix}, Target("a.fits", 1.0, 2.0, "64.0px")),
    ],
)
def test_columns_and_units(tmp_path: Path, columns: dict[str, object], target: Target):
    """Usual names are known in any case; numbers are in their unit, or in degrees."""
    path = tmp_path / "targets.ecsv"
    QTable({"URL": ["a.fits"], **columns}).write(path)
    (found,) = read_targets(path, "9px")

    assert (found.source, found.size) == (target.source, target.size)
    assert found.ra_deg == pytest.approx(target.ra_deg, abs=1e-12)
    assert found.dec_deg == pytest.approx(target.dec_deg, abs=1e-12)


def test_numbers_beside_hours(tmp_path: Path):
    """A column of both is text, and its numbers stay degrees: each cell says what it is."""
    path = tmp_path / "targets.csv"
    path.write_text("source,ra,dec\na,70.0012,20.0003\na,4:40:00,+20:00:00\na,,1\n")
    found = [(target.ra_deg, target.dec_deg) for target in read_targets(path, "9px")]

    assert np.allclose(found, [(70.0012, 20.0003), (70, 20), (np.nan, 1)], 0, 1e-12, equal_nan=True)


@pytest.mark.parametrize("ending", [".csv", ".ecsv", ".vot", ".parquet"])
def test_what_is_missing(tmp_path: Path, ending: str):
    """A row without a size takes that of the command; one without a position stays, to fail."""
    mask = [False, True]
    path = write(
        tmp_path / f"targets{ending}",
        source=["a.fits", "b.fits"],
        ra=MaskedColumn([1.5, 2.5], mask=mask),
        dec=[3.5, 4.5],
        size=MaskedColumn(["7px", "8px"], mask=mask),
    )
    first, second = read_targets(path, "9px")

    assert (first.size, second.size) == ("7px", "9px")
    assert (first.ra_deg, np.isnan(second.ra_deg)) == (1.5, True)


def test_names_tell_targets_apart(tmp_path: Path):
    """Equal rows are one target; different ones never have one name, and keep it in another run."""
    columns = {
        "source": ["a/m.fits", "b/m.fits", "a/m.fits", "a/m.fits"],
        "ra": [1.0, 1.0, 1.0, 1.0],
        "dec": [2.0, 2.0, 2.0, 2.0 + 1e-8],
    }
    found = read_targets(write(tmp_path / "t.csv", **columns), "1px")
    turned = {name: column[::-1] for name, column in columns.items()}

    assert len(found) == len({target.file_name for target in found}) == 3
    assert all(target.file_name.startswith("m_1.000000+2.000000_1px_") for target in found)
    assert set(read_targets(write(tmp_path / "t.csv", **turned), "1px")) == set(found)


@pytest.mark.parametrize("size", ["../../x", "1'", '1"', "1 arcmin", "a\0b"])
def test_names_are_names(tmp_path: Path, size: str):
    """No text of a table leads out of the folder."""
    path = write(tmp_path / "t.csv", source=["../.."], ra=[1.0], dec=[2.0])
    (found,) = read_targets(path, size)

    assert not set(found.file_name) & set("/\\\0'\" ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source,ra\na,1\n", "no column dec"),
        ("ra,dec\n1,2\n", r"no column source \(url"),
        ("source,ra,dec\na,1,2\n", "no column size .*--size"),
        ("source,ra,dec,size\na,1,2,1px\nb,here,2,1px\n", "Row 2 .* ra .*'here'"),
        ("Image,RAdeg,dec\na,1,2\n", "no column ra .*; it has image, radeg, dec"),
        ("", "no column source"),
        ("a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, said: str):
    """What is wrong with a table is said in a sentence."""
    path = tmp_path / "targets.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=said):
        read_targets(path, None)


def test_units_that_are_no_angles(tmp_path: Path):
    """A position or a size in metres is refused."""
    path = tmp_path / "targets.ecsv"
    QTable({"source": ["a"], "ra": [1] * u.m, "dec": [1] * u.deg}).write(path)
    with pytest.raises(RequestError, match="column ra"):
        read_targets(path, "1px")
    QTable({"source": ["a"], "ra": [1], "dec": [1], "size": [1] * u.m}).write(path, overwrite=True)
    with pytest.raises(RequestError, match="column size"):
        read_targets(path, None)


def test_parquet_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without its packages, the sentence says how to get them."""
    path = write(tmp_path / "t.parquet", source=["a"], ra=[1.0], dec=[2.0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RequestError, match=r"ibe-gateway\[parquet\]"):
        read_targets(path, "1px")
