"""Rows of the ledger: written down and read back, counted, covered, taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opensearch_strata.archive.causes import Cause
from opensearch_strata.archive.documents.reading import Landing
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts, Loaded, Reach
from opensearch_strata.archive.ledger.mapping import PROPERTIES
from opensearch_strata.archive.ledger.row_documents import batch_id, ledger_row_id, row_of, settings_id, source_of
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.takeover import taken_over
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.loading.event_rules import RuleMarks
from tests.ledgers import place

numbers = st.integers(0, 2**53)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
counts = st.builds(Counts, numbers, numbers, numbers, numbers, numbers, unwanted=st.integers(1, 2**53))
hashes = st.frozensets(st.text("0123456789abcdef", min_size=8, max_size=8), max_size=3)
rules = st.builds(RuleMarks, hashes, hashes)
days = st.dictionaries(texts, st.integers(1, 2**53), max_size=4)
causes = st.dictionaries(texts, st.builds(Cause, numbers, texts), max_size=2)
samples = st.lists(texts, max_size=3).map(tuple)
spans = st.tuples(numbers, numbers)
reaches = st.none() | st.builds(Reach, st.integers(-(2**63), 0), st.integers(0, 2**63), texts)
landings = st.none() | st.builds(Landing, *[st.text("0123456789abcdef", min_size=8, max_size=8)] * 2, hashes.map(tuple))
removals = st.dictionaries(texts, st.builds(Removals, texts, numbers, texts, numbers), max_size=2)
more = {"rules": rules, "removals": removals, "landing": landings}
rows = st.builds(
    ObjectRow,
    place=st.builds(Place, texts, texts, texts),
    size=numbers,
    span=spans,
    state=st.sampled_from(["running", "done", "quarantined", "failed"]),
    owner=texts,
    lease_until=numbers,
    attempt=numbers,
    deaths=numbers,
    begun=numbers,
    ahead=st.integers(1, 2**53),
    latest=numbers,
    reach=reaches,
    counts=counts,
    **more,
    days=days,
    there=days,
    samples=samples,
    causes=causes,
    resume=numbers,
    format=texts,
    layers=st.lists(texts, max_size=3).map(tuple),
    bytes_in=numbers,
    seconds=st.floats(0, 1e9),
    error=texts,
    earlier=days,
    loads=st.lists(st.builds(Loaded, spans, counts, days, days, samples, causes, **more), max_size=3).map(tuple),
    seq_no=numbers,
    primary_term=numbers,
)


@given(rows)
def test_rows_come_back_from_json(row: ObjectRow) -> None:
    source = orjson.loads(orjson.dumps(source_of("logs", row)))
    assert row_of(source, row.seq_no or 0, row.primary_term or 0) == row


def test_rows_from_before_loads_were_kept_are_read() -> None:
    row = ObjectRow(place(), 1, (10, 20), "done", counts=Counts(3, 3), days={"a": 3}, seq_no=1, primary_term=1)
    source = source_of("logs", row)
    assert not {"loads", "unwanted", "rules"} & source.keys()
    assert source["days"] == [{"index": "a", "created": 3, "existed": 0}]
    assert row_of(source, 1, 1) == row
    assert row_of(source, 1, 1).is_done_for((10, 20))


@given(rows)
def test_every_raw_day_of_a_row_is_found_by_its_name(row: ObjectRow) -> None:
    assert {day["index"] for day in source_of("logs", row)["days"]} == row.indices
    assert row.indices >= row.days.keys() | row.there.keys() | row.earlier.keys()
    assert all(row.indices >= load.days.keys() | load.there.keys() for load in row.loads)


@given(rows)
def test_every_field_is_mapped(row: ObjectRow) -> None:
    def unmapped(source: Mapping[str, Any], properties: Mapping[str, Any]) -> set[str]:
        missing = source.keys() - properties.keys()
        for day in source.get("days", []):
            missing |= unmapped(day, properties["days"]["properties"])
        return missing

    assert unmapped(source_of("logs", row), PROPERTIES) == set()


@given(texts, texts, st.builds(Place, texts, texts, texts), st.builds(Place, texts, texts, texts))
def test_ids_are_short_and_tell_objects_apart(one: str, other: str, place: Place, another: Place) -> None:
    assume(not any("\0" in text for text in (one, other, place.bucket, another.bucket, place.etag, another.etag)))
    assert len(ledger_row_id(one, place).encode()) <= 512
    assert (ledger_row_id(one, place) == ledger_row_id(other, another)) == ((one, place) == (other, another))


def test_ids_of_the_longest_keys_are_short() -> None:
    assert len(ledger_row_id("logs", Place("b" * 63, "ä" * 512, "e" * 40))) <= 512


def test_kinds_do_not_share_ids() -> None:
    ids = [batch_id("a", "b", 1), batch_id("a", "1", 1), settings_id("a", "b"), ledger_row_id("a", Place("b", ""))]
    assert len({*ids, batch_id("a", "b", 11), batch_id("b", "b", 1), settings_id("b", "b")}) == 7


@given(counts, counts)
def test_counts_add_up(one: Counts, other: Counts) -> None:
    both = one + other
    assert both.read == one.read + other.read
    assert both.created + both.existed + both.filtered + both.dead == sum(
        part for c in (one, other) for part in (c.created, c.existed, c.filtered, c.dead)
    )
    assert (one + Counts()) == one


@pytest.mark.parametrize("name", ["created", "existed", "filtered", "dead"])
def test_each_count_balances_what_was_read(name: str) -> None:
    assert Counts(read=3, **{name: 3}).balanced
    assert not Counts(read=3, **{name: 2}).balanced
    assert not Counts(read=2, **{name: 3}).balanced


@given(rows)
def test_who_takes_over_goes_on_or_begins_anew(row: ObjectRow) -> None:
    same = taken_over(row, row.span)
    other = taken_over(row, (row.span[0] + 1, row.span[1]))
    for taken in (same, other):
        assert (taken.place, taken.size, taken.state, taken.error) == (row.place, row.size, "running", "")
        assert (taken.attempt, taken.seq_no) == (row.attempt + 1, row.seq_no)
    assert other.span == (row.span[0] + 1, row.span[1])
    begun: tuple[object, ...] = (Counts(), {}, {}, (), 0, "", (), 0, 0.0)
    stood: tuple[object, ...] = (row.counts, row.days, row.there, row.samples, row.resume)
    stood = (*stood, row.format, row.layers, row.bytes_in, row.seconds)
    assert _progress(other) == begun
    assert _progress(same) == (stood if row.state in ("running", "failed") else begun)


def _progress(row: ObjectRow) -> tuple[Any, ...]:
    said = (row.counts, row.days, row.there, row.samples, row.resume)
    return (*said, row.format, row.layers, row.bytes_in, row.seconds)
