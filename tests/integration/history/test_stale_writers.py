"""A run that stalls with rows in its hands: what others wrote meanwhile is never overwritten by what it once read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines import row_writer, search
from opensearch_strata.history.condense.engines.row_writer import version_of, write_rows
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.cycle import retire_expired
from opensearch_strata.workflows.expired import Expired
from tests.streams import DAY, Stream, assert_verified, measurements

Meanwhile = Callable[[Stream], None]


def raw_of(stream: Stream) -> RawDay:
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw
    return raw


def stall(stream: Stream, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> None:
    """Let something happen between the last search of a pass and its first write."""
    real = search._write

    def waking_up(*arguments: Any) -> None:
        monkeypatch.setattr(search, "_write", real)
        meanwhile(stream)
        real(*arguments)

    monkeypatch.setattr(search, "_write", waking_up)


def late_and_condensed(stream: Stream) -> None:
    stream.write(measurements(count=60, seed=4))
    stream.condense()


def late_condensed_and_deleted(stream: Stream) -> None:
    late_and_condensed(stream)
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (gone,) = retire_expired(stream.client, stream.dataset, expired, DAY + timedelta(days=100), apply=True)
    assert gone.outcome == "deleted"


def recreated_and_condensed(stream: Stream) -> None:
    """As many documents, other ones; a person says that they are the truth."""
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write(measurements(count=60, seed=4))
    stream.condense(allow_poorer=True)


@pytest.mark.parametrize("meanwhile", [late_condensed_and_deleted, recreated_and_condensed])
def test_rows_of_an_index_that_is_gone_are_not_written_any_more(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile
) -> None:
    stream.fill(count=60)
    stall(stream, monkeypatch, meanwhile)
    with pytest.raises(StrataError, match=r"was deleted (while|or recreated while) (the day|it) was condensed"):
        stream.condense()
    documents = 120 if meanwhile is late_condensed_and_deleted else 60
    assert sum(row["transform._doc_count"] for row in stream.rows().values()) == documents


def test_rows_of_an_older_state_do_not_overwrite_newer_ones(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.fill(count=60)
    older = raw_of(stream)
    stream.condense()
    old_rows = stream.rows()
    late_and_condensed(stream)
    newer = carried(stream.client, stream.dataset, DAY)
    month = stream.dataset.month_index(DAY)
    with pytest.raises(TransientError, match=r"changed while it was condensed.*Nothing newer was overwritten"):
        write_rows(stream.client, month, older, list(old_rows.items()))
    assert carried(stream.client, stream.dataset, DAY) == newer


def test_a_row_that_was_deleted_does_not_come_back(stream: Stream) -> None:
    stream.fill(count=60)
    older = raw_of(stream)
    stream.condense()
    old_rows = stream.rows()
    query = {"query": {"term": {"device": "d1"}}, "script": {"source": "ctx._source.device = 'renamed'"}}
    stream.client.update_by_query(index=stream.dataset.raw_index(DAY), body=query, params={"refresh": "true"})
    stream.condense()
    newer = stream.rows()
    with pytest.raises(TransientError, match="Nothing newer was overwritten"):
        write_rows(stream.client, stream.dataset.month_index(DAY), older, list(old_rows.items()))
    assert stream.rows() == newer


def test_a_run_that_was_overtaken_condenses_once_more(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once on one day, of which one is slow: it says so, and a retry is right."""
    stream.fill(count=60)
    stall(stream, monkeypatch, late_and_condensed)
    with pytest.raises(TransientError, match="Nothing newer was overwritten; run it again"):
        stream.condense()
    stream.condense()
    assert_verified(stream)


def by_somebody(stream: Stream) -> None:
    """Rows as a transform job writes them: without any condition."""
    for identity, row in stream.rows().items():
        stream.put_row(identity, row)
        stream.put_row(identity, {**row, "metrics": {}})


def test_rows_that_a_job_wrote_are_overwritten_while_the_raw_day_stands_still(stream: Stream) -> None:
    stream.condensed(count=60)
    right = stream.rows()
    by_somebody(stream)
    assert verify(stream.client, stream.dataset, DAY).state == "differs"
    stream.condense()
    assert stream.rows() == right


def test_rows_that_somebody_writes_in_the_same_instant_are_not_overwritten(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.condensed(count=60)
    by_somebody(stream)
    real = row_writer.require_unmoved

    def another(*arguments: Any) -> None:
        real(*arguments)
        by_somebody(stream)

    monkeypatch.setattr(row_writer, "require_unmoved", another)
    with pytest.raises(TransientError, match="Nothing newer was overwritten"):
        stream.condense()


def test_a_month_that_vanishes_meanwhile_is_no_condensed_day(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    real = search._write

    def month_vanishes(*arguments: Any) -> None:
        real(*arguments)
        stream.client.indices.delete(index=stream.dataset.month_index(DAY))

    monkeypatch.setattr(search, "_write", month_vanishes)
    with pytest.raises(TransientError, match="carry 0 of its 60 documents right after they were written"):
        stream.condense()
    monkeypatch.undo()
    stall(stream, monkeypatch, lambda it: it.client.indices.delete(index=it.dataset.month_index(DAY)))
    with pytest.raises(TransientError, match="was deleted while the day was condensed"):
        stream.condense()
    assert not stream.client.indices.exists(index=stream.dataset.month_index(DAY))  # nor made anew by the rows
    stream.condense()
    assert_verified(stream)


def test_a_raw_day_that_vanishes_meanwhile_is_told(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.fill(count=60)
    real = search._write

    def raw_vanishes(*arguments: Any) -> None:
        real(*arguments)
        stream.client.indices.delete(index=stream.dataset.raw_index(DAY))

    monkeypatch.setattr(search, "_write", raw_vanishes)
    with pytest.raises(Refused, match="was deleted or recreated while it was condensed"):
        stream.condense()


def test_documents_that_change_without_a_change_of_their_number_are_condensed_again(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.fill(count=60)

    def corrected(it: Stream) -> None:
        query = {"query": {"match_all": {}}, "script": {"source": "ctx._source.load = 7"}}
        it.client.update_by_query(index=it.dataset.raw_index(DAY), body=query, params={"refresh": "true"})

    stall(stream, monkeypatch, corrected)
    stream.condense()
    assert_verified(stream)
    assert prove(stream.client, stream.dataset, DAY, engine="search").state == "verified"


def test_the_version_grows_with_every_write_and_every_index(stream: Stream) -> None:
    stream.fill(count=5)
    versions = [version_of(raw_of(stream))]
    stream.write(measurements(count=1, seed=1))
    versions.append(version_of(raw_of(stream)))
    index = stream.dataset.raw_index(DAY)
    stream.client.delete_by_query(index=index, body={"query": {"match_all": {}}}, params={"refresh": "true"})
    versions.append(version_of(raw_of(stream)))
    raw = raw_of(stream)
    versions.append(version_of(RawDay(index, DAY, "u", 0, {}, frozenset(), (-1,), created=raw.created + 1000)))
    assert versions == sorted(set(versions))
    assert condense(stream.client, stream.dataset, DAY, engine="search") is None
