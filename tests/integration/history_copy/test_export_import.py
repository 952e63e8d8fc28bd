"""Days of history to their files in S3 and back: the same rows under the same ids, bit for bit, and their marks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.day_file import read_file
from opensearch_strata.history.levels.look import incomplete_levels
from opensearch_strata.history.month.stand_in import stand_in_name
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.history_copy.export import CopiedDay, copy_day, export_days
from opensearch_strata.workflows.history_copy.importing import ImportedMonth, import_months
from tests.copies import keys, marks_of, odd_documents, odd_stream, proven_days, rows_in, strata_of
from tests.streams import DAY, Stream, StreamFactory, assert_verified

pytestmark = pytest.mark.versions

FILE = f"plant/history/month=2024-05/day={DAY}.parquet"
NOT_OF_ROWS = ("verified", "same_rows", "raw_states", "levels", "month_levels", "level_contents")


@pytest.fixture
def odd(make_stream: StreamFactory, bucket: str) -> Stream:
    return odd_stream(make_stream, bucket)


def exported(stream: Stream, s3: Any, days: int = 1) -> list[CopiedDay]:
    return list(export_days(stream.client, s3, stream.dataset, DAY, DAY + timedelta(days=days - 1)))


def imported(stream: Stream, s3: Any, *, apply: bool = True, days: int = 1) -> ImportedMonth:
    (month,) = import_months(stream.client, s3, stream.dataset, DAY, DAY + timedelta(days=days - 1), apply=apply)
    return month


def test_a_month_made_from_its_files_is_the_same_bit_for_bit(odd: Stream, s3: Any, bucket: str) -> None:
    days = proven_days(odd, 3, keep_raw=False)
    month = odd.dataset.month_index(DAY)
    before, meta, marks = rows_in(odd.client, month), strata_of(odd.client, month), marks_of(odd.client, month)
    assert [one.outcome for one in exported(odd, s3, 3)] == ["written"] * 3
    assert keys(s3, bucket) == [f"plant/history/month=2024-05/day={day}.parquet" for day in days]
    odd.client.indices.delete(index=month)
    looked = imported(odd, s3, apply=False, days=3)
    assert (looked.outcome, set(looked.days.values())) == ("would be imported", {"would be added"})
    assert not odd.client.indices.exists(index=month)
    done = imported(odd, s3, days=3)
    assert (done.outcome, list(done.days), done.absent) == ("imported", days, [])
    assert (done.rows, done.documents) == (len(before), sum(row["documents"] for row in before))
    assert rows_in(odd.client, month) == before
    after = strata_of(odd.client, month)
    assert {k: v for k, v in after.items() if k not in NOT_OF_ROWS} == {
        k: v for k, v in meta.items() if k not in NOT_OF_ROWS
    }
    now = marks_of(odd.client, month)
    assert {day: replace(mark, rows_version="") for day, mark in now.items()} == {
        day: replace(mark, rows_version="") for day, mark in marks.items()
    }
    assert not odd.client.indices.exists(index=stand_in_name(odd.dataset, DAY))
    assert done.note == ""
    assert incomplete_levels(odd.client, odd.dataset, days) == {}  # built from the imported rows
    again = imported(odd, s3, days=3)
    assert (again.outcome, set(again.days.values())) == ("unchanged", {"same"})
    assert marks_of(odd.client, month) == now
    assert [one.outcome for one in exported(odd, s3, 3)] == ["written"] * 3  # by rows of another index
    assert [one.outcome for one in exported(odd, s3, 3)] == ["unchanged"] * 3


def test_imported_rows_are_proven_by_their_raw_day(odd: Stream, s3: Any) -> None:
    proven_days(odd)
    exported(odd, s3)
    odd.client.indices.delete(index=odd.dataset.month_index(DAY))
    imported(odd, s3)
    assert_verified(odd)
    (again,) = exported(odd, s3)
    assert again.outcome == "written"


def test_a_day_that_its_month_lost_is_written_again_beside_the_others(odd: Stream, s3: Any) -> None:
    days = proven_days(odd, 2, keep_raw=False)
    month = odd.dataset.month_index(DAY)
    before, marks = rows_in(odd.client, month), marks_of(odd.client, month)
    exported(odd, s3, 2)
    odd.drop_rows(days[1])
    assert imported(odd, s3, apply=False, days=2).days == {days[0]: "same", days[1]: "would be added"}
    assert imported(odd, s3, days=2).days == {days[0]: "same", days[1]: "added"}
    assert [{**row, "version": 0} for row in rows_in(odd.client, month)] == [{**row, "version": 0} for row in before]
    now = marks_of(odd.client, month)
    assert now[days[0]] == marks[days[0]]
    assert [one.outcome for one in exported(odd, s3, 2)] == ["unchanged", "written"]


def test_a_month_that_holds_other_rows_is_kept(odd: Stream, s3: Any) -> None:
    proven_days(odd)
    exported(odd, s3)
    month = odd.dataset.month_index(DAY)
    identity, row = next(iter(odd.rows().items()))
    odd.put_row(identity, {**row, "metrics": {**row["metrics"], "load": {"sum": 1, "count": 1}}})
    before = rows_in(odd.client, month)
    done = imported(odd, s3)
    assert done.outcome == "refused"
    assert "load_" in done.note
    assert "Nothing was imported" in done.note
    assert rows_in(odd.client, month) == before


def test_a_day_that_is_condensed_again_replaces_its_file(odd: Stream, s3: Any, bucket: str) -> None:
    proven_days(odd)
    assert exported(odd, s3)[0].outcome == "written"
    odd.write(odd_documents(count=3)[:3])
    (late,) = exported(odd, s3)
    assert late.outcome == "left out"
    assert late.note.startswith(f"The rows of {DAY} are not proven: documents, documents by _doc_count,")
    proof = prove(odd.client, odd.dataset, DAY, engine="search")
    done = copy_day(odd.client, s3, odd.dataset, proof)
    assert done.outcome == "written"
    assert keys(s3, bucket) == [FILE]
    assert proof.raw
    assert done.documents == proof.raw.documents
    assert copy_day(odd.client, s3, odd.dataset, proof).outcome == "unchanged"


def test_only_days_whose_rows_are_proven_are_copied(odd: Stream, s3: Any, bucket: str) -> None:
    """By their mark, or by the raw day where it is there; each other one is named with the reason."""
    proven, never, changed, unmarked = (DAY + timedelta(days=number) for number in range(4))
    for day in (proven, changed, unmarked):
        odd.write(odd_documents(day), day)
        odd.condense(day)
    odd.write(odd_documents(never), never)
    prove(odd.client, odd.dataset, changed, engine="search")
    identity = next(i for i, row in odd.rows().items() if row["transform._id"] == odd.dataset.transform_id(changed))
    odd.put_row(identity, {**odd.rows()[identity]})
    for day in (changed, unmarked):
        odd.client.indices.delete(index=odd.dataset.raw_index(day))
    found = exported(odd, s3, 4)
    assert [one.outcome for one in found] == ["written", "no rows", "left out", "left out"]
    assert [one.note for one in found[2:]] == [
        f"The raw day of {changed} is gone, and its rows are not those that were proven.",
        f"The raw day of {unmarked} is gone, and no proof of its rows is noted.",
    ]
    assert keys(s3, bucket) == [FILE]


def test_a_file_that_holds_more_than_the_rows_is_kept(odd: Stream, s3: Any, bucket: str) -> None:
    """A month that was lost, and condensed again from what came late, must not take its copy with it."""
    proven_days(odd)
    exported(odd, s3)
    body = s3.get_object(Bucket=bucket, Key=FILE)["Body"].read()
    odd.client.indices.delete(index=f"{odd.dataset.raw_index(DAY)},{odd.dataset.month_index(DAY)}")
    odd.write(odd_documents(count=10)[:10])
    odd.condense()
    proof = prove(odd.client, odd.dataset, DAY, engine="search")
    with pytest.raises(Refused, match=r"holds rows of 206 documents, history of 10\. It was kept"):
        copy_day(odd.client, s3, odd.dataset, proof)
    assert s3.get_object(Bucket=bucket, Key=FILE)["Body"].read() == body


def test_a_file_is_read_without_a_cluster(odd: Stream, s3: Any, bucket: str) -> None:
    import io

    import pyarrow.parquet as pq

    proven_days(odd)
    exported(odd, s3)
    body = s3.get_object(Bucket=bucket, Key=FILE)["Body"].read()
    table = pq.read_table(io.BytesIO(body))
    assert table.column_names[:7] == ["day", "time", "device", "address", "on", "version_", "documents"]
    assert "temperature_p99" in table.column_names
    said = {key.decode(): value.decode() for key, value in pq.ParquetFile(io.BytesIO(body)).metadata.metadata.items()}
    assert said["strata.dataset"] == odd.dataset.name
    assert said["strata.day"] == f"{DAY}"
    assert said["strata.units"] == '{"temperature": "°C"}'
    assert said["strata.relative_errors"] == '{"price": [0.02], "temperature": [0.01]}'
    copy = read_file(body, FILE)
    assert copy.documents == verify(odd.client, odd.dataset, DAY).carried.documents
