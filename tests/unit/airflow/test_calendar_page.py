"""The page of a dataset's days: where today and the window are, and what may be deleted."""

from __future__ import annotations

import html
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from fastapi.testclient import TestClient

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.definition.consent import confirmation
from opensearch_strata.definition.files import Definitions
from opensearch_strata.workflows.overview.overview import Overview
from tests.overviews import END, GONE, PROVEN, SHOP, overview
from tests.streams import dataset_of

TODAY = END + timedelta(days=1)


def page(seen: Overview, path: str = "/datasets/shop") -> str:
    """A page of a dataset that everybody may see."""
    app = build_app()
    everybody = SimpleNamespace(readable=set, require=lambda _: None)
    app.dependency_overrides[reader] = lambda: everybody
    known = Definitions({"shop": seen.dataset})
    with patch.multiple(sources, definitions=lambda: known, overview_of=lambda _: seen):
        answer = TestClient(app).get(path)
    assert answer.status_code == 200
    return html.unescape(answer.text)


def test_today_and_the_window_are_marked_and_named() -> None:
    text = page(overview({9: GONE, 3: GONE, 2: PROVEN, 1: PROVEN, 0: PROVEN}))
    inside = [END - timedelta(days=ago) for ago in (2, 1, 0)]
    cells = {day: text.partition(f'/days/{day}" title="')[2].partition('"')[0] for day in [date(2024, 5, 10), *inside]}
    assert [told.endswith(" In the window.") for told in cells.values()] == [False, True, True, True]
    assert text.count('<td class="window">') == 3
    assert "The window of 3 days is that from 2024-05-11 to 2024-05-13." in text
    assert f'aria-label="{TODAY}, today: it is not over yet.">•</span>' in text
    assert "</span> in the window</li>" in text
    assert "</span> today</li>" in text


def test_today_is_that_of_the_dataset_and_adds_no_years() -> None:
    auckland = dataset_of("shop", time_zone="Pacific/Auckland")
    assert 'aria-label="2024-05-15, today' in page(overview({0: PROVEN}, auckland))
    seen = overview({0: PROVEN})
    later = Overview(SHOP, datetime(2026, 1, 1, tzinfo=UTC), seen.inventory, seen.cells)
    text = page(later)
    assert ("today:" in text, "</span> today</li>" in text, '<h3 id="year-2025">' in text) == (False, False, False)


@pytest.mark.parametrize("path", ["/", "/datasets/shop"])
def test_a_dataset_without_a_day_says_which_index_it_waits_for(path: str) -> None:
    text = page(overview({}), path)
    assert "No raw day has been seen yet; an index named like shop-{day}, such as shop-2024.05.13, is awaited." in text
    assert "In the window" not in text


@pytest.mark.parametrize("said", [None, "keep 9 days of shop-{day} in UTC, 00000000"])
def test_the_line_that_confirms_deletions_is_shown_where_only_it_is_missing(said: str | None) -> None:
    asks = dataset_of("shop", raw={"window_days": 3}, cycle={"delete": True, "delete_confirmed": said})
    line = f'delete_confirmed: "{confirmation(asks)}"'
    assert f"<code>{line}</code>" in page(overview({9: PROVEN, 0: PROVEN}, asks))
    silent = dataset_of("shop", raw={"window_days": 3}, cycle={"delete": False})
    for dataset in (silent, SHOP):
        assert "delete_confirmed:" not in page(overview({9: PROVEN, 0: PROVEN}, dataset))


def test_what_the_next_run_does_is_told_in_the_order_of_time() -> None:
    text = page(overview({9: {**PROVEN, "documents": 15}, 8: PROVEN, 0: PROVEN}))
    steps = ["Condensed before anything else", "Archived before a deletion", "would be deleted", "Would be kept"]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
