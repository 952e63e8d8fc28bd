"""The trigger of a transform job, and what a kill does to the job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string  # type: ignore[attr-defined]  # where Airflow takes it from
from opensearchpy import OpenSearch

from opensearch_strata.airflow.operators.daily_cycle.condense import CondenseOperator
from opensearch_strata.airflow.triggers.transform_job import TransformJobTrigger
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.condense.condense import admit
from opensearch_strata.history.condense.engines.transform_job import submit
from opensearch_strata.history.month.index import ensure_month
from tests.streams import DAY, Stream
from tests.transform_api import TransformApi

PATIENCE = {"start": 1, "progress": 1, "poll": 0.05, "restarts": 0}
LONG = {**PATIENCE, "start": 60, "progress": 60}
"""For jobs that finish, however busy the machine is."""


@pytest.fixture
def through(api: TransformApi) -> Iterator[OpenSearch]:
    """A client of the API's node."""
    with build_client(ClientSettings.from_url(api.url)) as client:
        yield client


def submitted(through: OpenSearch, stream: Stream, patience: dict[str, float] = PATIENCE) -> TransformJobTrigger:
    """The trigger of a job that was just submitted."""
    raw = admit(through, stream.dataset, DAY)
    assert raw
    ensure_month(through, stream.dataset, DAY, raw.types)
    due_ms = submit(through, stream.dataset, raw)
    job_id = stream.dataset.transform_id(DAY)
    return TransformJobTrigger("opensearch_default", job_id, due_ms, patience, {"documents": raw.documents})


def event_of(trigger: TransformJobTrigger) -> dict[str, Any]:
    """The one event that a trigger fires."""

    async def first() -> dict[str, Any]:
        [event] = [event async for event in trigger.run()]
        return dict(event.payload)

    return asyncio.run(first())


def test_a_trigger_survives_its_way_through_the_database() -> None:
    trigger = TransformJobTrigger("opensearch_default", "strata-x-2024.05.06", 17, PATIENCE, {"passes": 1})
    path, arguments = trigger.serialize()
    again = import_string(path)(**arguments)
    assert again.serialize() == trigger.serialize()


def test_it_fires_when_the_job_is_over_with_what_it_did(stream: Stream, through: OpenSearch) -> None:
    stream.fill(count=50)
    event = event_of(submitted(through, stream, LONG))
    assert event["progress"] == {"documents": 50}
    assert (event["state"]["phase"], event["state"]["documents"]) == ("finished", 50)


def test_passing_trouble_while_polling_is_waited_out(api: TransformApi, stream: Stream, through: OpenSearch) -> None:
    stream.fill(count=50)
    trigger = submitted(through, stream, LONG)
    api.faults.refuse(5, 429, "_explain")
    assert event_of(trigger)["state"]["phase"] == "finished"


def test_trouble_that_does_not_pass_is_told_as_transient(
    api: TransformApi, stream: Stream, through: OpenSearch
) -> None:
    stream.fill(count=50)
    trigger = submitted(through, stream)
    api.faults.refuse(50, 429, "_explain")
    event = event_of(trigger)
    assert event["transient"]
    assert "429" in event["error"]


def test_a_job_that_nobody_picks_up_is_stuck(api: TransformApi, stream: Stream, through: OpenSearch) -> None:
    api.faults.pick_up_jobs = False
    stream.fill(count=50)
    event = event_of(submitted(through, stream))
    assert event["state"]["phase"] == "stuck"
    assert "not picked up" in event["state"]["reason"]


@pytest.mark.parametrize("killed", ["while deferred", "while it waits in a worker"])
def test_a_kill_stops_the_job(killed: str, api: TransformApi, stream: Stream, through: OpenSearch) -> None:
    api.faults.pick_up_jobs = False
    stream.fill(count=50)
    trigger = submitted(through, stream)
    if killed == "while deferred":
        asyncio.run(trigger.on_kill())
    else:
        CondenseOperator(task_id="condense", dataset=stream.dataset, cycle={"day": str(DAY)}).on_kill()
    assert not through.plugins.transforms.get(id=trigger.job_id)["transform"]["enabled"]


def test_a_kill_of_a_job_that_is_written_to_in_the_same_moment_is_no_error(
    api: TransformApi, stream: Stream, through: OpenSearch
) -> None:
    api.faults.pick_up_jobs = False
    stream.fill(count=50)
    trigger = submitted(through, stream)
    operator = CondenseOperator(task_id="condense", dataset=stream.dataset, cycle={"day": str(DAY)})
    api.faults.refuse(1, 409, path=f"/{trigger.job_id}/_stop")
    operator.on_kill()
    assert not through.plugins.transforms.get(id=trigger.job_id)["transform"]["enabled"]
    api.faults.refuse(6, 409, path=f"/{trigger.job_id}/_stop")
    operator.on_kill()
    asyncio.run(trigger.on_kill())


def test_a_kill_of_a_job_that_is_gone_is_no_error(stream: Stream, api: TransformApi) -> None:
    trigger = TransformJobTrigger("opensearch_default", stream.dataset.transform_id(DAY), 0, PATIENCE, {})
    asyncio.run(trigger.on_kill())
