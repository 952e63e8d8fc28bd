"""The pages where people see them: in a frame of Airflow's own UI, in a real browser."""

from __future__ import annotations

from playwright.sync_api import FrameLocator, Page, expect

from tests.browser import needs_browser
from tests.system.conftest import FLIGHTS, Running

pytestmark = needs_browser


def framed(page: Page, title: str) -> FrameLocator:
    return page.frame_locator(f"iframe[title='{title}']")


def test_from_the_list_to_a_day_and_out_to_the_form(page: Page, running: Running) -> None:
    page.goto(running.stack.airflow_url)
    page.goto(f"{running.stack.airflow_url}/plugin/strata")
    inside = framed(page, "Strata")
    expect(inside.get_by_role("heading", name="Datasets")).to_be_visible()
    inside.get_by_role("link", name="flights", exact=True).click()
    expect(inside.get_by_role("heading", name="Tonight")).to_be_visible()
    inside.get_by_label("2013-03-02,").click()
    expect(inside.get_by_text("flights-2013.03.02", exact=True)).to_be_visible()
    inside.get_by_role("link", name="Run the cycle").click()
    page.wait_for_url(f"**/dags/{FLIGHTS}")
    expect(page.get_by_label("Trigger Dag")).to_be_visible()


def test_the_tab_of_a_dag_shows_its_days_in_airflows_colours(page: Page, running: Running) -> None:
    page.goto(f"{running.stack.airflow_url}/dags/{FLIGHTS}")
    page.get_by_role("link", name="Days").click()
    inside = framed(page, "Days")
    expect(inside.get_by_role("heading", name="Days", exact=True)).to_be_visible()
    for theme in ("dark", "light"):
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        page.reload()
        expect(inside.locator("html")).to_have_attribute("data-theme", theme)


def test_who_has_not_signed_in_sees_nothing(page: Page, running: Running) -> None:
    import requests

    for path in ("", "datasets/flights", f"dags/{FLIGHTS}", "static/strata.js"):
        # The embedded Airflow signs in whoever brings nothing, but nobody with a bad token.
        answer = requests.get(
            f"{running.stack.airflow_url}/strata/{path}", headers={"Authorization": "Bearer nonsense"}, timeout=30
        )
        assert answer.status_code in (401, 403)
