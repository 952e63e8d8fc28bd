"""Which source answers what, decided from what exists."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.mapping import month_meta
from opensearch_strata.history.marks import Mark
from opensearch_strata.history.reading.plan import Plan, make_plan
from opensearch_strata.history.reading.question import Question, milliseconds
from opensearch_strata.history.reading.sources import Contents, MonthSource, RawSource, Sources
from opensearch_strata.history.sketch import step_of
from tests.streams import dataset_of

DATASET = dataset_of("t")
MAY = date(2024, 5, 1)
NOON = milliseconds(datetime(2024, 5, 6, 12, tzinfo=UTC))
DAY_MS = 86_400_000


def raw(day: int, documents: int = 10, uuid: str = "u") -> RawSource:
    begin = milliseconds(datetime(2024, 5, day, tzinfo=UTC))
    contents = Contents(documents, begin, begin + DAY_MS - 1) if documents else Contents(0, None, None)
    return RawSource(DATASET.raw_index(MAY.replace(day=day)), MAY.replace(day=day), uuid, contents)


def month(marks: dict[int, Mark] | None = None, number: int = 5, **meta: Any) -> MonthSource:
    begin = milliseconds(datetime(2024, number, 1, tzinfo=UTC))
    verified = {f"2024-{number:02}-{day:02}": asdict(mark) for day, mark in (marks or {}).items()}
    meta = {**month_meta(DATASET), "verified": verified, **meta}
    first = date(2024, number, 1)
    return MonthSource(
        DATASET.month_index(first), first, meta, {"device": "ip"}, Contents(9, begin, begin + 28 * DAY_MS)
    )


def plan(*sources: RawSource | MonthSource, **asked: Any) -> Plan:
    question = {"metrics": ["temperature"], "stats": ["p50"], **asked}
    start, end = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    return make_plan(
        Question.checked(DATASET, start, end, **question),
        Sources(
            [source for source in sources if isinstance(source, RawSource)],
            [source for source in sources if isinstance(source, MonthSource)],
        ),
    )


def test_a_day_is_read_from_history_as_long_as_its_mark_holds() -> None:
    holds = Mark(10, "u", DATASET.fingerprint)
    marks = {
        6: holds,
        7: replace(holds, documents=9),
        8: replace(holds, uuid="other"),
        9: replace(holds, fingerprint="other"),
        11: holds,  # its raw day is gone
    }
    found = plan(*(raw(day) for day in (6, 7, 8, 9, 10)), raw(12, documents=0), month(marks))
    assert [source.day.day for source in found.verified] == [6]
    assert [source.day.day for source in found.raw] == [7, 8, 9, 10]
    assert found.excluded == [DATASET.transform_id(MAY.replace(day=day)) for day in (7, 8, 9, 10)]
    assert found.mark(found.verified[0]) == holds
    assert found.types["device"] == "ip"


def test_months_without_an_event_of_the_span_are_not_asked() -> None:
    assert [source.month.month for source in plan(month(number=4), month(), month(number=6)).months] == [5, 6]


def errors(*stated: float) -> dict[str, Any]:
    return {"metrics": {"temperature": {"relative_errors": list(stated)}}}


@pytest.mark.parametrize(
    ("months", "step"),
    [
        ([], 10),  # of the definition
        ([errors()], 10),
        ([errors(0.02)], 20),
        ([errors(0.005, 0.02), errors(0.01)], 20),
        ([errors(0.02), errors(0.03)], None),
        ([errors(0.02, 0.05)], None),
    ],
)
def test_sketches_are_read_at_the_coarsest_step(months: list[dict[str, Any]], step: int | None) -> None:
    sources = [raw(6), *(month(number=5 + place, **meta) for place, meta in enumerate(months))]
    if step is None:
        with pytest.raises(Refused, match="is no multiple of the others"):
            plan(*sources)
        step = None
        assert plan(*sources, stats=["max"]).steps == {}
        return
    found = plan(*sources)
    assert found.steps == {"temperature": step}
    assert step_of(found.dataset.sketches["temperature"]) == step


def test_scripts_see_what_is_asked_for_alone() -> None:
    assert list(plan(raw(6), metrics=["load"], stats=["sum"]).dataset.metrics) == ["load"]
    assert plan(raw(6), stats=["sum"]).dataset.sketches == {}
    assert plan(raw(6)).dataset.history == DATASET.history


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"bucket": "6h"}, "holds rows of bucket '6h', the definition of 't' says '1h'"),
        ({"dataset": "other"}, "holds rows of dataset 'other'"),
        ({"sketch_version": 1}, "holds rows of sketch_version 1, the definition of 't' says 2"),
        ({"group_by": ["device"]}, "are not grouped by 'site'"),
    ],
)
def test_rows_of_another_shape_are_refused(meta: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        plan(month(**meta), by=["site"])


def test_closed_indices_matter_from_the_first_day_on() -> None:
    question = Question.checked(
        DATASET,
        datetime(2024, 5, 6, 23, tzinfo=UTC),
        datetime(2024, 5, 7, tzinfo=UTC),
        metrics=["load"],
        stats=["sum"],
    )
    day = MAY.replace(day=6)
    sources = Sources([raw(6)], [], [(day.replace(day=5), "It is closed.")])
    assert make_plan(question, sources)
    for later in (day, date(2024, 9, 1)):
        with pytest.raises(Refused, match=r"It is closed. It may hold events from 2024-05-06 on"):
            make_plan(question, Sources(sources.raw, [], [(later, "It is closed.")]))
