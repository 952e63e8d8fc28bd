"""The pages in Airflow's own API server: its tokens and cookies, its auth manager, a real dataset on a real server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.levels.prove import prove
from tests.streams import StreamFactory

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> Iterator[FastAPI]:
    """Airflow's API server, with the pages mounted as it mounts a plugin's."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    purge_cached_app()
    # In the mode of the embedded stack, Airflow itself signs everybody in.
    with patch.dict(os.environ, {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False"}):
        app = create_app("core")
        assert [route for route in app.routes if getattr(route, "path", "") == "/strata"]
        yield app
    purge_cached_app()


@pytest.fixture
def as_role(airflow: FastAPI) -> Callable[[str | None], TestClient]:
    """A browser that has signed in with a role; ``None`` has none, which may read no DAG."""
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def signed_in(role: str | None) -> TestClient:
        token = airflow.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
        return TestClient(airflow, cookies={COOKIE_NAME_JWT_TOKEN: token}, raise_server_exceptions=False)

    return signed_in


@pytest.fixture
def shop(make_stream: StreamFactory, define: Callable[[Dataset], None], connection: Callable[[str], None]) -> Dataset:
    """A dataset with a proven day and one without rows."""
    cycle = {"start_date": YESTERDAY - timedelta(days=9)}
    stream = make_stream(raw={"window_days": 5}, history={"levels": []}, cycle=cycle)
    for ago in (0, 1):
        stream.fill(YESTERDAY - timedelta(days=ago), count=20)
    prove(stream.client, stream.dataset, YESTERDAY - timedelta(days=1), engine="search")
    define(stream.dataset)
    return stream.dataset


def paths(name: str) -> list[str]:
    of_it = f"datasets/{name}"
    return ["", of_it, f"{of_it}/days/{YESTERDAY}", f"dags/{name}_daily_cycle", "static/strata.css"]


def test_who_may_read_the_dag_sees_its_dataset(as_role: Callable[[str | None], TestClient], shop: Dataset) -> None:
    viewer, nobody = as_role("viewer"), as_role(None)
    answers = {path: viewer.get(f"/strata/{path}") for path in paths(shop.name)}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert f"1 day is raw only: {YESTERDAY}." in answers[""].text
    before = YESTERDAY - timedelta(days=1)
    assert f'title="{before}, raw and proven: 20 raw documents' in answers[f"datasets/{shop.name}"].text
    day = viewer.get(f"/strata/datasets/{shop.name}/days/{before}")
    assert "Its raw day holds as many documents as when its rows were proven" in day.text
    refused = {path: nobody.get(f"/strata/{path}") for path in paths(shop.name)}
    assert [refused[path].status_code for path in paths(shop.name)] == [200, 403, 403, 403, 200]
    assert shop.name not in refused[""].text


def test_without_a_token_of_airflow_there_is_nothing(airflow: FastAPI) -> None:
    client = TestClient(airflow, raise_server_exceptions=False)
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer nonsense"}, {"Cookie": "_token=x"}):
        for path in paths("shop"):
            answer = client.get(f"/strata/{path}", headers=headers)
            assert answer.status_code in (401, 403)
            assert "raw" not in answer.text


def test_a_bearer_token_is_as_good_as_a_cookie(as_role: Callable[[str | None], TestClient], airflow: FastAPI) -> None:
    (token,) = as_role("viewer").cookies.values()
    client: Any = TestClient(airflow)
    assert client.get("/strata/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
