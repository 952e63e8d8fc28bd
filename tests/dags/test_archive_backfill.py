"""``archive_backfill`` as Airflow runs it: states of the run and its tasks, and what is in the indices."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from airflow.sdk.exceptions import ParamValidationError

from opensearch_strata.dataset import Dataset
from opensearch_strata.operators.backfill.load import LoadOperator
from opensearch_strata.operators.backfill.plan import PlanOperator
from tests.conftest import StreamFactory
from tests.dags.conftest import Run, RunDag
from tests.streams import DAY, Stream, measurements

NEXT = DAY + timedelta(days=1)
RANGE = {"from_day": str(DAY), "to_day": str(NEXT)}
LOADED = {**RANGE, "dry_run": False}


class Archive:
    """A dataset whose logs lie in S3: an object of 20 events for every six hours of a day."""

    def __init__(self, stream: Stream, s3: Any, bucket: str) -> None:
        self.stream, self.s3, self.bucket = stream, s3, bucket
        self.dataset = stream.dataset

    def fill(self, day: date = DAY) -> list[str]:
        """Write a day; returns its keys."""
        events = measurements(day, count=80)
        keys = [f"logs/{day:%Y/%m/%d}/{hour:02}/part.gz" for hour in (0, 6, 12, 18)]
        for number, key in enumerate(keys):
            self.put(key, events[number * 20 : number * 20 + 20])
        return keys

    def put(self, key: str, events: list[dict[str, Any]]) -> None:
        """Write an object."""
        body = gzip.compress(b"\n".join(map(orjson.dumps, events)))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def drop(self, key: str) -> None:
        """Delete an object."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def documents(self, day: date = DAY) -> int:
        """Documents of a raw day, without a refresh: what people see."""
        answer = self.stream.client.count(index=self.dataset.raw_index(day), params={"ignore_unavailable": "true"})
        return int(answer["count"])

    def settings(self, day: date = DAY) -> dict[str, Any]:
        """Settings of a raw day."""
        name = self.dataset.raw_index(day)
        return dict(self.stream.client.indices.get_settings(index=name)[name]["settings"]["index"])

    def dead_letters(self) -> list[str]:
        """Keys of the dead letters."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="logs/dead-letters/")
        return [item["Key"] for item in found.get("Contents", [])]


@pytest.fixture
def archive(make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str) -> Archive:
    """A dataset with two days in S3 and none in OpenSearch."""
    intake = {"source": f"s3://{bucket}/logs/", "parser": "json"}
    stream = make_stream(raw={"window_days": 2}, intake=intake, engine="search")
    define(stream.dataset)
    archive = Archive(stream, s3, bucket)
    archive.fill(DAY)
    archive.fill(NEXT)
    return archive


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects a batch."""
    from opensearch_strata.archive import plan

    monkeypatch.setattr(plan, "_OBJECT_COST", 32 << 20)


def loads(run: Run) -> dict[str, str]:
    """States of the batches."""
    return {task: state for task, state in run.tasks.items() if task.startswith("load[")}


def test_a_run_by_hand_is_dry_until_told_otherwise(archive: Archive, run_backfill: RunDag) -> None:
    run = run_backfill(archive.dataset, **RANGE)
    assert run.state == "success"
    assert run.tasks == {
        "read_form": "success",
        "plan": "success",
        "prepare": "skipped",
        "load": "skipped",
        "restore": "skipped",
        "prove": "skipped",
        "settle": "skipped",
        "redrive": "skipped",
        "report": "success",
    }
    assert run.result("plan") == []
    report = run.result("report")
    assert report["planned"]["objects"] == 8
    assert report["verdict"].endswith("Dry run: nothing was loaded. Untick dry_run to load it.")
    assert not archive.stream.exists(DAY)


def test_a_dry_run_logs_the_plan_and_says_last_that_it_was_dry(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run_backfill(archive.dataset, **RANGE)
    log = capsys.readouterr().out
    assert "8 objects" in log
    assert "documents, about" in log
    assert "Dry run: nothing was loaded. Untick dry_run to load it." in log


def test_days_are_loaded_and_proven_and_their_settings_given_back(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    assert loads(run) == {f"load[{number}]": "success" for number in range(4)}
    assert {task for task, state in run.tasks.items() if state == "skipped"} == {"redrive", "settle"}
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]
    assert run.result("report")["loaded"] == {"read": 160, "created": 160, "existed": 0, "filtered": 0, "dead": 0}
    assert run.result("report")["verdict"].startswith("Proven: 160 events read = 160 created")
    assert archive.settings().get("refresh_interval") != "-1"


def test_a_day_is_loaded_for_its_bounds_in_the_zone_of_the_dataset(
    make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str, run_backfill: RunDag
) -> None:
    intake = {"source": f"s3://{bucket}/logs/", "parser": "json"}
    stream = make_stream(intake=intake, time_zone="America/New_York")
    define(stream.dataset)
    archive = Archive(stream, s3, bucket)
    archive.fill(DAY)
    archive.fill(NEXT)
    run = run_backfill(archive.dataset, from_day=str(DAY), to_day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert archive.documents(DAY) == 80  # from 04:00 to 04:00 UTC, at 80 events a day
    assert not archive.stream.exists(NEXT)


def test_then_condense_gives_the_days_a_history(archive: Archive, run_backfill: RunDag) -> None:
    run = run_backfill(archive.dataset, **LOADED, then="condense")
    assert run.state == "success"
    assert [run.result(f"settle[{n}]")["outcome"] for n in range(2)] == ["condensed", "condensed"]
    assert sum(row["transform._doc_count"] for row in archive.stream.rows(DAY).values()) == 160
    assert archive.stream.exists(DAY)
    assert run.result("report")["settled"] == {"condensed": 2}


def test_then_condense_and_drop_keeps_the_history_alone(archive: Archive, run_backfill: RunDag) -> None:
    run = run_backfill(archive.dataset, **LOADED, then="condense_and_drop")
    assert run.state == "success"
    assert [run.result(f"settle[{n}]")["outcome"] for n in range(2)] == ["dropped", "dropped"]
    assert sum(row["transform._doc_count"] for row in archive.stream.rows(DAY).values()) == 160
    assert not archive.stream.exists(DAY)
    assert not archive.stream.exists(NEXT)


def test_a_day_that_cannot_be_settled_fails_alone(archive: Archive, run_backfill: RunDag) -> None:
    archive.stream.fill(DAY, count=300)
    archive.stream.condense(DAY)
    archive.stream.client.indices.delete(index=archive.dataset.raw_index(DAY))
    run = run_backfill(archive.dataset, **LOADED, then="condense")
    assert run.state == "failed"
    assert (run.tasks["settle[0]"], run.tasks["settle[1]"]) == ("failed", "success")
    assert archive.documents(DAY) == 80


def test_the_same_days_again_are_proven_again_and_nothing_is_doubled(archive: Archive, run_backfill: RunDag) -> None:
    run_backfill(archive.dataset, **LOADED)
    again = run_backfill(archive.dataset, **LOADED)
    assert again.state == "success"
    assert again.result("plan") == []
    assert again.tasks["load"] == "skipped"
    assert again.tasks["prove"] == "success"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


def test_a_raw_day_that_was_deleted_is_loaded_again(archive: Archive, run_backfill: RunDag) -> None:
    run_backfill(archive.dataset, **LOADED)
    archive.stream.client.indices.delete(index=archive.dataset.raw_index(DAY))
    assert run_backfill(archive.dataset, **LOADED).state == "success"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


def test_a_batch_that_fails_fails_the_run_after_the_others_are_loaded(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    lost = f"logs/{DAY:%Y/%m/%d}/06/part.gz"
    after_plan(monkeypatch, lambda: archive.drop(lost))
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "failed"
    assert loads(run) == {"load[0]": "failed", "load[1]": "success", "load[2]": "success", "load[3]": "success"}
    assert run.tasks["restore"] == "success"
    assert run.tasks["prove"] == "failed"
    assert run.tasks["settle"] == "upstream_failed"
    assert run.tasks["report"] == "failed"
    assert run.tries("load[0]") == 1  # an object that is gone does not come back by itself
    assert [archive.documents(day) for day in (DAY, NEXT)] == [60, 80]
    assert archive.settings().get("refresh_interval") != "-1"


def test_what_failed_is_loaded_by_the_next_run(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"logs/{DAY:%Y/%m/%d}/06/part.gz"
    with monkeypatch.context() as once:
        after_plan(once, lambda: archive.put(key, measurements(DAY, count=80)[20:40] + measurements(DAY, 5, seed=7)))
        assert run_backfill(archive.dataset, **LOADED).state == "failed"
    assert run_backfill(archive.dataset, **LOADED).state == "success"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [85, 80]


def test_settings_are_given_back_even_if_every_batch_fails(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.stream.create(DAY)
    archive.stream.client.indices.put_settings(
        index=archive.dataset.raw_index(DAY), body={"index.refresh_interval": "7s"}
    )

    def fail(*_: Any) -> None:
        assert archive.settings()["refresh_interval"] == "-1"
        raise ValueError("a bug of ours")

    monkeypatch.setattr(LoadOperator, "execute", fail)
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "failed"
    assert run.tasks["restore"] == "success"
    assert archive.settings()["refresh_interval"] == "7s"


def test_records_that_cannot_be_loaded_are_told_and_loaded_by_a_redrive(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    events = measurements(DAY, count=3)
    archive.put(f"logs/{DAY:%Y/%m/%d}/07/part.gz", [*events, {**events[0], "@timestamp": "half past nine"}])
    run = run_backfill(archive.dataset, **LOADED)
    assert run.result("report")["loaded"]["dead"] == 1
    assert len(archive.dead_letters()) == 1
    assert "Records that could not be loaded: 1" in capsys.readouterr().out
    dry = run_backfill(archive.dataset, redrive=True)
    assert dry.state == "success"
    assert dry.tasks["plan"] == "skipped"
    assert dry.result("redrive")["records"] == 1
    assert len(archive.dead_letters()) == 1


def test_a_batch_is_labelled_with_when_and_how_much(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    run = run_backfill(archive.dataset, **LOADED)
    assert run.label("load[0]").startswith("2024-05-06 00:00 .. 2024-05-06 06:00, 2 objects")
    assert run.label("load[3]").startswith("2024-05-07 12:00 .. 2024-05-07 18:00, 2 objects")


WRONG = {
    "no days": ({}, "from_day and to_day say what to load"),
    "one day": ({"from_day": str(DAY)}, "from_day and to_day say what to load"),
    "days exchanged": ({"from_day": str(NEXT), "to_day": str(DAY)}, "is later than to_day 2024-05-06; exchange them"),
    "misspelt param": ({**RANGE, "dryrun": False}, "dryrun: this DAG has no such param."),
    "no S3 URL": ({**RANGE, "source": "archive/2024"}, "is no S3 URL"),
    "redrive of days": ({**RANGE, "redrive": True}, "redrive loads all dead letters"),
    "days to come": ({"from_day": "2124-05-06", "to_day": "2124-05-06", "dry_run": False}, "is in the future"),
}


@pytest.mark.parametrize(("conf", "sentence"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(
    conf: dict[str, Any], sentence: str, archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_backfill(archive.dataset, **conf)
    assert run.state == "failed"
    assert run.tasks["read_form"] == "failed"
    assert run.tasks["plan"] == "upstream_failed"
    assert run.tasks["report"] == "failed"
    assert sentence in capsys.readouterr().out
    assert not archive.stream.exists(DAY)


@pytest.mark.parametrize("conf", [{"dataset": "nope"}, {"then": "delete"}, {"most_batches": 1025}, {"to_day": "May"}])
def test_what_the_form_does_not_offer_is_refused_before_a_run_begins(
    conf: dict[str, Any], archive: Archive, run_backfill: RunDag
) -> None:
    with pytest.raises(ParamValidationError):
        run_backfill(archive.dataset, **{**RANGE, **conf})


def after_plan(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen between the plan and the load."""
    execute = PlanOperator.execute

    def execute_then(self: PlanOperator, context: Any) -> Any:
        planned = execute(self, context)
        happens()
        return planned

    monkeypatch.setattr(PlanOperator, "execute", execute_then)
