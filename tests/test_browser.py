"""The pages in a real browser: what a person sees, does and gets."""

import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from gateway.config import load_settings
from gateway.demo_images import EUCLID_CENTER
from gateway.keys import sign_url
from tests.browser import start_browser, take_screenshot, visit
from tests.running import run_gateway

pytest_plugins = ("tests.demo_archive",)

FOLDERS = "euclid/q1/MER/102158277/NISP"
MOSAIC = "EUC_MER_BGSUB-MOSAIC-NIR-H_TILE102158277-797A7D_20241025T122514.635323Z_00.00.fits"
SPHEREX = (
    "spherex/qr2/level2/2025W20_2B/l2b-v20-2025-247/3/"
    "level2_2025W20_2B_0353_2D3_spx_l2b-v20-2025-247.fits"
)
WISE = "wise/allsky/4band_p1bm_frm/6a/02206a/149/02206a149-w1-int-1b.fits"
TIMES = "\N{MULTIPLICATION SIGN}"
ARCMIN = "\N{PRIME}"
KEY = "a key that nobody else in the world knows"
LAPTOP = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser."""
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def root(demo_archive: Path) -> Iterator[str]:
    """Serve the demonstration archive, and give its URL."""
    with run_gateway("serve", demo_archive, "--port", "0") as gateway:
        yield f"{gateway.url}/ibe/data/"


def wait_for_image(page: Page) -> None:
    """Wait until the stage shows all of what it should."""
    expect(page.locator("#stage[aria-busy=false]")).to_be_visible()


def drag(page: Page, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Drag the mouse over the stage; places count from its middle."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + start[0], y + start[1])
    page.mouse.down()
    page.mouse.move(x, y)
    page.mouse.move(x + stop[0], y + stop[1], steps=3)
    page.mouse.up()


def told(page: Page, name: str) -> str:
    """Give a command that the page offers."""
    return page.locator(f"[data-command={name}]").inner_text()


def test_from_the_tree_to_a_cutout(browser: Browser, root: str, demo_archive: Path, tmp_path: Path):
    """Open the tree, find the mosaic, zoom, draw a box, download: the pixels are astropy's."""
    with visit(browser, urlsplit(root)._replace(path="/").geturl(), viewport=LAPTOP) as page:
        page.get_by_role("link", name="/ibe/data/", exact=True).click()
        for folder in FOLDERS.split("/"):
            page.get_by_role("link", name=f"{folder}/", exact=True).click()
        page.get_by_role("link", name=MOSAIC, exact=True).click()
        wait_for_image(page)
        page.get_by_role("button", name="Zoom in").click()
        page.get_by_role("button", name="Draw a box").click()
        drag(page, (-90, -60), (70, 80))
        expect(page.locator("#results")).to_be_visible()
        expect(page.locator("#box")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the cutout").click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        url, size = told(page, "url"), page.locator("[data-size]").inner_text()
        take_screenshot(page, "cutout")

    query = parse_qs(urlsplit(url).query)
    x, y = map(float, query["center"][0].removesuffix("px").split(","))
    nx, ny = map(int, query["size"][0].removesuffix("px").split(","))
    x_start, y_start = round(x - (nx + 1) / 2), round(y - (ny + 1) / 2)
    with (
        fits.open(tmp_path / f"{MOSAIC}.gz") as cutout,
        fits.open(demo_archive / FOLDERS / MOSAIC) as parent,
    ):
        cutout.verify("exception")
        expected = parent[0].section[y_start : y_start + ny, x_start : x_start + nx]
        np.testing.assert_array_equal(cutout[0].data, expected)
    assert min(nx, ny) > 50
    assert size.startswith(f"{nx} {TIMES} {ny} px · ")
    assert "kB" in size


def test_the_place_under_the_cursor(browser: Browser, root: str, demo_archive: Path):
    """Pixel, value and sky are those of astropy, on a distorted image that is not north up."""
    with fits.open(demo_archive / WISE) as hdus:
        data, wcs = hdus[0].data, WCS(hdus[0].header)
    with visit(browser, f"{root}{WISE}?view", viewport=LAPTOP) as page:
        wait_for_image(page)
        page.locator("#stage").hover(position={"x": 400, "y": 200})
        expect(page.locator("#pixel")).to_have_text(re.compile(r"\d"))
        x, y = map(int, page.locator("#pixel").inner_text().split(", "))
        value, unit = page.locator("#value").inner_text().split(" ")
        degrees = page.locator("#degrees").inner_text().split(", ")
        arm = page.locator("#compass .north line")
        x_arm, y_arm = (float(arm.get_attribute(name)) for name in ("x2", "y2"))

    assert float(value) == pytest.approx(data[y - 1, x - 1], rel=1e-6)
    assert unit == "DN"
    np.testing.assert_allclose([float(d) for d in degrees], wcs.all_pix2world(x, y, 1), atol=1e-6)
    from_place, to_north = wcs.all_world2pix([(70.1, 19.9), (70.1, 19.91)], 1)
    towards = np.arctan2(*(to_north - from_place))
    assert np.arctan2(x_arm, -y_arm) == pytest.approx(towards, abs=0.01)


def test_a_box_in_any_unit(browser: Browser, root: str):
    """A box can be typed in any unit, is shown, and can be said in the other."""
    with visit(browser, f"{root}{FOLDERS}/{MOSAIC}?view", viewport=LAPTOP) as page:
        wait_for_image(page)
        page.get_by_label("Centre").fill("{},{}deg".format(*EUCLID_CENTER))
        page.get_by_label("Size").fill("0.5 arcmin")
        expect(page.locator("[data-size]")).to_have_text(
            f"300 {TIMES} 300 px · 30″ {TIMES} 30″ · 363 kB"
        )
        page.get_by_label("Size").fill("1 arcmin")  # one side of which comes out as 59.9999…″
        expect(page.locator("[data-size]")).to_contain_text(f"1{ARCMIN} {TIMES} 1{ARCMIN}")
        page.get_by_label("Size").fill("0.5 arcmin")
        page.get_by_label("Units").select_option("the sky")
        expect(page.get_by_label("Size")).to_have_value("30,30arcsec")
        page.get_by_label("Units").select_option("pixels")
        expect(page.get_by_label("Centre")).to_have_value("960.5,960.5px")
        expect(page.get_by_label("Size")).to_have_value("300,300px")
        expect(page.locator("#box")).to_be_visible()
        page.get_by_label("Gzipped").uncheck()
        expect(page.locator("[data-command=url]")).to_contain_text("px&gzip=false")
        address = page.url
        url = told(page, "url")

    assert told_by_hash(address)["center"] == ["960.5,960.5px"]
    with fits.open(url, cache=False) as hdus:
        assert hdus[0].shape == (300, 300)


def told_by_hash(address: str) -> dict[str, list[str]]:
    """Read what the address keeps of the state of the page."""
    return parse_qs(urlsplit(address).fragment)


def test_the_commands_can_be_copied(browser: Browser, root: str):
    """URL, curl, wget and Python land on the clipboard."""
    start = f"{root}{WISE}?view#center=70,20deg&size=200px"
    permissions = ["clipboard-read", "clipboard-write"]
    with visit(browser, start, viewport=LAPTOP, permissions=permissions) as page:
        for name, begins in (
            ("URL", "http://127.0.0.1:"),
            ("curl", "curl -fOJ 'http://"),
            ("wget", "wget --content-disposition 'http://"),
            ("Python", "from astropy.io import fits"),
        ):
            page.get_by_role("button", name=f"Copy {name}").click()
            copied = page.evaluate("navigator.clipboard.readText()")

            assert copied.startswith(begins)
            assert f"{WISE}?center=70,20deg&size=200px" in copied


def test_an_image_without_sky_has_no_compass(browser: Browser, root: str):
    """North and east of one HDU are not left on the next, which has none."""
    with visit(browser, f"{root}{SPHEREX}?view", viewport=LAPTOP) as page:
        expect(page.locator("#compass")).to_be_visible()
        page.locator("select[name=hdu]").select_option("5")
        expect(page.locator("#compass")).to_be_hidden()


def test_an_hdu_without_image_says_so(browser: Browser, root: str):
    """The image of one HDU is not left on the stage for the next, which has none."""
    with visit(browser, f"{root}{SPHEREX}?view", viewport=LAPTOP) as page:
        wait_for_image(page)
        page.locator("select[name=hdu]").select_option("0")
        expect(page.locator("#problem")).to_contain_text("no image")
        expect(page.locator("#compass")).to_be_hidden()
        page.locator("select[name=hdu]").select_option("3")
        expect(page.locator("#problem")).to_be_empty()
        expect(page.locator("#compass")).to_be_visible()


def test_hdus_stretches_and_headers(browser: Browser, root: str):
    """Each HDU has its image and its header, which can be searched; the address keeps all."""
    with visit(browser, f"{root}{SPHEREX}?view", viewport=LAPTOP) as page:
        wait_for_image(page)
        before = page.get_by_label("Brightest").input_value()
        page.locator("select[name=hdu]").select_option("3")
        page.get_by_label("Colours").select_option("viridis")
        page.get_by_label("Cuts").select_option("zscale")
        expect(page.locator("#cards")).to_contain_text("'VARIANCE'")
        page.get_by_label("Search the header").fill("crval")
        expect(page.locator("#cards tr:visible")).to_have_count(6)
        expect(page.get_by_label("Brightest")).not_to_have_value(before)
        page.get_by_label("Brightest").fill("0.001")
        page.get_by_label("Brightest").press("Enter")
        expect(page.get_by_label("Cuts")).to_have_value("")
        page.wait_for_url(re.compile(r",0\.001$"))
        wait_for_image(page)
        take_screenshot(page, "variance")
        state = told_by_hash(page.url)
        page.reload()
        wait_for_image(page)
        expect(page.locator("select[name=hdu]")).to_have_value("3")
        expect(page.get_by_label("Brightest")).to_have_value("0.001")

    assert state["hdu"] == ["3"]
    assert state["cmap"] == ["viridis"]


def test_with_the_keyboard_alone(browser: Browser, root: str):
    """The stage takes the focus, keys begin and end a box, and a refusal is told."""
    with visit(browser, f"{root}{WISE}?view", forgives=("400",), viewport=LAPTOP) as page:
        wait_for_image(page)
        page.locator(".openseadragon-canvas").click()
        page.keyboard.press("b")
        expect(page.get_by_role("button", name="Draw a box")).to_have_attribute(
            "aria-pressed", "true"
        )
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Draw a box")).to_have_attribute(
            "aria-pressed", "false"
        )
        page.get_by_label("Centre").focus()
        page.keyboard.type("500,500px")
        page.keyboard.press("Tab")
        page.keyboard.type("bad")
        expect(page.locator("#cutout [role=status]")).to_contain_text("is malformed")
        expect(page.locator("#results")).to_be_hidden()


def test_without_scripts(browser: Browser, root: str):
    """The image is seen, and the listing shows thumbnails and filters."""
    options = {"viewport": LAPTOP, "java_script_enabled": False}
    with visit(browser, f"{root}{WISE}?view", **options) as page:
        assert page.locator("noscript img").evaluate("e => e.naturalWidth") == 1016
    with visit(browser, f"{root}{FOLDERS}/", **options) as page:
        page.get_by_role("link", name="Show thumbnails").click()
        page.wait_for_load_state("networkidle")
        widths = page.locator("img.thumbnail").evaluate_all("all => all.map(e => e.naturalWidth)")
        take_screenshot(page, "thumbnails")

    assert widths == [96, 96]


def test_a_signed_page_shows_its_pictures(browser: Browser, demo_archive: Path, tmp_path: Path):
    """Who has its address sees the image, and gets neither cutouts nor the address of them."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[server]\nport = 0\nsigning_keys = ["{KEY}"]\n[[collections]]\npath = "/ibe/data"\n'
        f'url = "{demo_archive}"\n[[collections.access]]\n'
    )
    with run_gateway("serve", "--config", config) as gateway:
        address = f"{gateway.url}/ibe/data/{WISE}?view"
        signed = sign_url(address, timedelta(hours=1), load_settings(config))
        signature = signed.rpartition("=")[2]
        asked: list[tuple[str, str]] = []
        with visit(browser, signed, viewport=LAPTOP) as page:
            page.on("request", lambda request: asked.append((request.url, str(request.headers))))
            page.reload()
            wait_for_image(page)
            page.locator("#stage").hover(position={"x": 400, "y": 200})
            expect(page.locator("#pixel")).to_have_text(re.compile(r"\d"))
            expect(page.locator("#cards")).to_contain_text("CRVAL1")
            page.get_by_label("Centre").fill("500,500px")
            page.get_by_label("Size").fill("100px")
            expect(page.locator("[data-size]")).to_contain_text("100")
            assert signature not in told(page, "url")
            assert page.get_by_role("link", name="Download").count() == 0
            take_screenshot(page, "signed")
        with visit(browser, signed, viewport=LAPTOP, java_script_enabled=False) as page:
            assert page.locator("noscript img").evaluate("e => e.naturalWidth") == 1016
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait()
        log = gateway.read_log()

    assert not any(signature in headers for _, headers in asked)
    carrying = [url for url, _ in asked if signature in url]
    assert {urlsplit(url).path for url in carrying} == {urlsplit(address).path}
    assert len(carrying) < len(asked)
    assert "format=png" in log
    assert signature not in log


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "dark"), (375, "light"), (768, "dark"), (1440, "light")]
)
@pytest.mark.parametrize(
    "path",
    [f"{FOLDERS}/?thumbnails=on", f"{WISE}?view#center=70,20deg&size=200px"],
    ids=["folder", "image"],
)
def test_everybody_can_use_the_pages(browser: Browser, root: str, path, width, scheme):
    """Axe finds nothing, and nothing is wider than the screen, in the light and in the dark."""
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with visit(browser, root + path, **options) as page:
        page.wait_for_load_state("networkidle")
        if "view" in path:  # what is under the cursor is told below the image
            page.locator("#stage").hover()
            page.wait_for_function("document.querySelector('#degrees').textContent.length > 5")
        found = Axe().run(page)
        take_screenshot(page, f"{'image' if 'view' in path else 'folder'}-{width}-{scheme}")

        assert found.response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
