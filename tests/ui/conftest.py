"""The pages by themselves, served to a real browser: made-up datasets, and somebody who may see them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, sync_playwright

from local.pictures.browser import ARGUMENTS, CHROMIUM
from local.ports import free_port
from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.airflow.ui.mounted import Pages
from opensearch_strata.definition.files import Definitions
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.overview.one_day import Loaded, OneDay
from opensearch_strata.workflows.overview.overview import Overview
from tests.overviews import GONE, KINDS, PROVEN, answered, loads, overview
from tests.streams import dataset_of

YEARS = 2.5
FRAME = "<link rel='icon' href='data:,'><iframe src='/strata/{path}' sandbox='{sandbox}' width='1200'></iframe>"
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads"
"""What Airflow 3.3 allows the pages of plugins in their frame."""


def _overviews() -> dict[str, Overview]:
    intake = {"source": "s3://logs/x/", "layout": "%Y/%m/%d/%H/"}
    parts: dict[str, Any] = {"archive": {"bucket": "shop-archive"}, "raw": {"window_days": 60}, "intake": intake}
    states = {ago: PROVEN if ago < 60 else GONE for ago in range(int(YEARS * 365))}
    faulty = states | {70 + 3 * number: state for number, state in enumerate(KINDS.values())}
    return {
        "shop": overview(faulty, dataset_of("shop", **parts), dead=3, unseen=["Its queue was not looked at."]),
        "well": overview(states, dataset_of("well", **parts)),
        "new": overview({}, dataset_of("new", **parts)),
    }


def _one_day(seen: Overview, day: date) -> OneDay:
    state = next(one for one in seen.inventory.days if one.day == day)
    findings = [
        Finding("mark", day, "Its mark is stale.", "look", "strata audit shop"),
        Finding("day", day, "Its rows are those of its archive.", "fine"),
    ]
    loaded = [Loaded("s3://logs/x/2024/05/13/00/object.gz", "done", 10, 1, "")]
    return OneDay(seen.by_day[day], state, findings, loaded, 1, "A backfill is loading into it.")


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """URL of a server that frames the pages as Airflow does."""
    app = build_app()
    somebody = SimpleNamespace(readable=set, require=lambda _: None)
    app.dependency_overrides[reader] = lambda: somebody
    outer = FastAPI()
    outer.mount("/strata", Pages(lambda: app))

    @outer.get("/plugin/{path:path}")
    def framed(path: str) -> HTMLResponse:
        return HTMLResponse(FRAME.format(path=path, sandbox=SANDBOX))

    @outer.get("/dags/{dag_id}")
    def dag(dag_id: str) -> HTMLResponse:
        return HTMLResponse(f"<link rel='icon' href='data:,'>the page of {dag_id}<textarea></textarea>")

    made, port = _overviews(), free_port()
    server = uvicorn.Server(uvicorn.Config(outer, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    with patch.multiple(
        sources,
        definitions=lambda: Definitions({name: one.dataset for name, one in made.items()}),
        overview_of=lambda dataset: made[dataset.name],
        one_day_of=_one_day,
        loads_of=lambda _: loads("It is no gzip."),
        answer_of=lambda _, asked: answered("of it", asked),
    ):
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
