"""What a person sees in Airflow's UI, in a real browser."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.browser import needs_browser
from tests.system.conftest import FLIGHTS, Running

pytestmark = needs_browser


def test_the_graph_of_a_run_shows_its_two_branches(page: Page, running: Running) -> None:
    run_id, _ = running.run(FLIGHTS, day="2013-03-03")
    page.goto(f"{running.stack.airflow_url}/dags/{FLIGHTS}/runs/{quote(run_id)}")
    page.get_by_label("Show Graph (Press g)").click()
    page.get_by_label("Expand all task groups").click()
    for name in ("resolve_day", "ensure_history", "condense", "verify", "list_expired", "prove", "delete", "report"):
        expect(page.get_by_text(name, exact=False).first).to_be_visible()


def test_the_docs_of_the_dag_say_what_it_deletes(page: Page, running: Running) -> None:
    page.goto(f"{running.stack.airflow_url}/dags/{FLIGHTS}")
    page.get_by_label("Dag Docs").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="What it deletes")).to_be_visible()
    expect(dialog.get_by_role("heading", name="Run a day again")).to_be_visible()


def test_the_form_is_dry_to_begin_with(page: Page, running: Running) -> None:
    page.goto(f"{running.stack.airflow_url}/dags/{FLIGHTS}")
    page.get_by_label("Trigger Dag").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Show what would be deleted instead of deleting it.")).to_be_visible()
    expect(dialog.locator("input[name=element_dry_run], #element_dry_run").first).to_be_checked()
