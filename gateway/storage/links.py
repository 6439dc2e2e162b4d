"""Links: the names in a folder's page, as web servers make one."""

from html.parser import HTMLParser

from yarl import URL


def parse_links(page: str, url: URL) -> set[str]:
    """Find what lies directly in a folder.

    Parameters
    ----------
    page : str
        In HTML.
    url : URL
        Of the page. Links to other orders of it, upwards and elsewhere are left out.

    Returns
    -------
    set of str
        Names; those of folders end with a slash.
    """
    parser = _Parser()
    parser.feed(page)
    folder = url.path if url.path.endswith("/") else f"{url.path}/"
    base = url.with_path(folder)
    names = set()
    for href in parser.hrefs:
        try:
            link = base.join(URL(href))
            is_near = link.origin() == base.origin() and not link.query_string
        except ValueError:  # not a link to a server
            continue
        name = link.path.removeprefix(folder)
        is_inside = link.path.startswith(folder) and name.rstrip("/") and "/" not in name[:-1]
        if is_near and is_inside:
            names.add(name)
    return names


class _Parser(HTMLParser):
    """Collects the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link."""
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]
