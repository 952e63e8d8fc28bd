"""Files that are damaged, missing or somebody else's, and an S3 that refuses: a sentence each, nothing half done."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensearch_strata.archive.store.conditional import OtherWriterError
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.history.copy import day_file, writing
from opensearch_strata.history.copy.replacement import Replacement
from opensearch_strata.history.copy.rewrite import rewrite_month
from opensearch_strata.history.month.bulk import send_rows
from opensearch_strata.history.month.stand_in import stand_in_name
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.history_copy.export import copy_day, export_days
from opensearch_strata.workflows.history_copy.importing import ImportedMonth, import_months
from tests.copies import Refusing, keys, marks_of, odd_documents, odd_stream, proven_days, rows_in
from tests.streams import DAY, Stream, StreamFactory

FILE = f"plant/history/month=2024-05/day={DAY}.parquet"
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def odd(make_stream: StreamFactory, bucket: str) -> Stream:
    return odd_stream(make_stream, bucket)


@pytest.fixture
def lost(odd: Stream, s3: Any) -> Stream:
    """A month of two days whose index is lost and whose files are there."""
    proven_days(odd, 2, keep_raw=False)
    assert [one.outcome for one in export_days(odd.client, s3, odd.dataset, DAY, NEXT)] == ["written", "written"]
    odd.client.indices.delete(index=odd.dataset.month_index(DAY))
    return odd


def imported(stream: Stream, s3: Any, last: date = NEXT, first: date = DAY) -> ImportedMonth:
    (month,) = import_months(stream.client, s3, stream.dataset, first, last, apply=True)
    return month


def nothing_was_made(stream: Stream) -> bool:
    names = (stream.dataset.month_index(DAY), stand_in_name(stream.dataset, DAY))
    return not any(stream.client.indices.exists(index=name) for name in names)


@pytest.mark.parametrize("place", [0, 0.3, 0.7, 0.99])
def test_a_file_in_which_a_bit_is_wrong_makes_no_month(lost: Stream, s3: Any, bucket: str, place: float) -> None:
    found = s3.get_object(Bucket=bucket, Key=FILE)
    body = bytearray(found["Body"].read())
    columns = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    column = columns.column(int(columns.num_columns * place))
    # Its last byte is one of its values. Headers and the footer also hold what rows do not depend on.
    body[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1] ^= 4
    for is_noted in (True, False):  # another tool that copies the object leaves out what we noted
        noted = found["Metadata"] if is_noted else {}
        s3.put_object(Bucket=bucket, Key=FILE, Body=bytes(body), Metadata=noted)
        done = imported(lost, s3)
        assert done.outcome == "refused"
        assert f"s3://{bucket}/{FILE} is damaged" in done.note
        assert nothing_was_made(lost)


def test_half_a_file_makes_no_month(lost: Stream, s3: Any, bucket: str) -> None:
    body = s3.get_object(Bucket=bucket, Key=FILE)["Body"].read()
    s3.put_object(Bucket=bucket, Key=FILE, Body=body[: len(body) // 2])
    assert "is damaged: it cannot be read as the file of a day" in imported(lost, s3).note
    assert nothing_was_made(lost)


def test_a_file_that_lost_a_row_makes_no_month(lost: Stream, s3: Any, bucket: str) -> None:
    body = s3.get_object(Bucket=bucket, Key=FILE)["Body"].read()
    source = pq.ParquetFile(io.BytesIO(body))
    table, out = source.read(), io.BytesIO()
    with pq.ParquetWriter(out, table.schema) as writer:
        writer.write_table(table.slice(1))
        writer.add_key_value_metadata(source.metadata.metadata)
    s3.put_object(Bucket=bucket, Key=FILE, Body=out.getvalue())
    assert "is damaged: it holds" in imported(lost, s3).note
    assert nothing_was_made(lost)


def test_a_file_of_another_dataset_or_day_makes_no_month(
    lost: Stream, make_stream: StreamFactory, s3: Any, bucket: str
) -> None:
    day = FILE.replace(f"{DAY}", f"{NEXT}")
    s3.copy_object(Bucket=bucket, Key=FILE, CopySource={"Bucket": bucket, "Key": day})
    assert f"holds the rows of dataset {lost.dataset.name!r}, day {NEXT}" in imported(lost, s3).note
    other = odd_stream(make_stream, bucket)
    done = imported(other, s3)
    assert (done.outcome, nothing_was_made(lost), nothing_was_made(other)) == ("refused", True, True)
    proven_days(other)
    with pytest.raises(Refused, match=f"is of dataset {lost.dataset.name!r}. It was kept"):
        copy_day(other.client, s3, other.dataset, prove(other.client, other.dataset, DAY, engine="search"))


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        (None, "is not the file of a day of history: it was not written by Strata"),
        ({"strata.format": "99"}, r"was written by a later release of Strata (format 99)"),
        ({"strata.format": "1", "strata.dataset": "x"}, "is damaged: it cannot be read as the file of a day"),
    ],
)
def test_a_file_that_we_did_not_write_makes_no_month(
    odd: Stream, s3: Any, bucket: str, metadata: dict[str, str] | None, sentence: str
) -> None:
    out = io.BytesIO()
    table = pa.table({"a": [1, 2]})
    with pq.ParquetWriter(out, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata or {})
    s3.put_object(Bucket=bucket, Key=FILE, Body=out.getvalue())
    done = imported(odd, s3, DAY)
    assert done.outcome == "refused"
    assert sentence in done.note
    assert nothing_was_made(odd)


def test_a_day_without_a_file_is_named(lost: Stream, s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key=FILE)
    done = imported(lost, s3)
    assert (done.outcome, list(done.days), done.absent) == ("imported", [NEXT], [DAY])
    s3.delete_object(Bucket=bucket, Key=FILE.replace(f"{DAY}", f"{NEXT}"))
    assert imported(lost, s3).outcome == "no files"


def test_what_lies_beside_the_files_is_left_out(lost: Stream, s3: Any, bucket: str) -> None:
    for name in ("day=2024-02-30.parquet", "day=2024-05-06.parquet.tmp", "notes.txt", "more/day=2024-05-09.parquet"):
        s3.put_object(Bucket=bucket, Key=f"plant/history/month=2024-05/{name}", Body=b"x")
    assert list(imported(lost, s3).days) == [DAY, NEXT]


@pytest.mark.parametrize(("code", "error"), [("AccessDenied", Refused), ("SlowDown", TransientError)])
@pytest.mark.parametrize("operation", ["head_object", "put_object"])
def test_an_s3_that_refuses_changes_nothing(
    odd: Stream, s3: Any, bucket: str, operation: str, code: str, error: type[Exception]
) -> None:
    proven_days(odd)
    refusing = Refusing(s3, code, operation)
    with pytest.raises(error, match=f"s3://{bucket}/{FILE} could not be .* The history in OpenSearch is as it was"):
        copy_day(odd.client, refusing, odd.dataset, prove(odd.client, odd.dataset, DAY, engine="search"))
    (left,) = export_days(odd.client, refusing, odd.dataset, DAY, DAY)
    assert (left.outcome, "could not be" in left.note) == ("left out", True)
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("operation", ["get_object", "get_paginator"])
def test_an_s3_that_refuses_makes_no_month(lost: Stream, s3: Any, operation: str) -> None:
    done = imported(lost, Refusing(s3, "AccessDenied", operation))
    assert done.outcome == "refused"
    assert "AccessDenied" in done.note
    assert nothing_was_made(lost)


def test_of_two_that_write_a_file_one_wins(odd: Stream, s3: Any, bucket: str) -> None:
    proven_days(odd)
    proof = prove(odd.client, odd.dataset, DAY, engine="search")
    written = day_file.file_of

    def other_first(*arguments: Any) -> bytes:
        s3.put_object(Bucket=bucket, Key=FILE, Body=b"of another run")
        return written(*arguments)

    with (
        patch("opensearch_strata.workflows.history_copy.export.file_of", other_first),
        pytest.raises(OtherWriterError, match="was written by somebody else meanwhile"),
    ):
        copy_day(odd.client, s3, odd.dataset, proof)
    assert s3.get_object(Bucket=bucket, Key=FILE)["Body"].read() == b"of another run"
    with pytest.raises(Refused, match=r"is damaged: it cannot be read as the file of a day .* It was kept"):
        copy_day(odd.client, s3, odd.dataset, proof)
    s3.delete_object(Bucket=bucket, Key=FILE)
    assert copy_day(odd.client, s3, odd.dataset, proof).outcome == "written"


def test_rows_that_are_written_while_they_are_read_are_not_copied(odd: Stream, s3: Any, bucket: str) -> None:
    proven_days(odd)
    proof = prove(odd.client, odd.dataset, DAY, engine="search")
    identity, row = next(iter(odd.rows().items()))
    odd.put_row(identity, row)
    with pytest.raises(TransientError, match="were written or deleted since they were proven"):
        copy_day(odd.client, s3, odd.dataset, proof)
    assert keys(s3, bucket) == []


def test_an_unproven_day_is_not_copied(odd: Stream, s3: Any, bucket: str) -> None:
    proven_days(odd)
    odd.drop_row(next(iter(odd.rows())))
    (left,) = export_days(odd.client, s3, odd.dataset, DAY, DAY)
    assert left.note.startswith(f"The rows of {DAY} are not proven: documents,")
    assert keys(s3, bucket) == []


class Killed(BaseException):
    """As if the process had died."""


@pytest.mark.parametrize("step", [f"writing {NEXT}", "putting", "cloning", "comparing"])
def test_a_killed_import_is_finished_by_the_next_run(lost: Stream, s3: Any, step: str) -> None:
    def kill(what: str) -> None:
        if what.startswith(step):
            raise Killed

    with (
        patch.object(Replacement, "give_up"),
        patch("opensearch_strata.history.copy.replacement.release"),
        pytest.raises(Killed),
    ):
        list(import_months(lost.client, s3, lost.dataset, DAY, NEXT, apply=True, on_step=kill))
    with patch("opensearch_strata.history.raw_day.hold._MINE", set()):  # known to be over, as of a dead process
        done = imported(lost, s3)
    assert (done.outcome, list(done.days)) == (
        "unchanged" if step in ("cloning", "comparing") else "imported",
        [DAY, NEXT],
    )
    assert sum(row["documents"] for row in rows_in(lost.client, lost.dataset.month_index(DAY))) == done.documents
    assert not lost.client.indices.exists(index=stand_in_name(lost.dataset, DAY))


@pytest.mark.parametrize("marked", [True, False])
def test_an_import_that_died_within_a_day_of_an_existing_month_is_completed(
    odd: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch, marked: bool
) -> None:
    proven_days(odd, 2, keep_raw=False)
    list(export_days(odd.client, s3, odd.dataset, DAY, NEXT))
    month = odd.dataset.month_index(DAY)
    before = rows_in(odd.client, month)
    if marked:
        odd.drop_rows(DAY)
    else:  # the month was lost, and the cycle made it again for a later day
        odd.client.indices.delete(index=month)
        imported(odd, s3, first=NEXT)
    monkeypatch.setattr(writing, "_AT_ONCE", 20)
    sent: list[int] = []

    def dying(*arguments: Any) -> Any:
        sent.append(1)
        if len(sent) == 3:
            raise Killed
        return send_rows(*arguments)

    with patch.object(writing, "send_rows", dying), pytest.raises(Killed):
        imported(odd, s3)
    half = rows_in(odd.client, month)
    assert len(before) > len(half) > len([row for row in before if row["_transform_id"].endswith(f"{NEXT:%Y.%m.%d}")])
    assert marks_of(odd.client, month)[DAY].documents == 206  # so that whoever looks finds fewer than were proven
    done = imported(odd, s3)
    assert (done.outcome, done.days) == ("imported", {DAY: "added", NEXT: "same"}), done.note
    now = rows_in(odd.client, month)
    assert [{**row, "version": 0} for row in now] == [{**row, "version": 0} for row in before]
    assert [one.outcome for one in export_days(odd.client, s3, odd.dataset, DAY, DAY)] == ["written"]  # its mark holds
    assert imported(odd, s3).outcome == "unchanged"


def test_marks_that_the_cycle_notes_during_an_import_are_kept(odd: Stream, s3: Any) -> None:
    proven_days(odd, keep_raw=False)
    list(export_days(odd.client, s3, odd.dataset, DAY, DAY))
    odd.drop_rows(DAY)
    odd.write(odd_documents(NEXT), NEXT)
    odd.condense(NEXT)

    def prove_first(*arguments: Any) -> Any:
        if odd.exists(NEXT):
            assert prove(odd.client, odd.dataset, NEXT, engine="search").state == "verified"
            odd.client.indices.delete(index=odd.dataset.raw_index(NEXT))
        return send_rows(*arguments)

    with patch.object(writing, "send_rows", prove_first):
        assert imported(odd, s3, DAY).outcome == "imported"
    assert set(marks_of(odd.client, odd.dataset.month_index(DAY))) == {DAY, NEXT}
    assert [one.outcome for one in export_days(odd.client, s3, odd.dataset, DAY, NEXT)] == ["written", "written"]


def test_a_rewrite_that_meets_an_import_waits_for_it(odd: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proven_days(odd, 2, keep_raw=False)
    list(export_days(odd.client, s3, odd.dataset, DAY, NEXT))
    before = rows_in(odd.client, odd.dataset.month_index(DAY))
    odd.drop_rows(DAY)
    monkeypatch.setattr("opensearch_strata.history.raw_day.hold._PATIENCE", 1)
    said: list[str] = []

    def meeting(*arguments: Any) -> Any:
        if not said:
            with pytest.raises(Refused) as refused:
                rewrite_month(odd.client, odd.dataset, DAY, apply=True)
            said.append(str(refused.value))
        return send_rows(*arguments)

    with patch.object(writing, "send_rows", meeting):
        done = imported(odd, s3)
    assert (done.outcome, done.days[DAY]) == ("imported", "added"), done.note
    assert "another run holds it" in said[0]
    assert rewrite_month(odd.client, odd.dataset, DAY, apply=True).outcome == "rewritten"
    now = rows_in(odd.client, odd.dataset.month_index(DAY))
    assert [{**row, "version": 0} for row in now] == [{**row, "version": 0} for row in before]


def test_a_closed_month_is_named(odd: Stream, s3: Any) -> None:
    proven_days(odd)
    list(export_days(odd.client, s3, odd.dataset, DAY, DAY))
    month = odd.dataset.month_index(DAY)
    odd.client.indices.close(index=month)
    sentence = f"{month} is closed, so its rows cannot be read. Nothing was done; open it and run again."
    assert imported(odd, s3, DAY).note == sentence
    with pytest.raises(Refused, match=sentence):
        rewrite_month(odd.client, odd.dataset, DAY, apply=True)
    odd.client.indices.open(index=month)
    assert imported(odd, s3, DAY).outcome == "unchanged"


def change_month(s3: Any, bucket: str, key: str, name: str, value: Any) -> None:
    """Change what the notes of a file's month say, as a stranger could."""
    source = pq.ParquetFile(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    said = dict(source.metadata.metadata)
    month = json.loads(said[b"strata.month"])
    said[b"strata.month"] = json.dumps({**month, "meta": {**month["meta"], name: value}})
    out = io.BytesIO()
    with pq.ParquetWriter(out, source.schema_arrow.remove_metadata(), store_schema=False) as writer:
        writer.write_table(source.read())
        writer.add_key_value_metadata(said)
    s3.put_object(Bucket=bucket, Key=key, Body=out.getvalue())


def test_notes_of_an_index_in_a_file_are_not_taken_over(lost: Stream, s3: Any, bucket: str) -> None:
    change_month(s3, bucket, FILE, "same_rows", {"y": [1]})
    assert imported(lost, s3).outcome == "imported"
    assert set(marks_of(lost.client, lost.dataset.month_index(DAY))) == {DAY, NEXT}
    assert not lost.client.indices.exists(index=stand_in_name(lost.dataset, DAY))


def test_a_month_whose_notes_are_broken_is_cured_by_the_next_run(lost: Stream, s3: Any) -> None:
    """A stand-in that stands with notes that are none: readers read it, and the same command finishes it."""
    stood = Replacement.stand

    def stand(task: Replacement, strata: dict[str, Any], *more: Any) -> None:
        stood(task, {**strata, "same_rows": {"y": [1]}, "verified": {**strata["verified"], "x": 1}}, *more)
        raise Killed

    with patch.object(Replacement, "stand", stand), patch.object(Replacement, "give_up"), pytest.raises(Killed):
        imported(lost, s3)
    with patch("opensearch_strata.history.raw_day.hold._MINE", set()):
        assert imported(lost, s3).outcome == "unchanged"
    month = lost.dataset.month_index(DAY)
    assert set(marks_of(lost.client, month)) == {DAY, NEXT}
    assert not lost.client.indices.exists(index=stand_in_name(lost.dataset, DAY))
    assert rewrite_month(lost.client, lost.dataset, DAY, apply=True).outcome == "rewritten"


def test_a_forged_file_refuses_its_month_and_no_other(odd: Stream, s3: Any, bucket: str) -> None:
    june = DAY.replace(month=6)
    for day in (DAY, june):
        odd.write(odd_documents(day), day)
        odd.condense(day)
        assert prove(odd.client, odd.dataset, day, engine="search").state == "verified"
        list(export_days(odd.client, s3, odd.dataset, day, day))
        odd.client.indices.delete(index=odd.dataset.month_index(day))
    change_month(s3, bucket, FILE, "metrics", [1])
    months = list(import_months(odd.client, s3, odd.dataset, DAY, june, apply=True))
    assert [month.outcome for month in months] == ["refused", "imported"]
    assert "(meta.metrics: Input should be a valid dictionary)" in months[0].note
    assert nothing_was_made(odd)


def test_half_a_day_with_a_row_that_differs_is_kept(odd: Stream, s3: Any) -> None:
    proven_days(odd, 2, keep_raw=False)
    list(export_days(odd.client, s3, odd.dataset, DAY, NEXT))
    rows = odd.rows()
    first, second = list(rows)[:2]
    odd.drop_row(first)
    odd.put_row(second, {**rows[second], "metrics": {**rows[second]["metrics"], "load": {"sum": 1, "count": 1}}})
    before = rows_in(odd.client, odd.dataset.month_index(DAY))
    done = imported(odd, s3)
    assert (done.outcome, "holds other rows of" in done.note, "load_" in done.note) == ("refused", True, True)
    assert rows_in(odd.client, odd.dataset.month_index(DAY)) == before


def test_files_of_definitions_that_do_not_go_together_make_no_month(lost: Stream, s3: Any, bucket: str) -> None:
    key = FILE.replace(f"{DAY}", f"{NEXT}")
    copy = day_file.read_file(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), key)
    coarse = replace(copy, meta={**copy.meta, "bucket": "6h"})
    s3.put_object(Bucket=bucket, Key=key, Body=day_file.file_of(coarse, {}, {}))
    assert "does not go together with the files before it in its month: bucket is '6h'" in imported(lost, s3).note
    properties = {**copy.properties, "device": {"type": "ip"}}
    s3.put_object(Bucket=bucket, Key=key, Body=day_file.file_of(replace(copy, properties=properties), {}, {}))
    assert "device: {'type': 'keyword'} in the index" in imported(lost, s3).note
    assert nothing_was_made(lost)


def test_without_pyarrow_the_cycle_goes_on_and_the_shell_says_what_to_install(odd: Stream, s3: Any) -> None:
    odd.write(odd_documents())
    odd.condense()
    proof = prove(odd.client, odd.dataset, DAY, engine="search")
    with patch.dict("sys.modules", {"pyarrow": None}):
        left = copy_day(odd.client, s3, odd.dataset, proof)
        assert (left.outcome, "pip install 'opensearch-strata[parquet]'" in left.note) == ("left out", True)
        with pytest.raises(DefinitionError, match="needs pyarrow"):
            list(export_days(odd.client, s3, odd.dataset, DAY, DAY))
