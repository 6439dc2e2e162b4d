"""The pages for browsers: their templates, their style, and the policy that guards them.

A page is complete in itself: the style sheet is inlined, there is no script, and nothing is loaded
from anywhere.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

HTML = "text/html; charset=utf-8"
"""The content type of every page."""


def render_page(template: str, **values: object) -> bytes:
    """Fill a template; every value is escaped."""
    page = _environment().get_template(template).render(values)
    # A name on disk need not be UTF-8: what cannot be written is shown as "?".
    return page.encode(errors="replace")


@cache
def content_security_policy() -> str:
    """Give the Content-Security-Policy of the pages: our style, icon and forms, nothing else.

    The style sheet is admitted by its hash, so even a name that slipped through the escaping could
    neither run nor load nor restyle anything.
    """
    style = _environment().get_template("style.css").render()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


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
