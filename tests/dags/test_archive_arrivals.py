"""The DAGs of new objects as Airflow runs them: the state of the run, and what is in the index and the queue."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from airflow.sdk.module_loading import import_string  # type: ignore[attr-defined]  # where Airflow takes it from

from opensearch_strata.airflow.operators.arrivals.drain import DrainOperator
from opensearch_strata.airflow.triggers.queue import QueueTrigger
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals
from tests.arrivals import ALL_DAYS, Inflow, Queues
from tests.dags.assets import events as events_of
from tests.dags.assets import know_assets
from tests.dags.conftest import Run, load_bag, run_in_process
from tests.faults.archives import INTAKE, cloudwatch, events, message, ndjson
from tests.servers.sns import Topic
from tests.streams import DAY, StreamFactory, dataset_of

RunArrivals = Callable[..., Run]


@pytest.fixture
def inflow(
    s3: Any,
    bucket: str,
    queues: Queues,
    make_stream: StreamFactory,
    define: Callable[[Dataset], None],
    notify: dict[str, Any],
) -> Iterator[Inflow]:
    """A bucket that tells the queue of a dataset that Airflow knows, and whose alarms the topic receives."""
    intake = {**INTAKE, "source": f"s3://{bucket}/logs/", "queue": queues.arn}
    stream = make_stream(raw={"window_days": ALL_DAYS}, intake=intake, cycle={"notify": notify})
    define(stream.dataset)
    queues.notify(s3, bucket)
    made = Inflow(s3, bucket, stream, queues)
    yield made
    made.forget_ledger()


@pytest.fixture
def run_arrivals(
    airflow_database: None, connection: Callable[[str], None], aws_connection: None, monkeypatch: pytest.MonkeyPatch
) -> RunArrivals:
    """Run a dataset's DAG; an empty queue is watched for a second."""
    monkeypatch.setattr("opensearch_strata.airflow.operators.arrivals.drain._POLL", 0.2)

    def quicker(dag: Any) -> None:
        for task in dag.tasks:
            if isinstance(task, DrainOperator):
                task.seconds, task.empty, task.wait = 60, 0, 1

    def run(dataset: Dataset, name: str = "archive_arrivals") -> Run:
        return run_in_process("archive_arrivals.py", f"{dataset.name}_{name}", quicker, {})

    return run


def test_a_run_loads_what_the_queue_tells_of(
    inflow: Inflow, run_arrivals: RunArrivals, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    inflow.put(cloudwatch(events(range(100))))
    inflow.queues.send("what is this")
    inflow.queues.age(hours=3)  # the consumer was away, and has caught up after this run
    run = run_arrivals(inflow.dataset)
    assert (run.state, run.tasks) == ("success", {"drain": "success"})
    result = run.result("drain")
    assert (result["messages"], result["deleted"], result["created"], result["not_understood"]) == (2, 1, 100, 1)
    assert (result["waiting"], result["in_flight"], result["dead_letters"]) == (0, 1, 0)
    assert "events 100 created" in capsys.readouterr().out
    inflow.assert_loaded(range(100))
    assert run.result("drain", key="_link_RawDaysLink").endswith(f"{inflow.dataset.name}-*?v&s=index")
    assert topic.received() == []


def test_an_empty_queue_is_watched_without_a_worker_and_the_run_ends(
    inflow: Inflow, run_arrivals: RunArrivals, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_arrivals(inflow.dataset)
    assert (run.state, run.result("drain")["messages"]) == ("success", 0)
    assert "waiting for messages" in capsys.readouterr().out


def test_a_queue_that_is_gone_fails_the_run_in_a_sentence_but_not_every_minute_and_is_told_once(
    inflow: Inflow, run_arrivals: RunArrivals, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    inflow.queues.delete()
    run = run_arrivals(inflow.dataset)
    assert (run.state, run.tasks, run.tries("drain")) == ("failed", {"drain": "failed"}, 7)
    assert "its messages are gone, but no object is" in capsys.readouterr().out
    run_arrivals(inflow.dataset)
    (told,) = topic.received()
    assert told.subject == f"Strata: {inflow.dataset.name}: drain failed: new objects are not loaded"
    sentence, cure, link = told.paragraphs
    assert "its messages are gone, but no object is" in sentence
    assert cure.startswith("Nothing is lost: ")
    assert f"/dags/{inflow.dataset.name}_archive_arrivals/runs/" in link


def test_dead_letters_beyond_a_share_are_told_once(inflow: Inflow, run_arrivals: RunArrivals, topic: Topic) -> None:
    for start in (0, 100):
        timeless = b"".join(b'{"device": "d1"}\n' for _ in range(6))
        inflow.put(gzip.compress(gzip.decompress(ndjson(range(start, start + 94))) + timeless))
        assert run_arrivals(inflow.dataset).result("drain")["dead"] == 6
    (told,) = topic.received()
    assert told.subject == f"Strata: {inflow.dataset.name}: 6 of 100 events became dead letters"
    sentence, cure, _ = told.paragraphs
    assert sentence.startswith("6 of 100 events could not be loaded, 6.0%. ")
    assert f"`strata redrive {inflow.dataset.name} --apply`" in cure


def test_a_queue_that_a_pass_does_not_empty_is_told_once_when_its_messages_are_old(
    inflow: Inflow, run_arrivals: RunArrivals, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = Arrivals.drain

    def drain_while_more_comes(self: Arrivals, *args: Any) -> Any:
        drained = drain(self, *args)
        inflow.queues.send({"Event": "s3:TestEvent", "Bucket": inflow.bucket})
        return drained

    monkeypatch.setattr(Arrivals, "drain", drain_while_more_comes)
    inflow.put(ndjson(range(10)))
    for _ in range(2):
        inflow.queues.age(hours=2)
        assert run_arrivals(inflow.dataset).result("drain")["waiting"] == 1
    (told,) = topic.received()
    assert told.subject == f"Strata: {inflow.dataset.name}: a message waited 120 minutes in the queue"
    sentence, cure, _ = told.paragraphs
    assert sentence.startswith("A message that tells of new objects had waited 120 minutes before it was received; ")
    assert f"`strata arrivals {inflow.dataset.name}`" in cure


def test_a_sweep_finds_what_no_notification_told(
    inflow: Inflow, run_arrivals: RunArrivals, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=5)
    put_at(inflow, now, 1)
    run = run_arrivals(inflow.dataset, "arrivals_sweep")
    assert (run.state, run.tasks) == ("success", {"sweep": "success"})
    assert (run.result("sweep")["found"], run.result("sweep")["created"]) == (1, 1)
    assert "Not told, or told late: 1 object" in capsys.readouterr().out
    assert events_of(inflow.dataset, "arrived") == {}  # today may get more
    index = inflow.dataset.raw_index(now.date())
    inflow.stream.client.indices.refresh(index=index)
    assert inflow.stream.client.count(index=index)["count"] == 1


def test_a_sweep_tells_that_yesterday_has_arrived(inflow: Inflow, run_arrivals: RunArrivals) -> None:
    now = datetime.now(UTC) - timedelta(minutes=5)
    yesterday = now - timedelta(days=1)
    know_assets()
    put_at(inflow, now, 1)
    put_at(inflow, yesterday, 3)
    assert run_arrivals(inflow.dataset, "arrivals_sweep").result("sweep")["created"] == 4
    told = {"dataset": inflow.dataset.name, "days": 1, "documents": 3, "dead_letters": 0}
    assert events_of(inflow.dataset, "arrived") == {str(yesterday.date()): told}


def test_a_sweep_that_finds_an_object_in_quarantine_is_told_with_no_control_character_of_its_key(
    inflow: Inflow, run_arrivals: RunArrivals, topic: Topic
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=5)
    key = f"logs/{now:%Y/%m/%d/%H}/\u202e\u2028Bcc: everybody"
    inflow.put(b"no JSON at all\n" * 50, key)
    inflow.queues.empty()
    for _ in range(2):
        assert run_arrivals(inflow.dataset, "arrivals_sweep").state == "failed"
    (told,) = topic.received()
    assert told.subject == f"Strata: {inflow.dataset.name}: sweep failed: new objects are not loaded"
    sentence, cure, link = told.paragraphs
    assert "quarantine" in sentence
    assert sentence.isprintable()
    assert cure.startswith("Nothing is lost: ")
    assert f"/dags/{inflow.dataset.name}_arrivals_sweep/runs/" in link


def put_at(inflow: Inflow, moment: datetime, count: int) -> None:
    """Write an object of events of about the same time, which no notification tells."""
    lines = [{"@timestamp": (moment + timedelta(seconds=n)).isoformat(), **message(n)} for n in range(count)]
    inflow.put(b"".join(orjson.dumps(line) + b"\n" for line in lines), f"logs/{moment:%Y/%m/%d/%H}/untold")
    inflow.queues.empty()


def test_a_dataset_has_its_dags_if_it_has_a_queue(
    inflow: Inflow, include: Path, define: Callable[[Dataset], None], airflow_database: None
) -> None:
    quiet = dataset_of("quiet", intake={**INTAKE, "source": "s3://x-y/", "queue": inflow.queues.arn, "sweep": None})
    (include / "datasets" / "quiet.yaml").write_text(quiet.model_dump_json())
    define(dataset_of("none"))
    dags = load_bag("archive_arrivals.py").dags
    name = inflow.dataset.name
    assert set(dags) == {f"{name}_archive_arrivals", f"{name}_arrivals_sweep", "quiet_archive_arrivals"}
    dag = dags[f"{name}_archive_arrivals"]
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert str(dag.timetable.expression) == "* * * * *"
    assert str(dags[f"{name}_arrivals_sweep"].timetable.expression) == "30 1 * * *"


def event_of(trigger: QueueTrigger) -> dict[str, Any]:
    """The one event that a trigger fires."""

    async def first() -> dict[str, Any]:
        [event] = [event async for event in trigger.run()]
        return dict(event.payload)

    return asyncio.run(first())


def test_the_trigger_fires_when_messages_wait_and_receives_none(inflow: Inflow, aws_connection: None) -> None:
    trigger = QueueTrigger("aws_default", inflow.queues.arn, 30, 0.1)
    path, arguments = trigger.serialize()
    assert import_string(path)(**arguments).serialize() == trigger.serialize()
    inflow.put(ndjson(range(5)))
    assert event_of(trigger) == {"waiting": 1}
    assert inflow.queues.receives() == {0}
    inflow.queues.empty()
    assert event_of(QueueTrigger("aws_default", inflow.queues.arn, 0.3, 0.1)) == {"waiting": 0}


def test_the_trigger_says_what_does_not_pass(inflow: Inflow, aws_connection: None) -> None:
    inflow.queues.delete()
    event = event_of(QueueTrigger("aws_default", inflow.queues.arn, 30, 0.1))
    assert event["transient"] is False
    assert "does not exist" in event["error"]


def test_a_kill_behind_the_load_changes_nothing_any_more(inflow: Inflow) -> None:
    DrainOperator(task_id="drain", dataset=inflow.dataset).on_kill()
    assert DAY
