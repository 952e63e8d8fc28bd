"""``archive_backfill`` as Airflow runs it: states of the run and its tasks, and what is in the indices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.schedule import Cycle
from opensearch_strata.errors import Refused
from tests.dags.archives import Archive, small_batches
from tests.dags.conftest import RunDag
from tests.servers.sns import Topic
from tests.streams import DAY, StreamFactory, measurements

NEXT = DAY + timedelta(days=1)
RANGE = {"from_day": str(DAY), "to_day": str(NEXT)}
LOADED = {**RANGE, "dry_run": False}


def test_a_run_by_hand_is_dry_until_told_otherwise(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_backfill(archive.dataset, **RANGE)
    assert run.state == "success"
    assert {task for task, state in run.tasks.items() if state == "success"} == {"read_form", "plan", "report"}
    assert {task for task, state in run.tasks.items() if state == "skipped"} == {
        *("prepare", "load", "restore", "prove", "settle", "redrive")
    }
    assert run.result("plan") == []
    assert run.result("report")["planned"]["objects"] == 8
    assert run.result("report")["verdict"].endswith("Dry run: nothing was loaded. Switch off dry_run to load it.")
    assert not archive.stream.exists(DAY)
    log = capsys.readouterr().out
    assert "8 objects" in log
    assert "estimated documents" in log


def test_a_dry_run_that_finds_nothing_says_so_and_a_run_that_loads_fails(
    archive: Archive, run_backfill: RunDag
) -> None:
    days = {"from_day": "2024-01-01", "to_day": "2024-01-01"}
    dry = run_backfill(archive.dataset, **days)
    assert (dry.state, dry.tasks["plan"]) == ("success", "success")
    assert dry.result("report")["verdict"].startswith("There are no objects to load for 2024-01-01. Listed: s3://")
    assert run_backfill(archive.dataset, **days, dry_run=False).tasks["plan"] == "failed"


def test_days_are_loaded_and_proven_and_their_settings_given_back(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    assert [run.tasks[f"load[{number}]"] for number in range(4)] == ["success"] * 4
    assert {task for task, state in run.tasks.items() if state == "skipped"} == {"redrive", "settle"}
    assert run.label("load[0]").startswith("2024-05-06 06:00 .. 2024-05-06 12:00, 2 objects")
    assert run.label("load[3]").startswith("2024-05-07 18:00 .. 2024-05-08 00:00, 2 objects")
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]
    assert archive.refresh_interval() is None
    assert (run.result("prepare"), run.result("restore")) == ({"created": 2}, {"removed": 0})
    for task in ("prepare", "load[0]", "restore", "prove"):
        assert run.result(task, key="_link_RawDaysLink").endswith(f"/_cat/indices/{archive.dataset.name}-*?v&s=index")
    with pytest.raises(Refused, match="the plan was forgotten"):
        archive.batch_of(run, 0)
    report = run.result("report")
    counts = {"read": 160, "created": 160, "existed": 0, "filtered": 0, "dead": 0, "unwanted": 0}
    assert report["proof"]["counts"] == counts
    assert report["verdict"].startswith("Proven: 160 events read = 160 created")


def test_days_are_those_of_the_zone_of_the_dataset(
    make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str, run_backfill: RunDag
) -> None:
    stream = make_stream(intake={"source": f"s3://{bucket}/logs/"}, time_zone="America/New_York")
    define(stream.dataset)
    archive = Archive(stream, s3, bucket)
    archive.fill(DAY)
    archive.fill(NEXT)
    run = run_backfill(archive.dataset, from_day=str(DAY), to_day=str(DAY), dry_run=False)
    assert run.state == "success"
    begins = sum(event["@timestamp"] < "2024-05-06T04" for event in measurements(DAY, count=80))
    ends = sum(event["@timestamp"] < "2024-05-07T04" for event in measurements(NEXT, count=80))
    assert archive.documents(DAY) == 80 - begins + ends
    assert not archive.stream.exists(NEXT)


@pytest.mark.long
def test_then_condense_gives_the_days_a_history(archive: Archive, run_backfill: RunDag) -> None:
    run = run_backfill(archive.dataset, **LOADED, then="condense")
    assert run.state == "success"
    assert [run.result(f"settle[{n}]")["outcome"] for n in range(2)] == ["condensed", "condensed"]
    assert run.label("settle[1]") == str(NEXT)
    assert sum(row["transform._doc_count"] for row in archive.stream.rows(DAY).values()) == 160
    assert archive.stream.exists(DAY)
    assert run.result("report")["settled"] == {"condensed": 2}


def test_then_condense_and_drop_keeps_the_history_alone(archive: Archive, run_backfill: RunDag) -> None:
    run = run_backfill(archive.dataset, **LOADED, then="condense_and_drop")
    assert run.state == "success"
    assert run.result("report")["verdict"].endswith("Days dropped: 2.")
    assert sum(row["transform._doc_count"] for row in archive.stream.rows(DAY).values()) == 160
    assert not archive.stream.exists(DAY)
    assert not archive.stream.exists(NEXT)


@pytest.mark.long
def test_the_same_days_again_are_settled_and_nothing_is_doubled(archive: Archive, run_backfill: RunDag) -> None:
    run_backfill(archive.dataset, **LOADED)
    again = run_backfill(archive.dataset, **LOADED, then="condense")
    assert again.state == "success"
    assert again.result("plan") == []
    assert (again.tasks["load"], again.tasks["prove"]) == ("skipped", "success")
    assert again.result("report")["verdict"].startswith("Proven: 160 events read")
    assert again.result("report")["settled"] == {"condensed": 2}
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


@pytest.mark.long
def test_a_raw_day_that_was_deleted_is_loaded_again(archive: Archive, run_backfill: RunDag) -> None:
    run_backfill(archive.dataset, **LOADED)
    archive.stream.client.indices.delete(index=archive.dataset.raw_index(DAY))
    assert run_backfill(archive.dataset, **LOADED).state == "success"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


@pytest.mark.long
def test_records_that_cannot_be_loaded_are_told_and_loaded_by_a_redrive_when_that_is_mended(
    archive: Archive, run_backfill: RunDag, define: Callable[[Dataset], None], capsys: pytest.CaptureFixture[str]
) -> None:
    event = measurements(DAY, count=1)[0]
    event["when"] = event.pop("@timestamp")
    archive.put(archive.key(DAY, 0), [*measurements(DAY, count=80)[:20], event])
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    assert run.result("report")["proof"]["counts"]["dead"] == 1
    assert "1 record could not be loaded, see s3://" in capsys.readouterr().out
    unchanged = run_backfill(archive.dataset, redrive=True, dry_run=False)
    assert (unchanged.state, unchanged.tasks["redrive"]) == ("failed", "failed")
    mended = archive.dataset.intake.model_copy(update={"rename": {"when": "@timestamp"}})
    define(archive.dataset.model_copy(update={"intake": mended}))
    dry = run_backfill(archive.dataset, redrive=True)
    assert dry.tasks["plan"] == "skipped"
    assert dry.result("report")["verdict"].startswith("1 of 1 dead letter can probably be loaded")
    assert len(archive.dead_letters()) == 1
    redriven = run_backfill(archive.dataset, redrive=True, dry_run=False)
    assert redriven.result("report")["redriven"]["created"] == 1
    assert archive.dead_letters() == []


def test_dead_letters_beyond_a_share_are_told_and_what_they_hold_stays_data(
    archive: Archive,
    run_backfill: RunDag,
    define: Callable[[Dataset], None],
    notify: dict[str, Any],
    topic: Topic,
) -> None:
    cycle = Cycle.model_validate({**archive.dataset.cycle.model_dump(exclude_unset=True), "notify": notify})
    define(archive.dataset.model_copy(update={"cycle": cycle}))
    hostile = "{{ 7 * 7 }}\r\nBcc: everybody@example.com\r\n\r\n\x1b[2J password=hunter2"
    dead = [{**event, "temperature": hostile} for event in measurements(DAY, count=5)]
    archive.put(archive.key(DAY, 0), [*measurements(DAY, count=80)[:20], *dead])
    assert run_backfill(archive.dataset, **LOADED).state == "success"
    (told,) = topic.received()
    assert told.subject == f"Strata: {archive.dataset.name}: 5 of 165 events became dead letters"
    sentence, cure, link = told.paragraphs
    assert sentence.startswith("5 of 165 events could not be loaded, 3.0%. ")
    assert "temperature" in sentence
    assert not {"\r", "\x1b", "49", "hunter2"} & {*told.text, *told.text.replace("=", " ").split()}
    assert cure.endswith(f"run `strata redrive {archive.dataset.name} --apply`.")
    assert "/dags/archive_backfill/runs/" in link


@pytest.mark.long
def test_another_source_is_loaded_beside_the_one_of_the_dataset(archive: Archive, run_backfill: RunDag) -> None:
    archive.put(f"copy/{DAY:%Y/%m/%d}/05/part.gz", measurements(DAY, count=7, seed=3))
    source = f"s3://{archive.bucket}/copy/"
    run = run_backfill(archive.dataset, **LOADED, source=source)
    assert run.state == "success"
    assert archive.documents(DAY) == 7


WRONG = {
    "misspelt param": ({**RANGE, "dryrun": False}, "dryrun: this DAG has no such param."),
    "no days": ({}, "from_day and to_day say what to load"),
    "days to come": ({"from_day": "2124-05-06", "to_day": "2124-05-06", "dry_run": False}, "is in the future"),
}


@pytest.mark.parametrize(("conf", "sentence"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(
    conf: dict[str, Any], sentence: str, archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_backfill(archive.dataset, **conf)
    assert run.state == "failed"
    assert (run.tasks["read_form"], run.tasks["report"]) == ("failed", "failed")
    assert {run.tasks[task] for task in ("plan", "prepare", "restore", "redrive")} == {"upstream_failed"}
    assert sentence in capsys.readouterr().out
    assert run.tries("read_form") == 1


@pytest.mark.parametrize("conf", [{"dataset": "nope"}, {"then": "delete"}, {"max_batches": 1025}, {"to_day": "May"}])
def test_what_the_form_does_not_offer_is_refused_before_a_run_begins(
    conf: dict[str, Any], archive: Archive, run_backfill: RunDag
) -> None:
    with pytest.raises(ParamValidationError):
        run_backfill(archive.dataset, **{**RANGE, **conf})
