"""A browser, driven as a person would; it notes what it should not have to say or ask for."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"

# Chromium as root, without a screen, and without the services that it would look for.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Start Chromium; skip where there is none, but never in CI."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have Debian's chromium.")
        pytest.skip("There is no chromium to drive.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield started
        started.close()


@contextmanager
def visit(
    browser: Browser, url: str, *, forgives: tuple[str, ...] = (), **options: object
) -> Iterator[Page]:
    """Open a page; fail if it complains, or asks another host for anything.

    A complaint that names something that is forgiven, as a status, does not count.
    """
    complaints: list[str] = []
    host = urlsplit(url).netloc
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if urlsplit(r.url).netloc in {host, ""} else complaints.append(r.url),
        )
        page.goto(url)
        yield page
        grave = [each for each in complaints if not any(word in each for word in forgives)]
        if grave:
            pytest.fail("The page complains: " + "; ".join(grave))
    finally:
        context.close()


def take_screenshot(page: Page, name: str) -> None:
    """Keep what is seen, for a look at it after the tests."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
