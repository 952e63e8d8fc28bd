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


def test_the_form_of_a_backfill_shows_what_it_needs_and_offers_the_datasets(page: Page, running: Running) -> None:
    page.goto(f"{running.stack.airflow_url}/dags/archive_backfill")
    page.get_by_label("Trigger Dag").click()
    dialog = page.get_by_role("dialog")
    for told in (
        "The dataset whose",
        "s3://bucket/prefix/",
        "First day",
        "Last day",
        "Show the plan",
        "What happens to",
    ):
        expect(dialog.get_by_text(told)).to_be_visible()
    expect(dialog.get_by_text("The objects are loaded in at most")).not_to_be_visible()
    expect(dialog.get_by_role("button", name="Trigger")).to_be_disabled()  # until there is a dataset
    dialog.get_by_role("combobox", name="Dataset").click()
    for name in ("flights", "inflow", "ticking"):
        expect(page.get_by_role("option", name=name)).to_be_visible()


def test_the_form_of_an_audit_is_for_all_datasets_to_begin_with(page: Page, running: Running) -> None:
    page.goto(f"{running.stack.airflow_url}/dags/history_audit")
    page.get_by_label("Trigger Dag").click()
    expect(page.get_by_role("dialog").get_by_text("all datasets", exact=True)).to_be_visible()
