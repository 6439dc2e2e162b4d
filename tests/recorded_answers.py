"""What the production program answered: read from the material, row by row."""

import csv
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2: FITS pixels, from 1 and inclusive, as they stand in the table."""

_KINDS = {"image": ("PRIMARY", "IMAGE"), "bintable": ("BINTABLE",), "table": ("TABLE",)}


@dataclass(frozen=True, slots=True)
class RecordedHdu:
    """One HDU of an answer."""

    index: int
    xtensions: tuple[str, ...]
    """What it may be called."""
    shape: tuple[int, ...]
    """NAXIS1, NAXIS2 of an image; empty if it has no pixels, and for a table."""
    crpix: tuple[float | None, float | None]
    box: Box | None
    """None where nothing was cut."""
    sha256: str
    """Of the data unit without its padding; empty where it was not noted."""
    standard: str
    """What the FITS standard asks for in its place, if that is something else: a box or a word."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One answer of the production program."""

    file: str
    query: str
    status: int
    reason: str
    """Why it refused."""
    hdus: tuple[RecordedHdu, ...]
    """Empty for a refusal, and for a gzipped answer."""


def read_answers(material: Path) -> dict[str, list[RecordedAnswer]]:
    """Read all recorded answers: file -> its answers, in order."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    table = lzma.decompress((material / "oracle/ibe.tsv.xz").read_bytes()).decode()
    for row in _read_rows(table):
        rows.setdefault((row["file"], row["query"]), []).append(row)
    answers: dict[str, list[RecordedAnswer]] = {}
    for (file, query), group in rows.items():
        hdus = sorted((_hdu(row) for row in group if row["hdu"]), key=lambda hdu: hdu.index)
        first = group[0]
        answer = RecordedAnswer(file, query, int(first["status"]), first["reason"], tuple(hdus))
        answers.setdefault(file, []).append(answer)
    return answers


def _hdu(row: dict[str, str]) -> RecordedHdu:
    crpix_1, crpix_2 = (float(row[key]) if row[key] else None for key in ("crpix1", "crpix2"))
    corners = [row[key] for key in ("x1", "y1", "x2", "y2")]
    is_cut = row["kind"] == "image" and all(corners)
    lengths = (row["naxis1"], row["naxis2"]) if row["kind"] == "image" else ()
    return RecordedHdu(
        index=int(row["hdu"]),
        xtensions=_KINDS[row["kind"]],
        shape=tuple(int(n) for n in lengths if n),
        crpix=(crpix_1, crpix_2),
        box=parse_box(",".join(corners)) if is_cut else None,
        sha256=row["sha256_data"],
        standard="" if row["standard"] in {"same", "-"} else row["standard"],
    )


def parse_box(text: str) -> Box:
    """Read four numbers, with or without brackets around them."""
    x1, y1, x2, y2 = (int(part) for part in text.strip("[]").split(","))
    return x1, y1, x2, y2


@dataclass(frozen=True, slots=True)
class RecordedExchange:
    """One request to the production program's server, and its status."""

    method: str
    path_and_query: str
    """Below the root of the data."""
    headers: dict[str, str]
    status: int
    shape: tuple[int, ...]
    """NAXIS1, NAXIS2 of the first image; empty where it was not noted."""


def read_exchanges(material: Path) -> Iterator[RecordedExchange]:
    """Read all recorded exchanges, in order."""
    for row in _read_rows((material / "oracle/http.tsv").read_text()):
        headers = [header.split(": ", 1) for header in row["request_headers"].split("|") if header]
        yield RecordedExchange(
            row["method"],
            row["path_and_query"],
            dict(headers),
            int(row["status"]),
            tuple(int(n) for n in row["naxis"].split("x") if n),
        )


def _read_rows(table: str) -> Iterable[dict[str, str]]:
    return csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
