"""The house keeps its own rules; those about imports are import-linter's."""

import re
from pathlib import Path

import pytest

from gateway.config import load_settings
from gateway.config_description import describe_settings
from gateway.storage.archive import open_archive

ROOT = Path(__file__).parents[1]


def test_no_module_is_longer_than_300_lines():
    """A module that passes 300 lines is split at its second idea."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "gateway").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    }

    assert long == {}


def test_the_readme_lists_all_settings():
    """The table in the README says of each setting what the code says."""
    readme = (ROOT / "README.md").read_text()
    missing = [
        setting.name
        for setting in describe_settings()
        if f"| `{setting.name}` |" not in readme
        or setting.description not in readme
        or (setting.default and f"| `{setting.default}` |" not in readme)
    ]
    named = re.findall(
        r"^\| `((?:server|limits|cache|telemetry|collections)\.\w+)`", readme, re.MULTILINE
    )

    assert missing == []
    assert set(named) == {setting.name for setting in describe_settings()}


def test_every_module_is_in_the_picture():
    """docs/architecture.md names each module."""
    picture = (ROOT / "docs/architecture.md").read_text()
    names = {
        path.name if path.name != "__init__.py" else path.parent.name
        for path in (ROOT / "gateway").rglob("*.py")
    }

    missing = [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}", picture)]

    assert missing == []


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.toml")), ids=lambda p: p.name)
async def test_the_example_configurations_load(path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is in config/ can be served: every key and every option is understood."""
    for name in re.findall(r"env:(\w+)", path.read_text()):  # noqa: ASYNC240 - a short file
        monkeypatch.setenv(name, "sig=secret")
    archive = open_archive(load_settings(path))
    await archive.close()

    assert archive.collections
