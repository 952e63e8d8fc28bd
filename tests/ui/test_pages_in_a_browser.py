"""The pages in a real browser: fast, quiet, usable without colours, without a mouse and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")

SHOP = "datasets/shop"
PAGES = ["", SHOP, "datasets/new", f"{SHOP}/days/2024-05-13", f"{SHOP}/loads", f"{SHOP}/explore"]
PATIENCE = 10_000
"""Milliseconds within which a page is there, on a machine that is busy with other tests; alone, it takes some 100."""
SHIFTS = """() => new Promise(done => new PerformanceObserver(list =>
    done(list.getEntries().reduce((sum, one) => sum + one.value, 0))).observe({type: 'layout-shift', buffered: true})
    || setTimeout(() => done(0), 100))"""
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"

Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Open]:
    """Open a page; at the end of the test, the browser may have reported nothing about the pages."""
    opened, told = [], []

    def hear(message: ConsoleMessage) -> None:
        if "sandbox" not in message.text:  # Chromium warns of what Airflow allows its frames
            told.append(message.text)

    def open_(path: str, *, scheme: str = "light", width: int = 1300, within: str = "/strata/") -> Page:
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
        page.on("console", hear)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(f"{site}{within}{path}")
        opened.append(page)
        return page

    yield open_
    for page in opened:
        page.close()
    assert told == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_fault_that_axe_finds_and_loads_at_once(open_page: Open, path: str, scheme: str) -> None:
    page = open_page(path, scheme=scheme)
    assert min(_loaded(page) for _ in range(3)) < PATIENCE
    assert page.evaluate(SHIFTS) == 0
    assert page.locator("html").get_attribute("data-theme") == scheme
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def _loaded(page: Page) -> float:
    """Milliseconds that a page takes to load."""
    page.reload()
    return float(page.evaluate(LOADED))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone(open_page: Open, path: str) -> None:
    page = open_page(path, width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_airflows_theme_comes_before_that_of_the_system(open_page: Open) -> None:
    page = open_page("", scheme="light")
    for theme, expected in (("dark", "dark"), ("system", "light"), ("nonsense", "light")):
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", expected)


def test_days_can_be_reached_without_a_mouse(open_page: Open) -> None:
    page = open_page("datasets/shop")
    calendar = page.locator("table.calendar").first
    assert calendar.locator("a[tabindex='0']").count() == 1
    calendar.locator("a[tabindex='0']").focus()
    focused = page.locator("a:focus")
    assert (focused.get_attribute("href") or "").endswith("2024-05-13")  # a Monday
    for key, day in (("ArrowLeft", "2024-05-06"), ("ArrowDown", "2024-05-07"), ("ArrowDown", "2024-05-08")):
        page.keyboard.press(key)
        assert (focused.get_attribute("href") or "").endswith(day)
    for _ in range(9):
        page.keyboard.press("ArrowUp")  # there is no day above a Monday
    page.keyboard.press("Enter")
    page.wait_for_url("**/days/2024-05-06")
    expect(page.get_by_role("heading", level=1)).to_contain_text("shop, 2024-05-06")


def test_a_button_leaves_the_frame_that_airflow_keeps_pages_in(open_page: Open) -> None:
    page = open_page("datasets/shop/days/2024-05-13", within="/plugin/")
    page.frame_locator("iframe").get_by_role("link", name="Run the cycle").click()
    page.wait_for_url("**/dags/shop_daily_cycle")
    assert page.text_content("body") == "the page of shop_daily_cycle"


def test_charts_are_drawn_with_one_crosshair_and_can_be_taken_away(open_page: Open) -> None:
    page = open_page("datasets/shop/explore?metric=temperature&metric=load")
    expect(page.locator("#charts")).to_have_attribute("data-drawn", "2")
    charts = page.locator(".u-over")
    assert charts.count() == 2
    charts.first.hover(position={"x": 300, "y": 100})
    values = page.locator(".u-legend .u-series:first-child .u-value")
    assert len({values.nth(number).text_content() for number in range(2)}) == 1
    assert values.first.text_content() not in ("", "--")
    with page.expect_download() as taken:
        page.get_by_role("button", name="PNG").click()
    assert taken.value.suggested_filename == "shop.png"
    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV").click()
    assert taken.value.suggested_filename == "shop.csv"
