"""Notes of complete levels: they hold with the mark of the rows that they were merged from, and no longer."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest

from opensearch_strata.history.month.level_notes import (
    LevelNote,
    complete_levels,
    complete_month,
    marks_version,
    noted,
    noted_anew,
)
from opensearch_strata.history.month.marks import Mark, marks_in

DAY, OTHER = date(2013, 1, 5), date(2013, 1, 6)
MARK = Mark(10, "uuid", "fingerprint", "month/3/6/3")
NOTE = LevelNote("month/3/6/3", {"1h": "levels/24/1/2", "1d": "levels/1/1/1"}, (50, 99.9))


def meta_of(marks: dict[date, Mark], **more: Any) -> dict[str, Any]:
    return {"dataset": "t", "verified": {f"{day}": asdict(mark) for day, mark in marks.items()}, **more}


def test_a_note_holds_with_the_mark_of_its_rows() -> None:
    meta = noted(meta_of({DAY: MARK, OTHER: MARK}), {DAY: NOTE}, None)
    assert complete_levels(meta) == {DAY: NOTE}
    anew = {**meta, **meta_of({DAY: replace(MARK, rows_version="month/3/9/4")})}
    assert complete_levels(anew) == {}
    assert complete_levels({**meta, "verified": {}}) == {}


def test_the_note_of_a_month_holds_as_long_as_all_marks_stay() -> None:
    marks = {DAY: MARK, OTHER: MARK}
    note = LevelNote(marks_version(marks), {"1M": "levels/1/5/5"})
    meta = noted(meta_of(marks), {}, note)
    assert complete_month(meta) == note
    for other in ({DAY: MARK}, {**marks, date(2013, 1, 7): MARK}, {**marks, DAY: replace(MARK, rows_version="v")}):
        assert complete_month({**meta, **meta_of(other)}) is None


@pytest.mark.parametrize(
    "said",
    [
        None,
        1,
        [],
        {},
        {"of": "v"},
        {"of": 1, "versions": {"1h": "v"}, "quantiles": []},
        {"of": "v", "versions": {"1h": 1}, "quantiles": []},
        {"of": "v", "versions": {"1h": "v"}, "quantiles": ["50"]},
        {"of": "v", "versions": {"1h": "v"}},
    ],
)
def test_what_is_no_note_is_as_good_as_lost(said: Any) -> None:
    spelled = noted({}, {DAY: NOTE}, None)["level_contents"]
    (digest,) = spelled  # without it, nothing at all would be a note
    said = {**said, "contents": digest} if isinstance(said, dict) else said
    marks = {DAY: replace(MARK, rows_version="v")}
    meta = meta_of(marks, levels={f"{DAY}": said, "2013-01": said}, month_levels=said, level_contents=spelled)
    assert complete_levels(meta) == {}
    assert complete_month(meta) is None
    assert complete_levels(meta_of({DAY: MARK}, levels=said)) == {}


@pytest.mark.parametrize("spelled", [None, 1, {}, "lost", "changed", "no lists"])
def test_a_note_whose_contents_are_not_what_they_were_is_as_good_as_lost(spelled: Any) -> None:
    note = replace(NOTE, contents={"load": ["count", "sum"]})
    marks = {DAY: MARK}
    meta = noted(meta_of(marks), {DAY: note}, LevelNote(marks_version(marks), {"1M": "v"}, contents=note.contents))
    assert complete_levels(meta) == {DAY: note}
    assert complete_month(meta)
    (digest,) = meta["level_contents"]
    others = {"lost": {"0": note.contents}, "changed": {digest: {"load": ["count"]}}, "no lists": {digest: {"load": 1}}}
    meta["level_contents"] = others.get(spelled, spelled) if isinstance(spelled, str) else spelled
    assert complete_levels(meta) == {}
    assert complete_month(meta) is None


def test_notes_go_with_the_very_rows_to_another_index() -> None:
    stale = replace(MARK, rows_version="month/9/9/9")
    before = meta_of({DAY: MARK, OTHER: stale})
    before = noted(before, {DAY: NOTE, OTHER: NOTE}, LevelNote(marks_version(marks_in(before)), {"1M": "levels/1/5/5"}))
    marks = {DAY: replace(MARK, rows_version="new/3/3/2"), OTHER: stale}
    after = noted_anew(before, {**before, **meta_of(marks)})
    assert complete_levels(after) == {DAY: replace(NOTE, of="new/3/3/2")}
    month = complete_month(after)
    assert month
    assert (month.of, month.versions) == (marks_version(marks), {"1M": "levels/1/5/5"})


def test_notes_replace_those_of_before_and_nothing_else() -> None:
    meta = noted(meta_of({DAY: MARK}, same_rows={}), {DAY: NOTE}, LevelNote("m", {"1M": "v"}))
    assert noted(meta, {}, None) == meta_of({DAY: MARK}, same_rows={})
