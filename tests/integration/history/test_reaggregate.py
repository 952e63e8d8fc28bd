"""History after a change of the definition: rebuilt from what is still raw, the rest told."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history import reaggregate as module
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.reaggregate import Rebuilt, reaggregate
from opensearch_strata.history.verify.verify import verify
from tests.shell import Shell
from tests.streams import DAY, Stream, definition_of

DAYS = [DAY + timedelta(days=offset) for offset in range(3)]
METRICS: dict[str, Any] = definition_of("t")["metrics"]
POWER = {"field": "load", "stats": ["min", "max", "count"], "distribution": {"relative_error": 0.02}}


def redefined(stream: Stream, **metrics: Any) -> Stream:
    definition = {**stream.dataset.model_dump(mode="json"), "metrics": {**METRICS, **metrics}}
    return Stream(stream.client, type(stream.dataset).model_validate(definition))


def outcomes(stream: Stream, first: date = DAYS[0], last: date = DAYS[-1]) -> list[tuple[date, str]]:
    return [(done.day, done.outcome) for done in reaggregate(stream.client, stream.dataset, first, last)]


@pytest.fixture
def condensed(stream: Stream) -> Stream:
    for day in DAYS:
        stream.condensed(day, count=60)
    return stream


def test_a_new_metric_comes_into_days_that_are_raw(condensed: Stream) -> None:
    condensed.client.indices.delete(index=condensed.dataset.raw_index(DAYS[0]))
    larger = redefined(condensed, power=POWER)
    assert outcomes(larger) == [(DAYS[0], "raw is gone"), (DAYS[1], "rebuilt"), (DAYS[2], "rebuilt")]
    of_day: dict[str, set[str]] = {row["transform._id"]: set() for row in larger.rows().values()}
    for row in larger.rows().values():
        of_day[row["transform._id"]] |= row["metrics"].keys()
    assert [set(of_day[larger.dataset.transform_id(day)]) for day in DAYS] == [
        {"temperature", "load"},
        *[{"temperature", "load", "power"}] * 2,
    ]
    assert verify(larger.client, larger.dataset, DAYS[1]).state == "verified"


@pytest.mark.parametrize(
    "change",
    [
        {"load": {"field": "temperature", "stats": ["sum", "count"]}},
        {"load": {"field": "load", "stats": ["count"]}},
        {"temperature": {**METRICS["temperature"], "distribution": None}},
        {"temperature": {**METRICS["temperature"], "distribution": {"relative_error": 0.05}}},
    ],
    ids=["another field", "fewer statistics", "no distribution", "another error"],
)
def test_metrics_may_mean_something_else(condensed: Stream, change: dict[str, Any]) -> None:
    other = redefined(condensed, **change)
    assert [outcome for _, outcome in outcomes(other)] == ["rebuilt"] * 3
    assert all(verify(other.client, other.dataset, day).state == "verified" for day in DAYS)
    rows = len(other.rows())
    condense(other.client, other.dataset, DAYS[0], engine="search")  # from now on the definition is the month's own
    assert len(other.rows()) == rows


def test_without_being_asked_no_metric_changes_its_meaning(condensed: Stream) -> None:
    other = redefined(condensed, load={"field": "temperature", "stats": ["sum", "count"]})
    before = condensed.rows()
    with pytest.raises(Refused, match=r"metrics\.load\.field: 'load' in the index.*strata reaggregate"):
        condense(other.client, other.dataset, DAY, engine="search")
    assert condensed.rows() == before


def test_rows_of_another_shape_are_kept_and_told(condensed: Stream) -> None:
    definition = condensed.dataset.model_dump(mode="json")
    definition["history"]["bucket"] = "30m"
    other = Stream(condensed.client, type(condensed.dataset).model_validate(definition))
    before = condensed.rows()
    done = list(reaggregate(other.client, other.dataset, DAY, DAY))
    assert done[0].outcome == "kept as it was"
    assert "bucket: '1h' in the index, '30m' in the definition" in done[0].note
    assert condensed.rows() == before


def test_readers_find_every_row_all_the_time(condensed: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = condensed.rows().keys()
    larger = redefined(condensed, power=POWER)
    seen = []

    def looking(*arguments: Any, **options: Any) -> Any:
        run = condense(*arguments, **options)
        seen.append(larger.rows().keys() == rows)
        return run

    monkeypatch.setattr(module, "condense", looking)
    assert [outcome for _, outcome in outcomes(larger)] == ["rebuilt"] * 3
    assert seen == [True] * 3


def test_a_day_that_fails_holds_nobody_up(condensed: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(client: Any, dataset: Any, day: date, **options: Any) -> Any:
        if day == DAYS[1]:
            raise Refused("The disk is full.")
        return condense(client, dataset, day, **options)

    monkeypatch.setattr(module, "condense", failing)
    done = list(reaggregate(condensed.client, condensed.dataset, DAYS[0], DAYS[-1]))
    assert [entry.outcome for entry in done] == ["rebuilt", "kept as it was", "rebuilt"]
    assert done[1] == Rebuilt(DAYS[1], "kept as it was", note="The disk is full.")


def test_days_without_anything_are_told(stream: Stream) -> None:
    assert outcomes(stream, DAY, DAY) == [(DAY, "nothing there")]


def test_an_empty_raw_day_does_not_empty_its_rows(condensed: Stream) -> None:
    condensed.client.delete_by_query(
        index=condensed.dataset.raw_index(DAY), body={"query": {"match_all": {}}}, params={"refresh": "true"}
    )
    before = condensed.rows()
    (done,) = reaggregate(condensed.client, condensed.dataset, DAY, DAY)
    assert (done.outcome, done.note) == ("raw is gone", f"{condensed.dataset.raw_index(DAY)} is empty")
    assert condensed.rows() == before


def test_an_empty_span_is_refused(stream: Stream) -> None:
    with pytest.raises(Refused, match="is empty; let it end"):
        list(reaggregate(stream.client, stream.dataset, DAYS[1], DAYS[0]))


def test_the_command(shell: Shell) -> None:
    stream = shell.stream()
    for day in DAYS:
        stream.condensed(day, count=30)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAYS[0]))
    command = f"reaggregate {stream.dataset.name} --from {DAYS[0]} --to {DAYS[-1]}"
    shown = shell.run(command)
    assert "Rebuilt and proven: 2 of 3 days." in shown.stdout
    assert f"Not rebuilt, as the raw index is gone: {DAYS[0]}. The rows stay as they were" in shown.stdout
    assert f"{DAYS[1]}: rebuilt." in shown.stderr
    value = shell.json(command)
    assert [day["outcome"] for day in value["days"]] == ["raw is gone", "rebuilt", "rebuilt"]
