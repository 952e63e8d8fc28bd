"""The few calls to Airflow's REST API that the demonstration and the system tests need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from local.errors import StackError

_PATIENCE, _TRIES = 30, 4  # seconds, and how often something is asked
FINISHED = ("success", "failed")
# Airflow's API logs every change on its event loop. If a starting task holds SQLite's lock and needs that loop to
# release it, both wait until SQLite gives up: after 5 s the answer is 500, and nothing was done.
LOCKED = Retry(
    None, connect=0, read=0, other=0, status=4, status_forcelist=[500], allowed_methods=None, raise_on_status=False
)


class AirflowApi:
    """Client for Airflow in all-admins mode: anybody gets a token, so the embedded stack needs no password."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # there is no proxy between us and 127.0.0.1
        self._session.mount(url, HTTPAdapter(max_retries=LOCKED))
        token = self._answer("GET", "auth/token")
        token.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def wait_for_dag(self, dag_id: str, within: float = 60) -> None:
        """Wait until the DAG has been parsed. Raises StackError with its import errors if it does not appear."""
        deadline = time.monotonic() + within
        while self.call("GET", f"dags/{dag_id}", accept=(200, 404)).status_code != 200:
            errors = self.call("GET", "importErrors").json()["import_errors"]
            if errors or time.monotonic() > deadline:
                reasons = "; ".join(f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors)
                raise StackError(f"Airflow has no DAG {dag_id}: {reasons or f'not parsed within {within:.0f} s'}.")
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        """Allow the scheduler to start runs of the DAG."""
        self.call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, partition_key: str | None, conf: Mapping[str, Any]) -> str:
        """Request a run, for a partition such as "2013-03-02" or for none, and return its id."""
        body = {"logical_date": None, "partition_key": partition_key, "conf": dict(conf)}
        return str(self.call("POST", f"dags/{dag_id}/dagRuns", json=body).json()["dag_run_id"])

    def wait_for_run(self, dag_id: str, run_id: str, within: float = 300) -> str:
        """The run's final state, "success" or "failed". Raises StackError after `within` seconds."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            state = str(self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}").json()["state"])
            if state in FINISHED:
                return state
            time.sleep(0.5)
        states = {task["task_id"]: task["state"] for task in self.task_instances(dag_id, run_id)}
        raise StackError(f"Run {run_id} of {dag_id} did not finish within {within:.0f} s; its tasks: {states}.")

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's task instances as Airflow describes them (task_id, map_index, state, try_number, ...)."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 1000})
        return list(answer.json()["task_instances"])

    def return_value(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """The value that the task returned (its XCom `return_value`)."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.call("GET", path).json()["value"]

    def call(
        self, method: str, path: str, *, accept: tuple[int, ...] = (200, 201), **arguments: Any
    ) -> requests.Response:
        """Send one request below /api/v2.

        A busy machine may take long to answer a question, so that is asked again; a change is not.

        :raises StackError: Airflow does not answer in time, or with a status that is not accepted
        """
        response = self._answer(method, f"api/v2/{path}", **arguments)
        if response.status_code not in accept:
            raise StackError(f"Airflow answered {response.status_code} to {method} {path}: {response.text[:300]}")
        return response

    def _answer(self, method: str, path: str, **arguments: Any) -> requests.Response:
        for left in reversed(range(_TRIES if method == "GET" else 1)):
            try:
                return self._session.request(method, f"{self._url}/{path}", timeout=_PATIENCE, **arguments)
            except (requests.ConnectionError, requests.Timeout) as error:
                if not left:
                    raise StackError(
                        f"Airflow did not answer {method} {path} ({type(error).__name__}). If the machine was only "
                        f"busy, do it again; otherwise, the logs of the stack say why."
                    ) from error
        raise AssertionError("the last try returns or raises")
