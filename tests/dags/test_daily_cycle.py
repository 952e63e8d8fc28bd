"""The daily cycle as Airflow runs it: states of the run and its tasks, and what became of the indices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from airflow.sdk.exceptions import ParamValidationError

from opensearch_strata.definition.dataset import Dataset
from tests.dags.conftest import RunDag
from tests.streams import DAY, Stream, StreamFactory

OLDEST = DAY - timedelta(days=3)
OLD = DAY - timedelta(days=2)


@pytest.fixture
def make(make_stream: StreamFactory, define: Callable[[Dataset], None]) -> StreamFactory:
    """Make a dataset with a window of two days that Airflow knows."""

    def make(raw: dict[str, object] | None = None, cycle: dict[str, object] | None = None) -> Stream:
        stream = make_stream(raw={"window_days": 2, **(raw or {})}, cycle=cycle or {}, engine="search")
        define(stream.dataset)
        return stream

    return make


@pytest.fixture
def stream(make: StreamFactory) -> Stream:
    return make()


def test_a_day_is_condensed_and_proven_and_the_expired_one_deleted(stream: Stream, run_dag: RunDag) -> None:
    for day in (OLD, OLD + timedelta(days=1), DAY):
        stream.fill(day)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert set(run.tasks.values()) == {"success"}
    assert "copy_history" not in run.tasks  # the dataset has no archive
    assert [stream.exists(OLD + timedelta(days=n)) for n in range(3)] == [False, True, True]
    report = run.result("report")
    assert report["verified"]
    assert report["raw_documents"] == 240
    assert report["deleted"] == [stream.dataset.raw_index(OLD)]
    assert report["uncondensed"] == [stream.dataset.raw_index(OLD + timedelta(days=1))]


def test_a_run_by_hand_is_dry_until_told_otherwise(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.state == "success"
    assert run.result("retention.retire.delete[0]")["outcome"] == "dry_run"
    assert stream.exists(OLD)
    assert run.result("report")["deleted"] == []


def test_a_dry_run_leaves_even_the_rows_of_expired_days_alone(stream: Stream, run_dag: RunDag) -> None:
    stream.fill(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.state == "success"
    assert run.result("retention.retire.delete[0]")["outcome"] == "dry_run"
    report = run.result("report")
    assert (report["would_delete"], report["kept"]) == ([stream.dataset.raw_index(OLD)], {})
    assert {row["transform._id"] for row in stream.rows(DAY).values()} == {stream.dataset.transform_id(DAY)}


def test_a_day_without_an_index_is_skipped_and_retention_goes_on(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(OLD)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert run.tasks["condense_day.ensure_history"] == "skipped"
    assert run.tasks["condense_day.verify"] == "skipped"
    assert not stream.exists(OLD)
    assert "nothing to condense" in run.result("report")["verdict"]


def test_an_empty_raw_day_is_skipped_and_never_verified(stream: Stream, run_dag: RunDag) -> None:
    stream.create(DAY)
    stream.create(OLD)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.tasks["condense_day.condense"] == "skipped"
    assert run.tasks["retention.retire.prove[0]"] == "skipped"
    assert run.tasks["retention.retire.delete[0]"] == "skipped"
    assert stream.exists(OLD)
    assert not run.result("report")["verified"]


def test_a_required_day_without_an_index_fails_the_run(make: StreamFactory, run_dag: RunDag) -> None:
    run = run_dag(make(raw={"required_daily": True}).dataset, day=str(DAY))
    assert run.state == "failed"
    assert run.tasks["condense_day.ensure_history"] == "failed"
    assert run.tasks["report"] == "failed"


def test_an_expired_day_that_cannot_be_proven_is_kept_and_the_others_go(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(OLDEST)
    identity, row = next(iter(stream.rows(OLDEST).items()))
    stream.put_row(identity, {**row, "transform._doc_count": row["transform._doc_count"] + 1}, OLDEST)
    stream.condensed(OLD)
    stream.fill(DAY)
    question = run_dag(stream.dataset, day=str(DAY))
    assert (question.state, question.tasks["retention.retire.prove[0]"]) == ("success", "skipped")
    report, index = question.result("report"), stream.dataset.raw_index(OLDEST)
    assert (list(report["kept"]), report["would_delete"]) == ([index], [stream.dataset.raw_index(OLD)])
    assert report["kept"][index].startswith(f"{index} differs from its ")
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "failed"
    assert run.tasks["retention.retire.prove[0]"] == "failed"
    assert run.tasks["retention.retire.delete[0]"] == "upstream_failed"
    assert run.tasks["retention.retire.delete[1]"] == "success"
    assert stream.exists(OLDEST)
    assert not stream.exists(OLD)
    assert run.tasks["condense_day.verify"] == "success"


def test_three_missed_days_are_condensed_and_proven_before_they_go(stream: Stream, run_dag: RunDag) -> None:
    missed = [DAY - timedelta(days=n) for n in (4, 3, 2)]
    for day in (*missed, DAY):
        stream.fill(day)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert [stream.exists(day) for day in missed] == [False] * 3
    carried = sum(row["transform._doc_count"] for row in {**stream.rows(missed[0]), **stream.rows(DAY)}.values())
    assert carried == 4 * 240


def test_late_documents_are_condensed_before_their_day_goes(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(OLD)
    stream.fill(OLD, count=7, seed=1)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert run.result("retention.retire.prove[0]")["documents"] == 247
    assert not stream.exists(OLD)


@pytest.mark.parametrize("cycle", [{"delete": False}, {"delete": True}, {"delete": True, "delete_confirmed": "yes"}])
def test_without_a_confirmed_word_a_run_that_would_delete_only_shows_it(
    cycle: dict[str, object], make: StreamFactory, run_dag: RunDag
) -> None:
    stream = make(cycle=cycle)
    stream.condensed(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert run.result("resolve_day")["dry_run"]
    assert stream.exists(OLD)
    report = run.result("report")
    assert (report["deleted"], report["would_delete"]) == ([], [stream.dataset.raw_index(OLD)])
    asked = "put this line below `cycle:`" if cycle["delete"] else "cycle.delete is false"
    assert asked in report["asks"]


def test_the_line_that_a_run_asks_for_lets_the_next_one_delete(
    make: StreamFactory, define: Callable[[Dataset], None], run_dag: RunDag
) -> None:
    stream = make(cycle={"delete": True})
    stream.condensed(OLD)
    asked = run_dag(stream.dataset, day=str(DAY), dry_run=False).result("report")["asks"]
    confirmed = yaml.safe_load(asked.partition(": ")[2])["delete_confirmed"]
    cycle = stream.dataset.cycle.model_copy(update={"delete_confirmed": confirmed})
    define(stream.dataset.model_copy(update={"cycle": cycle}))
    assert run_dag(stream.dataset, day=str(DAY), dry_run=False).result("report")["deleted"]
    assert not stream.exists(OLD)


def test_days_that_can_never_go_keep_no_day_behind_them_waiting(make: StreamFactory, run_dag: RunDag) -> None:
    stream = make(cycle={"max_deletes_per_run": 1})
    for ago in (6, 5):
        stream.create(DAY - timedelta(days=ago))  # empty: proves nothing, ever
    stream.condensed(OLDEST)
    stream.condensed(OLD)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    outcomes = sorted(run.tasks[f"retention.retire.delete[{number}]"] for number in range(4))
    assert outcomes == ["skipped"] * 3 + ["success"]
    assert sorted(stream.exists(day) for day in (OLDEST, OLD)) == [False, True]  # one, as it may, and the other waits
    assert sorted(run.result("report")["kept"].values())[-1].startswith("waits for another run: this one may delete 1 ")


def test_what_only_looks_like_a_raw_day_ends_no_run(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(OLD)
    stream.fill(DAY)
    stream.create(index=f"{stream.dataset.name}-rollup")
    stream.client.indices.close(index=stream.create(index=f"{stream.dataset.name}-old"))
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert run.result("report")["verified"]
    assert not stream.exists(OLD)


def test_the_same_day_again_gives_the_same_rows(stream: Stream, run_dag: RunDag) -> None:
    stream.fill(DAY)
    run_dag(stream.dataset, day=str(DAY))
    rows = stream.rows(DAY)
    assert run_dag(stream.dataset, day=str(DAY)).state == "success"
    assert stream.rows(DAY) == rows


def test_a_poorer_raw_day_is_refused_until_a_person_says_so(stream: Stream, run_dag: RunDag) -> None:
    stream.condensed(DAY)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.fill(DAY, count=100)
    refused = run_dag(stream.dataset, day=str(DAY))
    assert refused.state == "failed"
    assert sum(row["transform._doc_count"] for row in stream.rows(DAY).values()) == 240
    redefined = run_dag(stream.dataset, day=str(DAY), redefine=True)  # says nothing about less
    assert redefined.state == "failed"
    assert sum(row["transform._doc_count"] for row in stream.rows(DAY).values()) == 240
    told = run_dag(stream.dataset, day=str(DAY), allow_poorer=True)
    assert told.state == "success"
    assert sum(row["transform._doc_count"] for row in stream.rows(DAY).values()) == 100


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"day": "today"},
        {"day": "2124-05-06", "dry_run": False},
        {"day": str(DAY), "dryrun": False},
    ],
    ids=["no day", "today", "the future", "misspelt param"],
)
def test_a_run_that_names_no_sound_day_changes_nothing(
    conf: dict[str, object], stream: Stream, run_dag: RunDag
) -> None:
    stream.condensed(OLD)
    today = str(datetime.now(UTC).date())  # not that of the tests' beginning
    run = run_dag(stream.dataset, **{key: today if value == "today" else value for key, value in conf.items()})
    assert run.state == "failed"
    assert run.tasks["resolve_day"] == "failed"
    assert run.tasks["retention.list_expired"] == "upstream_failed"
    assert stream.exists(OLD)


def test_what_is_no_date_is_refused_before_a_run_begins(stream: Stream, run_dag: RunDag) -> None:
    with pytest.raises(ParamValidationError, match="'2024-5-6' is not a 'date'"):
        run_dag(stream.dataset, day="2024-5-6")
