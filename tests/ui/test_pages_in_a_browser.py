"""The pages in a real browser: fast, quiet, usable without colours, without a mouse and on a phone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser import needs_browser

pytestmark = needs_browser

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

    def open_(
        path: str, *, scheme: str = "light", width: int = 1300, within: str = "/strata/", zone: str = "UTC"
    ) -> Page:
        size: Any = {"width": width, "height": 900}
        page = browser.new_page(color_scheme=scheme, viewport=size, timezone_id=zone)  # type: ignore[arg-type]
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
    page = open_page(path, width=360)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_list_of_datasets_does_not_scroll_sideways_on_a_phone(open_page: Open) -> None:
    page = open_page("", width=360)
    listed = page.get_by_role("region", name="Table of datasets")
    assert listed.evaluate("region => region.scrollWidth <= region.clientWidth")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="well"))
    expect(row.get_by_role("cell")).to_have_count(6)
    before = "cell => getComputedStyle(cell, '::before').content"
    headings = [row.get_by_role("cell").nth(place).evaluate(before) for place in (0, 1, 5)]
    assert headings == ['"State: "', '"Raw days: "', '"Loads: "']


def test_a_phone_shows_the_newest_days(open_page: Open) -> None:
    page = open_page("datasets/well", width=390)
    for year, day in (("2024", "2024-05-13"), ("2023", "2023-12-31")):
        place = page.get_by_role("table", name=year).locator(f"a[href$='{day}']").bounding_box()
        assert place is not None
        assert 200 < place["x"] + place["width"] <= 390


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


def over_http(page: Page) -> None:
    """Take away the clipboard, as browsers do where a page of another machine comes over plain HTTP."""
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})")
    page.reload()


def pasted(page: Page) -> str:
    """What is on the clipboard, pasted as a person does."""
    field = page.locator("textarea")
    field.focus()
    page.keyboard.press("Control+V")
    return field.input_value()


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_a_button_copies_its_configuration_and_leaves_the_frame(open_page: Open, has_clipboard: bool) -> None:
    page = open_page(f"{SHOP}/days/2024-05-13", within="/plugin/")
    if not has_clipboard:
        over_http(page)
    inside = page.frame_locator("iframe")
    named = inside.get_by_role("listitem").filter(has=inside.get_by_role("link", name="Reaggregate"))
    shown = named.locator("code").text_content()
    inside.get_by_role("link", name="Reaggregate").click()
    page.wait_for_url("**/dags/shop_daily_cycle")
    assert page.text_content("body") == "the page of shop_daily_cycle"
    assert (
        json.loads(pasted(page)) == json.loads(shown or "") == {"day": "2024-05-13", "dry_run": True, "redefine": True}
    )


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_the_same_question_is_copied_for_the_shell_and_for_python(open_page: Open, has_clipboard: bool) -> None:
    page = open_page(f"{SHOP}/explore?metric=load&where.site=a%27b")
    if not has_clipboard:
        over_http(page)
    for name in ("the line for the shell", "the call in Python"):
        page.get_by_role("button", name=f"Copy {name}").click()
        place = page.locator(".copy").filter(has=page.get_by_role("button", name=name))
        expect(place.get_by_role("status")).to_have_text("Copied.")
        page.evaluate("document.body.append(document.createElement('textarea'))")
        assert pasted(page) == place.locator("pre").text_content()
        page.evaluate("document.querySelector('textarea').remove()")


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
    with Image.open(taken.value.path()) as picture:
        place = page.locator("#charts").bounding_box()
        assert place is not None
        assert picture.width == round(place["width"])
        assert picture.height == 2 * (260 + 40)
        half = picture.height // 2
        for chart in (picture.crop((0, 0, picture.width, half)), picture.crop((0, half, picture.width, 2 * half))):
            assert len(chart.convert("RGB").getcolors(1 << 24) or ()) > 20  # lines, bands, axes and their letters
    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV").click()
    assert taken.value.suggested_filename == "shop.csv"
    header, *records = csv.reader(taken.value.path().read_text(encoding="utf-8").splitlines())
    assert header == ["time", "metric", "p50", "source"]
    assert [len(records), records[0][0]] == [7 * 24, "2024-05-06T00:00:00+00:00"]
    table = page.locator("details table tbody tr")
    assert table.count() == len(records)
    assert [table.nth(0).locator("td").nth(place).text_content() for place in (1, 3)] == [records[0][1], "raw"]


DRAWN = """([zone, times, step]) => {
    const one = {metric: "load", unit: "", times, lines: {count: times}};
    const options = optionsOf(one, {zone, raw: []}, 600);
    const axis = options.axes[0];
    const ticks = axis.splits(null, 0, times[0], times.at(-1), step);
    return [times.map(time => options.series[0].value(null, time)), ticks, axis.values(null, ticks, 0, 0, step)];
}"""
"""What the crosshair says of each time, and the ticks below a chart with their labels."""


@pytest.mark.parametrize("day", [datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC)])
def test_times_are_those_of_the_dataset_where_the_browser_changes_its_clock(open_page: Open, day: datetime) -> None:
    page = open_page(f"{SHOP}/explore", zone="Europe/Berlin")
    times = [(day + timedelta(minutes=15 * number)).timestamp() for number in range(-16, 14 * 4)]
    for zone in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"):
        told, ticks, labels = page.evaluate(DRAWN, [zone, times, 3600])
        walls = [datetime.fromtimestamp(time, ZoneInfo(zone)) for time in times]
        assert told == [f"{wall:%Y-%m-%d %H:%M}" for wall in walls]
        full = [datetime.fromtimestamp(tick, ZoneInfo(zone)) for tick in ticks]
        assert {wall.strftime("%d %H") for wall in full} == {f"{w:%d %H}" for w in walls if not w.minute}
        assert [label.partition("\n")[0] for label in labels] == [f"{wall:%H:%M}" for wall in full]
        assert ticks == sorted(set(ticks))


def test_ticks_that_are_far_apart_are_midnights(open_page: Open) -> None:
    page = open_page(f"{SHOP}/explore", zone="Europe/Berlin")
    zone = ZoneInfo("America/New_York")
    ends = [datetime(2022, 11, 20, 7, tzinfo=zone).timestamp(), datetime(2024, 4, 2, tzinfo=zone).timestamp()]
    for step, first, number in ((1, "11-21\n2022", 499), (90, "Jan\n2023", 6), (365, "2023", 2)):
        _, ticks, labels = page.evaluate(DRAWN, ["America/New_York", ends, step * 86_400])
        walls = [datetime.fromtimestamp(tick, zone) for tick in ticks]
        assert {(wall.hour, wall.minute) for wall in walls} == {(0, 0)}
        assert (len(walls), labels[0]) == (number, first)
        assert step == 1 or {wall.day for wall in walls} == {1}
