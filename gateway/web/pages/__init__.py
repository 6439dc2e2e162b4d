"""The pages for browsers: their templates, their style, and the policy that guards them.

A page is complete in itself: its style sheet is inlined, and only that of an image has scripts.
Nothing is loaded from another host.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

HTML = "text/html; charset=utf-8"
"""The content type of every page."""

_NOT_BEYOND = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def render_page(template: str, **values: object) -> bytes:
    """Fill a template; every value is escaped."""
    page = _environment().get_template(template).render(values)
    # A name on disk need not be UTF-8: what cannot be written is shown as "?".
    return page.encode(errors="replace")


@cache
def content_security_policy() -> str:
    """Give the Content-Security-Policy of the pages: our style, images and forms, nothing else.

    The style sheet is admitted by its hash, so even a name that slipped through the escaping could
    neither run nor load nor restyle anything.
    """
    return f"default-src 'none'; style-src {_style_hash()}; img-src 'self' data:; {_NOT_BEYOND}"


@cache
def viewer_security_policy() -> str:
    """Give the policy of the page that has scripts: from here, and no other place."""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {_style_hash()}; "
        f"img-src 'self' data:; connect-src 'self'; {_NOT_BEYOND}"
    )


def _style_hash() -> str:
    style = _environment().get_template("style.css").render()
    return f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"


def human_size(size: int) -> str:
    """Write a number of bytes with three digits and a decimal unit.

    Examples
    --------
    >>> human_size(2880), human_size(1_474_560_000)
    ('2.88 kB', '1.47 GB')
    """
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5:  # noqa: PLR2004 - what three digits can say
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.0f} PB"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.web", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["human_size"] = human_size
    return environment
