"""What pages do while a cluster, or the folder of definitions, does not answer: they wait once, and hide no other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from fastapi.testclient import TestClient

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.answers import Answers
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.airflow.ui.lanes import Lanes
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import Definitions
from opensearch_strata.errors import DefinitionError
from opensearch_strata.workflows.overview.overview import Overview
from tests.overviews import END, PROVEN, overview
from tests.streams import dataset_of

PATIENCE = 0.4
WELL = {0: PROVEN, 1: PROVEN, 2: PROVEN}


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a cluster that hangs waits for; it is set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def client(patience: float = PATIENCE) -> TestClient:
    """The pages for somebody who may see all datasets."""
    app = build_app(Answers(patience=patience))
    somebody = SimpleNamespace(readable=set, require=lambda _: None)
    app.dependency_overrides[reader] = lambda: somebody
    return TestClient(app, raise_server_exceptions=False)


def known(*datasets: Dataset) -> Any:
    return patch.object(sources, "definitions", lambda: Definitions({one.name: one for one in datasets}))


def test_a_cluster_that_hangs_hides_no_other(hung: threading.Event) -> None:
    cycle = {"opensearch_conn_id": "hanging"}
    hanging = [dataset_of(f"hanging{number}", cycle=cycle) for number in range(6)]

    def look(dataset: Dataset) -> Overview:
        if dataset in hanging:
            hung.wait(10)
        return overview(WELL, dataset)

    with known(*hanging, dataset_of("good")), patch.object(sources, "overview_of", look):
        pages = client()
        for _ in range(2):
            text = pages.get("/").text
            assert (text.count("Not seen"), text.count(">Well<")) == (6, 1)
        assert pages.get("/datasets/good").status_code == 200
        hung.set()
        time.sleep(0.1)
        assert pages.get("/").text.count(">Well<") == 7


@pytest.mark.parametrize("path", ["explore", "explore.csv", f"days/{END}"])
def test_a_request_waits_once_for_all_its_questions(path: str, hung: threading.Event) -> None:
    shop = dataset_of("shop")

    def look(_: Dataset) -> Overview:
        if path.startswith("explore"):
            hung.wait(10)
        else:
            time.sleep(1)
        return overview(WELL, shop)

    def waits(*_: Any) -> None:
        hung.wait(10)

    left: list[float] = []
    wait = asyncio.wait

    async def noting(waited: Any, timeout: float) -> Any:
        left.append(timeout)
        return await wait(waited, timeout=timeout)

    with (
        known(shop),
        patch.multiple(sources, overview_of=look, answer_of=waits, one_day_of=waits),
        patch.object(asyncio, "wait", noting),
    ):
        answer = client(patience=2).get(f"/datasets/shop/{path}")
    assert "There was no answer within 2 s." in answer.text
    definitions, first, second = left
    assert 0 < first <= definitions <= 2
    assert 0 <= second <= 1


def test_many_datasets_wait_for_their_turn() -> None:
    def look(dataset: Dataset) -> Overview:
        time.sleep(0.01)
        return overview(WELL, dataset)

    with known(*(dataset_of(f"d{number:02}") for number in range(60))), patch.object(sources, "overview_of", look):
        text = client(patience=5).get("/").text
    assert (text.count(">Well<"), "Too many" in text, "Not seen" in text) == (60, False, False)


@pytest.mark.parametrize("path", ["", "datasets/shop", "datasets/shop/explore", "datasets/shop/loads", "dags/shop_x"])
def test_definitions_that_are_not_read_in_time_are_not_said_to_be_none(path: str, hung: threading.Event) -> None:
    def waits() -> Definitions:
        hung.wait(10)
        return Definitions()

    with patch.object(sources, "definitions", waits):
        answer = client(patience=0.1).get(f"/{path}")
    assert answer.status_code == 503
    assert "The definitions of the datasets could not be read. There was no answer within 0.1 s." in answer.text
    assert "no dataset" not in answer.text


def test_definitions_that_cannot_be_read_are_a_sentence() -> None:
    def fails() -> Definitions:
        raise DefinitionError("No folder of datasets was found.")

    with patch.object(sources, "definitions", fails):
        answer = client().get("/datasets/shop")
    assert (answer.status_code, "No folder of datasets was found." in answer.text) == (503, True)


def test_definitions_are_read_while_all_clusters_hang(hung: threading.Event) -> None:
    def look(_: Dataset) -> None:
        hung.wait(10)

    def explore(*_: Any) -> None:
        hung.wait(10)

    datasets = [dataset_of(f"d{number}") for number in range(9)]
    with known(*datasets), patch.multiple(sources, overview_of=look, answer_of=explore):
        pages = client(patience=0.1)
        for _ in range(3):
            assert pages.get("/").text.count("Not seen") == 9
        assert "d0 cannot be looked at" in pages.get("/datasets/d0").text


def test_threads_and_questions_are_bounded_and_end() -> None:
    release = threading.Event()
    lanes = Lanes(threads=2, most=3)

    def at_work() -> int:
        return sum(thread.name == "strata-page test" for thread in threading.enumerate())

    taken = [lanes.submit("test", lambda: release.wait(10)) for _ in range(2)]
    while lanes._lanes["test"].waiting:
        time.sleep(0.001)
    taken += [lanes.submit("test", lambda: release.wait(10)) for _ in range(5)]
    assert [future is None for future in taken] == [False] * 5 + [True] * 2
    assert at_work() == 2
    release.set()
    assert all(future.result(5) for future in taken if future)
    for _ in range(500):
        if not at_work():
            break
        time.sleep(0.01)
    assert (at_work(), lanes._lanes) == (0, {})


def test_too_many_questions_are_a_sentence() -> None:
    answers = Answers()
    answers._lanes = Lanes(most=0)
    found = asyncio.run(answers.ask("key", lambda: 1))
    assert found.problem == "Too many questions are under way; try again in a moment."
