"""How the site of the documentation is built, by Sphinx: ``make docs``."""

from collections.abc import Iterator
from itertools import groupby

from sphinx.application import Sphinx

from gateway.config_description import SettingDescription, describe_settings

project = "ibe-gateway"
html_title = "ibe-gateway"
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]

html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

myst_heading_anchors = 3  # so that links to headings are checked
numpydoc_show_class_members = False
autodoc_member_order = "bysource"

_SETTINGS = "<!-- the table of settings -->"


def setup(app: Sphinx) -> None:
    """Write the reference of the settings when its page is read."""
    app.connect("source-read", _write_settings)


def _write_settings(_: Sphinx, page: str, source: list[str]) -> None:
    if page == "configuration":
        source[0] = source[0].replace(_SETTINGS, "\n".join(_describe_settings()))


def _describe_settings() -> Iterator[str]:
    for section, settings in groupby(describe_settings(), lambda each: each.name.split(".")[0]):
        heading = f"[[{section}]]" if section == "collections" else f"[{section}]"
        yield f"\n## `{heading}`\n"
        yield "| key | type | default | what it is |"
        yield "| --- | --- | --- | --- |"
        yield from map(_describe, settings)


def _describe(setting: SettingDescription) -> str:
    key = setting.name.partition(".")[2]
    default = f"`{setting.default}`" if setting.default else ""
    kind = setting.type.replace("|", r"\|")
    return f"| `{key}` | {kind} | {default} | {setting.description} |"
