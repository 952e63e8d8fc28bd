"""The retry policy, judged by the code of Airflow's worker that decides what becomes of a failed task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airflow.sdk import DAG, BaseOperator, RetryPolicy
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowTaskTimeout, TaskDeferralError
from airflow.sdk.execution_time import task_runner
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    NotFoundError,
    RequestError,
    SSLError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection

from local.places import PROJECT
from opensearch_strata.airflow.retry import TRANSIENT_ONLY, UNLESS_WRONG
from opensearch_strata.errors import DefinitionError, Refused, TransientError


def fate_of(error: BaseException, retries_left: bool = True, policy: RetryPolicy = TRANSIENT_ONLY) -> Any:
    """What the worker tells the scheduler after a task with our policy has raised."""
    task = BaseOperator(task_id="condense", retries=3, retry_policy=policy)
    made: Any = task_runner.RuntimeTaskInstance.model_construct
    task_instance = made(
        task=task,
        task_id="condense",
        dag_id="flights_daily_cycle",
        run_id="r",
        try_number=1,
        map_index=-1,
        rendered_map_index=None,
        _ti_context_from_server=SimpleNamespace(
            should_retry=retries_left, max_tries=3, dag_run=SimpleNamespace(team_name=None)
        ),
    )
    message, state = task_runner._handle_current_task_failed(task_instance, error, structlog.get_logger())
    return message, state.value


MAY_PASS = [
    NoConnection("N/A", "refused", ConnectionRefusedError()),
    ConnectionTimeout("TIMEOUT", "slow", TimeoutError()),
    TransportError(429, "circuit_breaking_exception", {}),
    TransportError(503, "no cluster manager", {}),
    TransientError("A shard moved."),
]
WILL_NOT_PASS = [
    SSLError("N/A", "bad certificate", ValueError()),
    AuthenticationException(401, "Unauthorized"),
    AuthorizationException(403, "no permissions", {}),
    RequestError(400, "parsing_exception", {}),
    NotFoundError(404, "index_not_found_exception", {}),
    TransportError(500, "null_pointer_exception", {}),
    Refused("The history would get poorer."),
    DefinitionError("flights.yaml: metrics: is empty."),
    AirflowNotFoundException("The conn_id `search` isn't defined"),
    KeyError("bug"),
]
by_name: dict[str, Any] = {"ids": lambda error: f"{type(error).__name__}-{error.args[0]}"}


@pytest.mark.parametrize("error", MAY_PASS, **by_name)
def test_what_may_pass_is_tried_again_with_the_back_off_of_the_task(error: BaseException) -> None:
    message, state = fate_of(error)
    assert state == "up_for_retry"
    assert message.retry_delay_seconds is None  # so the scheduler computes it from the task
    assert message.retry_reason


@pytest.mark.parametrize("error", MAY_PASS, **by_name)
def test_there_is_an_end_to_it(error: BaseException) -> None:
    assert fate_of(error, retries_left=False)[1] == "failed"


@pytest.mark.parametrize("error", WILL_NOT_PASS, **by_name)
def test_what_will_not_pass_fails_at_once(error: BaseException) -> None:
    message, state = fate_of(error)
    assert (message.state, state) == ("failed", "failed")


@pytest.mark.parametrize(
    "error", [error for error in WILL_NOT_PASS if isinstance(error, Refused | RequestError)], **by_name
)
def test_a_task_of_every_minute_waits_out_what_somebody_can_mend(error: BaseException) -> None:
    message, state = fate_of(error, policy=UNLESS_WRONG)
    assert state == "up_for_retry"
    assert message.retry_delay_seconds is None
    assert fate_of(error, retries_left=False, policy=UNLESS_WRONG)[1] == "failed"


@pytest.mark.parametrize("error", [DefinitionError("flights.yaml: metrics: is empty."), KeyError("bug")], **by_name)
def test_it_does_not_wait_for_a_definition_or_a_bug(error: BaseException) -> None:
    assert fate_of(error, policy=UNLESS_WRONG)[1] == "failed"


@pytest.mark.parametrize("error", [AirflowTaskTimeout("30 min"), TaskDeferralError("lost"), SystemExit(1)])
def test_unknown_cause_has_the_ordinary_retries(error: BaseException) -> None:
    assert fate_of(error)[1] == "up_for_retry"
    assert fate_of(error, retries_left=False)[1] == "failed"


def test_log_says_why_it_was_not_tried_again() -> None:
    with structlog.testing.capture_logs() as logged:
        fate_of(RequestError(400, "parsing_exception", {"error": {"type": "parsing_exception", "reason": "no"}}))
    assert logged[-1]["reason"] == "Not retried: OpenSearch answered 400: parsing_exception (no)."


def test_dag_with_the_policy_serializes_alike_each_time() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def serialized() -> str:
        defaults = {"retries": 3, "retry_delay": timedelta(seconds=30), "retry_policy": TRANSIENT_ONLY}
        with DAG("flights_daily_cycle", schedule=None, start_date=datetime(2013, 1, 1), default_args=defaults) as dag:
            BaseOperator(task_id="condense")
        return json.dumps(DagSerialization.to_dict(dag), sort_keys=True)

    assert serialized() == serialized()
    assert '"has_retry_policy": true' in serialized()


def test_policy_describes_itself() -> None:
    assert isinstance(TRANSIENT_ONLY, RetryPolicy)
    assert TRANSIENT_ONLY.serialize() == {"__type": "opensearch_strata.airflow.retry.TransientOnly"}


def test_import_for_dag_files_is_light() -> None:
    """A DAG file names the policy, and each task process parses the file again."""
    heavy = "{'opensearchpy', 'boto3', 'botocore', 'pandas', 'aiohttp'}"
    code = f"import sys, airflow.sdk, opensearch_strata.airflow.retry; print({heavy} & sys.modules.keys())"
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "plugins")}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("set()")
