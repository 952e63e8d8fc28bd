"""The pictures of docs/pages.md and of a run's graph: a stack with a year of flights, as a browser shows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright
from rich.logging import RichHandler

from local.airflow.api import AirflowApi
from local.pictures.browser import ARGUMENTS, CHROMIUM
from local.pictures.files import write_png
from local.pictures.year import RESTORED, make_year
from local.places import PROJECT
from local.stack import Stack

DAG = "flights_daily_cycle"
ASKED = "metric=dep_delay&metric=arr_delay&from=2013-11-01&to=2013-11-30&interval=6h"
PAGES = {
    "datasets": "",
    "days": "datasets/flights",
    "day": f"datasets/flights/days/{RESTORED[0]}",
    "explore": f"datasets/flights/explore?{ASKED}",
    "loads": "datasets/flights/loads",
}
"""Picture -> address below the root of the pages."""
PAGE, PHONE = (1160, 320), (390, 640)  # width and height; a page may be longer
IN_AIRFLOW, GRAPH = (1400, 800), (1240, 560)

log = logging.getLogger(__name__)


def take_pictures(stack: Stack, folder: Path) -> list[Path]:
    """Take a picture of each page in light and dark, of one on a phone, and of two in Airflow's UI.

    :param stack: with the year of flights
    :param folder: where the PNG files go
    """
    taken = []
    with _browser() as browser:
        for scheme in ("light", "dark"):
            for name, path in PAGES.items():
                with _page(browser, PAGE, scheme) as page:
                    _open(page, f"{stack.airflow_url}/strata/{path}")
                    taken.append(_save(page, folder / f"page-{name}-{scheme}.png", full=True))
        with _page(browser, PHONE) as page:
            _open(page, f"{stack.airflow_url}/strata/{PAGES['days']}")
            taken.append(_save(page, folder / "page-days-phone.png"))
        with _page(browser, IN_AIRFLOW) as page:
            _open(page, f"{stack.airflow_url}/strata/{PAGES['days']}")
            page.goto(f"{stack.airflow_url}/dags/{DAG}")
            page.get_by_role("link", name="Days").click()
            page.frame_locator("iframe[title='Days']").get_by_role("heading", name="Tonight").wait_for()
            taken.append(_save(page, folder / "page-days-in-airflow.png"))
        with _page(browser, GRAPH) as page:
            page.goto(f"{stack.airflow_url}/dags/{DAG}/runs/{quote(_last_run(stack))}")
            page.get_by_label("Show Graph (Press g)").click()
            page.get_by_label("Expand all task groups").click()
            page.get_by_label("Collapse Details Panel").click()
            for _ in range(2):  # the graph moves to its place
                page.wait_for_timeout(2000)
                page.get_by_label("Fit View").click()
            page.wait_for_timeout(2000)
            taken.append(_save(page, folder / "daily-cycle.png"))
    return taken


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser, size: tuple[int, int], scheme: str = "light") -> Iterator[Page]:
    viewport = {"width": size[0], "height": size[1]}
    page = browser.new_page(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    yield page
    page.close()


def _open(page: Page, url: str) -> None:
    """Open one of our pages, again if an answer took too long: it is known by then."""
    for _ in range(5):
        page.goto(url)
        if "There was no answer" not in page.content():
            return
        page.wait_for_timeout(3000)


def _save(page: Page, path: Path, *, full: bool = False) -> Path:
    page.wait_for_load_state("networkidle")
    return write_png(page.screenshot(full_page=full), path)


def _last_run(stack: Stack) -> str:
    """Id of the last run of the daily cycle."""
    found = AirflowApi(stack.airflow_url).call("GET", f"dags/{DAG}/dagRuns").json()["dag_runs"]
    return str(max(found, key=lambda run: str(run["start_date"]))["dag_run_id"])


def main() -> None:
    """Write the pictures to docs/images/."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    logging.getLogger("opensearch").setLevel(logging.WARNING)
    stack = Stack("pictures")
    try:
        make_year(stack)
        for path in take_pictures(stack, PROJECT / "docs" / "images"):
            log.info("%s, %s KB", path, path.stat().st_size // 1000)
    finally:
        stack.remove()


if __name__ == "__main__":
    main()
