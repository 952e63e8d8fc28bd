"""Whatever is asked for: nobody anonymous gets another answer than 401, and nobody learns of datasets of others."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.airflow.ui.mounted import Pages
from opensearch_strata.definition.files import Definitions

PATHS = [
    "",
    "nonsense",
    "static",
    "static/",
    "datasets/x/",
    "datasets/x/explore/",
    "/",
    "datasets/a%2Fb",
    "datasets/a%2Fdays%2F2024-01-01",
    "datasets/x/days/tomorrow",
    "docs",
    "openapi.json",
    "static/%2e%2e/app.py",
]
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PROPFIND"]
SECRET = "shop.yaml: raw.index: must be text (got 'password=hunter2')."


def client(*readable: str, signed_in: bool = True) -> TestClient:
    """The pages for somebody who may read the DAGs of some datasets."""
    app, outer = build_app(), FastAPI()
    may = {f"{name}_daily_cycle" for name in readable}
    somebody = SimpleNamespace(readable=lambda dags: may & {*dags}, require=lambda _: None)
    if signed_in:
        app.dependency_overrides[reader] = lambda: somebody
    outer.mount("/strata", Pages(lambda: app))
    return TestClient(outer, raise_server_exceptions=False, follow_redirects=False)


def test_whatever_is_asked_for_anonymously_is_refused() -> None:
    anonymous = client(signed_in=False)
    for path in PATHS:
        for method in METHODS:
            answer = anonymous.request(method, f"/strata/{path}")
            assert (answer.status_code, answer.headers.get("Location")) == (401, None), (method, path)


def test_who_has_signed_in_learns_what_is_no_page() -> None:
    pages = client()
    for path in ("nonsense", "/", "datasets/x/"):
        answer = pages.get(f"/strata/{path}")
        assert (answer.status_code, "There is no such page." in answer.text) == (404, True)
    for method in METHODS[1:]:
        answer = pages.request(method, "/strata/nonsense")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["a", "a/b", "a%2Fb", "a%2fb/c", "datasets/a%2Fdays%2F2024/"])
def test_links_of_a_refusal_lead_to_the_root(path: str) -> None:
    pages = client()
    answer = pages.get(f"/strata/{path}")
    assert answer.status_code == 404
    link = answer.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert answer.request.url.join(link).path == "/strata/static/strata.css"


@pytest.mark.parametrize(
    ("readable", "expected"),
    [
        (("shop", "other"), [True, True, True]),
        (("shop",), [True, False, True]),
        (("other",), [False, False, True]),
        ((), [False, False, True]),
    ],
)
def test_a_broken_definition_is_told_to_who_may_know_of_it(readable: tuple[str, ...], expected: list[bool]) -> None:
    clash = "shop.yaml: name: 'x' is also the name of other.yaml, which stays in use; change shop.yaml."
    problems = [SECRET, clash, "/datasets: no such folder; name the one that contains the dataset files."]
    with patch.object(sources, "definitions", lambda: Definitions(problems=problems)):
        text = client(*readable).get("/strata/").text
    assert [sentence in text for sentence in ("raw.index", "is also the name", "no such folder")] == expected
    assert "hunter2" not in text
    assert ("other.yaml" in text) == expected[1]


@pytest.mark.parametrize(
    "path", ["datasets/shop", "datasets/shop/explore", "datasets/shop/loads", "dags/shop_daily_cycle"]
)
def test_the_page_of_a_broken_definition_says_what_the_list_says(path: str) -> None:
    clash = "other.yaml: name: 'x' is also the name of shop.yaml, which stays in use; change other.yaml."
    with patch.object(sources, "definitions", lambda: Definitions(problems=[SECRET, clash, "far.yaml: is broken."])):
        told, less = client("shop", "other", "far"), client("shop")
        answer = told.get(f"/strata/{path}")
        listed = told.get("/strata/").text
        assert answer.status_code == 404
        for sentence in ("shop.yaml: raw.index: must be text", "is also the name of shop.yaml"):
            assert sentence in answer.text
            assert sentence in listed
        assert ("far.yaml" in answer.text, "hunter2" in answer.text) == (False, False)
        assert "other.yaml" not in less.get(f"/strata/{path}").text
