"""Which source answers what, decided from what exists."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.month.mapping import month_meta
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.question import Question, milliseconds
from opensearch_strata.history.query.read_plan import ReadPlan, doubtful_days, make_read_plan
from opensearch_strata.history.query.sources.carried import DayRows, MonthDays
from opensearch_strata.history.query.sources.existing import Contents, MonthSource, RawSource, Sources
from opensearch_strata.sketches.ddsketch import step_of
from tests.streams import dataset_of

DATASET = dataset_of("t")
MAY = date(2024, 5, 1)
NOON = milliseconds(datetime(2024, 5, 6, 12, tzinfo=UTC))
DAY_MS = 86_400_000


def raw(day: int, documents: int = 10, uuid: str = "u") -> RawSource:
    begin = milliseconds(datetime(2024, 5, day, tzinfo=UTC))
    contents = Contents(documents, begin, begin + DAY_MS - 1) if documents else Contents(0, None, None)
    return RawSource(DATASET.raw_index(MAY.replace(day=day)), MAY.replace(day=day), uuid, contents)


def rows(documents: int = 10, *sources: str, version: str = "v") -> DayRows:
    return DayRows(documents, 5, version, frozenset(sources), NOON, NOON)


def month(
    marks: dict[int, Mark] | None = None, number: int = 5, days: dict[int, DayRows] | None = None, **meta: Any
) -> MonthSource:
    begin = milliseconds(datetime(2024, number, 1, tzinfo=UTC))
    verified = {f"2024-{number:02}-{day:02}": asdict(mark) for day, mark in (marks or {}).items()}
    meta = {**month_meta(DATASET), "verified": verified, **meta}
    first = date(2024, number, 1)
    carried = {first.replace(day=day): found for day, found in (days or {}).items()}
    return MonthSource(
        DATASET.month_index(first),
        first,
        meta,
        {"device": "ip"},
        Contents(9, begin, begin + 28 * DAY_MS),
        days=MonthDays({day: found.documents for day, found in carried.items()}, carried),
    )


def plan(*sources: RawSource | MonthSource, **asked: Any) -> ReadPlan:
    question = {"metrics": ["temperature"], "stats": ["p50"], **asked}
    start = question.pop("start", datetime(2024, 5, 1, tzinfo=UTC))
    end = datetime(2024, 7, 1, tzinfo=UTC)
    return make_read_plan(
        Question.checked(DATASET, start, end, **question),
        Sources(
            [source for source in sources if isinstance(source, RawSource)],
            [source for source in sources if isinstance(source, MonthSource)],
        ),
    )


def test_a_day_is_read_from_history_as_long_as_its_mark_holds() -> None:
    holds = Mark(10, "u", DATASET.fingerprint, "v")
    marks = {
        6: holds,
        7: replace(holds, documents=9),
        8: replace(holds, fingerprint="other"),
        9: replace(holds, rows_version="other"),  # the rows were written again, and nobody has proven these
        11: holds,  # its raw day is gone
        13: replace(holds, rows_version=""),  # of before
        14: holds,  # rows are missing
        15: holds,  # there are none
    }
    carried = {**dict.fromkeys((6, 7, 8, 9, 10, 13), rows()), 14: rows(8)}
    found = plan(*(raw(day) for day in (6, 7, 8, 9, 10, 13, 14, 15)), raw(12, documents=0), month(marks, days=carried))
    assert [source.day.day for source in found.verified] == [6, 13]
    assert [source.day.day for source in found.raw] == [7, 8, 9, 10, 14, 15]
    assert found.excluded == [DATASET.transform_id(MAY.replace(day=day)) for day in (7, 8, 9, 10, 14, 15)]
    assert set(found.trusted) == {MAY.replace(day=day) for day in (6, 13)}
    assert found.types["device"] == "ip"


OWN, FOREIGN = rows(10, "u"), rows(10, "gone")


@pytest.mark.parametrize(
    ("documents", "carried", "loaded", "read", "note"),
    [
        (10, OWN, False, "raw", ""),  # condensed and not yet proven
        (11, OWN, False, "raw", ""),  # late documents
        (9, OWN, False, "history", "t-2024.05.06 holds 9 documents, fewer than the 10 that its history carries"),
        (9, rows(10), False, "history", "fewer than the 10"),  # nobody knows where the rows came from
        (11, rows(10), False, "raw", ""),
        (0, OWN, False, "history", "t-2024.05.06 is empty, so its history is read."),
        (0, None, False, "", ""),
        (1, FOREIGN, False, "both", "was recreated: its 1 document and the 10 that its history carries are added up."),
        (99, FOREIGN, False, "both", "its 99 documents and the 10 that"),
        (99, rows(10, "gone", "u"), False, "raw", ""),  # being condensed over rows that it contains
        (9, rows(10, "gone", "u"), False, "history", "fewer than the 10"),
        (
            9,
            FOREIGN,
            True,
            "history",
            "was recreated by a load and holds 9 documents, while its history carries 10: the one",
        ),
        (11, FOREIGN, True, "raw", r"the one with more is read \(raw\)"),
    ],
)
def test_nothing_is_left_out_of_a_day_that_is_not_the_proven_one(
    documents: int, carried: DayRows | None, loaded: bool, read: str, note: str
) -> None:
    source = replace(raw(6, documents), loaded=loaded)
    found = plan(source, month(days={6: carried} if carried else {}))
    from_raw = bool(found.raw)
    from_history = bool(carried) and not found.excluded
    assert {"raw": from_raw, "history": from_history} == {
        "raw": read in ("raw", "both"),
        "history": read in ("history", "both"),
    }
    assert len(found.notes) == bool(note)
    assert re.search(note, "".join(found.notes))


def test_a_day_made_anew_with_all_that_its_rows_carry_is_read_instead_of_them() -> None:
    sources = Sources([raw(6), raw(7, 9), raw(8)], [month(days={6: FOREIGN, 7: FOREIGN, 8: OWN})])
    assert [source.day.day for source in doubtful_days(sources)] == [6]
    question = Question.checked(
        DATASET, datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC), metrics=["load"], stats=["sum"]
    )
    found = make_read_plan(question, sources, {MAY.replace(day=6)})
    assert found.joined == {MAY.replace(day=7)}
    assert found.excluded == [DATASET.transform_id(MAY.replace(day=day)) for day in (6, 8)]
    assert "t-2024.05.06 was recreated and holds everything that its history carries: the raw day is read." in (
        found.notes
    )


def test_a_day_that_is_being_loaded_is_named() -> None:
    found = plan(replace(raw(6), loaded=True, loading=True))
    assert found.notes == ["t-2024.05.06 is being loaded, so it may be incomplete."]


def test_the_mark_tells_where_older_rows_came_from() -> None:
    marked = Mark(10, "gone", DATASET.fingerprint)
    found = plan(raw(6, 1), month({6: marked}, days={6: rows(10)}))
    assert found.joined == {MAY.replace(day=6)}


def test_without_a_look_into_its_month_a_mark_is_what_is_known_of_rows() -> None:
    asked = replace(month({6: Mark(1_000_000, "gone", DATASET.fingerprint)}), days=None)
    found = plan(raw(6, 1), asked)
    assert (found.joined, found.excluded) == ({MAY.replace(day=6)}, [])


def test_history_without_a_proof_or_with_less_than_was_proven_is_named() -> None:
    holds = Mark(10, "u", DATASET.fingerprint)
    days = {6: rows(10), 7: rows(9), 8: rows(10), 9: rows(10)}
    found = plan(raw(9), month({6: holds, 7: holds, 10: holds}, days=days))
    assert found.notes == [
        "The history of 2024-05-07 carries 9 of 10 proven documents, and its raw day is gone.",
        "The history of 2024-05-10 carries 0 of 10 proven documents, and its raw day is gone.",
        "No proof is recorded that the history of 2024-05-08 is complete, and its raw day is gone.",
    ]
    many = plan(month(days=dict.fromkeys(range(1, 29), rows(10))))
    assert "the history of 2024-05-01, 2024-05-02, 2024-05-03 and 25 more days is complete" in many.notes[0]


def test_many_days_at_odds_are_a_few_sentences() -> None:
    days = dict.fromkeys(range(1, 29), FOREIGN)
    found = plan(*(raw(day, 1) for day in days), month(days=days))
    assert len(found.notes) == 4
    assert found.notes[3] == "History is at odds with 25 more raw days, 2024-05-04 to 2024-05-28."


def test_days_beyond_the_span_are_not_spoken_of() -> None:
    found = plan(
        raw(6, 1), month(days={6: FOREIGN, 7: rows(3)}), month(number=6), start=datetime(2024, 6, 1, tzinfo=UTC)
    )
    assert found.notes == []


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
    sources: list[Any] = [raw(6), *(month(number=5 + place, **meta) for place, meta in enumerate(months))]
    if step is None:
        with pytest.raises(Refused, match="is not a multiple of the others"):
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
        ({"bucket": "6h"}, "holds rows with bucket '6h', but the definition of 't' has '1h'"),
        ({"dataset": "other"}, "holds rows with dataset 'other'"),
        ({"sketch_version": 1}, "holds rows with sketch_version 1, but the definition of 't' has 2"),
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
    assert make_read_plan(question, sources)
    for later in (day, date(2024, 9, 1)):
        with pytest.raises(Refused, match=r"It is closed. It may hold events from 2024-05-06 on"):
            make_read_plan(question, Sources(sources.raw, [], [(later, "It is closed.")]))
