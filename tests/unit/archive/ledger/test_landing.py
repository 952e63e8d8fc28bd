"""What was loaded counts only as long as it would become the same documents in the same raw indices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opensearch_strata.archive.documents.reading import Landing, reading_of, restoring_of
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.row_documents import row_of, source_of
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.takeover import stale_days, taken_over
from opensearch_strata.connections.removals import Removals
from tests.ledgers import place
from tests.streams import dataset_of

SPAN, NEXT = (1_000, 2_000), (2_000, 3_000)
PLAIN = dataset_of("t")
INDEX = "t-2024.05.06"


def loaded(**definition: Any) -> ObjectRow:
    """The row of an object that was loaded by a definition."""
    reading = reading_of(dataset_of("t", **definition))
    row = ObjectRow(place(), 1, SPAN, "done", counts=Counts(1, 1), days={INDEX: 1}, landing=reading.landing)
    return row_of(source_of("t", row), 1, 1)


@pytest.mark.parametrize(
    ("then", "now", "obsolete"),
    [
        ({}, {}, None),
        ({}, {"raw": {"index": "logs-t-{day}"}}, "names"),
        ({}, {"raw": {"day_format": "%Y%m%d"}}, "names"),
        ({}, {"raw": {"day_format": "%Y.%d.%m"}}, "names"),  # names of the same form, of other days
        ({}, {"raw": {"timestamp": "time"}}, "times"),
        ({}, {"time_zone": "Asia/Kolkata"}, "times"),
        ({}, {"intake": {"log_time_zone": "Asia/Kolkata"}}, "times"),
        ({}, {"intake": {"timestamp_format": "epoch_seconds"}}, "times"),
        ({}, {"intake": {"rename": {"when": "@timestamp"}}}, "times"),
        ({}, {"intake": {"rename": {"@timestamp": "when"}}}, "times"),
        ({}, {"raw": {"index": "logs-t-{day}"}, "time_zone": "Asia/Kolkata"}, "names"),  # nothing is there twice
        ({"intake": {"timestamp_format": ["iso8601"]}}, {"intake": {"timestamp_format": "iso8601"}}, None),
        ({"intake": {"timestamp_format": "iso8601"}}, {"intake": {"timestamp_format": ["iso8601", "rfc2822"]}}, None),
        (
            {"intake": {"timestamp_format": ["iso8601", "rfc2822"]}},
            {"intake": {"timestamp_format": "iso8601"}},
            "times",
        ),
        (
            {"intake": {"timestamp_format": "iso8601"}},
            {"intake": {"timestamp_format": ["rfc2822", "iso8601"]}},
            "times",
        ),
        ({}, {"raw": {"window_days": 9}, "intake": {"queue": "arn:aws:sqs:eu-west-1:123456789012:logs"}}, None),
        ({}, {"intake": {"cast": {"level": "string"}, "rename": {"lvl": "level"}, "parser": "json"}}, None),
    ],
)
def test_what_decides_where_documents_are_is_part_of_a_load(
    then: dict[str, Any], now: dict[str, Any], obsolete: str | None
) -> None:
    source = {"source": "s3://company-logs/logs/"}
    row = loaded(**{**then, "intake": source | then.get("intake", {})})
    reading = reading_of(dataset_of("t", **{**now, "intake": source | now.get("intake", {})}))
    assert row.obsolete(SPAN, reading) == obsolete
    assert row.is_done_for(SPAN, reading) == bool(row.loaded_for(SPAN, reading)) == (obsolete is None)
    assert row.is_done_for(SPAN)


def test_a_row_from_before_that_was_kept_is_judged_by_the_names_of_its_raw_days() -> None:
    row = replace(loaded(), landing=None)
    assert "landing" not in source_of("t", row)
    assert row.obsolete(SPAN, reading_of(PLAIN)) is None
    assert row.obsolete(SPAN, reading_of(dataset_of("t", raw={"index": "logs-t-{day}"}))) == "names"
    assert replace(row, days={}).obsolete(SPAN, reading_of(dataset_of("t", raw={"index": "logs-t-{day}"}))) is None


def test_a_restore_and_a_load_by_the_times_of_documents_do_not_stand_for_each_other() -> None:
    by_times, restored = loaded(), replace(loaded(), landing=restoring_of(PLAIN).landing)
    assert by_times.obsolete(SPAN, restoring_of(PLAIN)) == "names"
    assert restored.obsolete(SPAN, reading_of(PLAIN)) == "names"
    assert restored.obsolete(SPAN, restoring_of(PLAIN)) is None
    assert restored.obsolete(SPAN, restoring_of(dataset_of("t", raw={"index": "logs-t-{day}"}))) == "names"


def test_a_part_with_other_times_keeps_the_whole_from_being_loaded_again() -> None:
    """It would be read as a whole, and what has another time now would be there twice."""
    reading = reading_of(dataset_of("t", time_zone="Asia/Kolkata"))
    row = loaded()
    assert row.obsolete((SPAN[0], NEXT[1]), reading) == "times"
    assert row.obsolete(NEXT, reading) is None
    row = replace(taken_over(row, NEXT), state="done", landing=reading.landing)
    assert row.obsolete(NEXT, reading) is None
    assert row.is_done_for(NEXT, reading)
    assert row.obsolete((SPAN[0], NEXT[1]), reading) == "times"


def test_loads_of_different_landings_are_not_joined() -> None:
    reading = reading_of(dataset_of("t", time_zone="Asia/Kolkata"))
    row = loaded()
    for number in range(1, 20):
        row = taken_over(row, (1_000 * (number + 1), 1_000 * (number + 2)))
        row = replace(row, state="done", landing=reading.landing)
    assert {load.landing for load in row.finished} == {reading.landing}
    assert not row.is_done_for(SPAN)


def test_a_landing_is_written_as_one_text() -> None:
    for formats in ([], ["iso8601"], ["iso8601", "%d/%b/%Y:%H:%M:%S %z"]):
        landing = reading_of(dataset_of("t", intake={"timestamp_format": formats or None})).landing
        assert Landing.read(landing.text) == landing
        assert len(landing.formats) == len(formats)


BEFORE = Removals("uuid", 3, "history")


@pytest.mark.parametrize(
    ("now", "is_unbroken", "is_reset"),
    [
        (BEFORE, True, False),
        (Removals("uuid", 4, "history"), False, False),
        (Removals("other", 3, "history"), False, False),
        (Removals("uuid", 3, "other"), False, True),
        (Removals("uuid", 2, "history"), False, True),  # operations that were there are gone
        (BEFORE.short(), False, True),  # so are some of which no operation tells
        (Removals("uuid", 3), True, False),  # it is not reported
    ],
)
def test_the_state_of_a_raw_day_is_unbroken_just_if_nothing_of_it_changed(
    now: Removals, is_unbroken: bool, is_reset: bool
) -> None:
    assert now.is_unbroken_since(BEFORE) == is_unbroken
    assert now.is_reset_since(BEFORE) == is_reset
    row = replace(loaded(), removals={INDEX: BEFORE})
    assert stale_days(row, {INDEX: now}) == (set() if is_unbroken else {INDEX})


def test_documents_in_a_raw_day_whose_state_was_not_noted_are_looked_up_once() -> None:
    assert stale_days(loaded(), {INDEX: BEFORE}) == {INDEX}
    assert stale_days(loaded(), {"t-2024.05.07": BEFORE}) == set()
