"""What lies where a day's file belongs: written again only if it is an older copy of that very day, and else kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.history_copy.cycle_copies import copy_window
from opensearch_strata.workflows.history_copy.export import CopiedDay, export_days
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles
from tests.copies import odd_stream, proven_days
from tests.streams import DAY, Stream, StreamFactory

FILE = f"plant/history/month=2024-05/day={DAY}.parquet"
NEXT = DAY + timedelta(days=1)
Change = Callable[[bytes], bytes]


@pytest.fixture
def copied(make_stream: StreamFactory, s3: Any, bucket: str) -> Stream:
    """A day of history whose file is there."""
    stream = odd_stream(make_stream, bucket)
    proven_days(stream)
    assert exported(stream, s3).outcome == "written"
    return stream


def exported(stream: Stream, s3: Any) -> CopiedDay:
    (one,) = export_days(stream.client, s3, stream.dataset, DAY, DAY)
    return one


def put(s3: Any, bucket: str, change: Change, *, noted: bool, **more: Any) -> bytes:
    """Replace the object, with or without what was noted of it."""
    there = s3.get_object(Bucket=bucket, Key=FILE)
    body = change(there["Body"].read())
    s3.put_object(Bucket=bucket, Key=FILE, Body=body, Metadata=there["Metadata"] if noted else {}, **more)
    return body


def in_bucket(s3: Any, bucket: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=FILE)["Body"].read()
    return body


def with_footer(body: bytes, **said: str) -> bytes:
    source = pq.ParquetFile(io.BytesIO(body))
    out = io.BytesIO()
    with pq.ParquetWriter(out, source.schema_arrow.remove_metadata(), store_schema=False) as writer:
        writer.write_table(source.read())
        writer.add_key_value_metadata(
            {**source.metadata.metadata, **{f"strata.{key}".encode(): value.encode() for key, value in said.items()}}
        )
    return out.getvalue()


def of_another_tool(_: bytes) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), out)
    return out.getvalue()


@pytest.mark.parametrize("checksum", [{}, {"ChecksumAlgorithm": "SHA256"}])
@pytest.mark.parametrize("change", [lambda _: b"short", lambda body: body[:-9] + b"x" * 9], ids=["short", "same size"])
def test_a_file_that_is_not_what_was_written_is_not_unchanged(
    copied: Stream, s3: Any, bucket: str, change: Change, checksum: dict[str, str]
) -> None:
    """Although its object says of itself what that of the file said."""
    body = put(s3, bucket, change, noted=True, **checksum)
    done = exported(copied, s3)
    assert done.outcome == "left out"
    assert done.note == (
        f"s3://{bucket}/{FILE} is damaged: its SHA-256 is not the one that was noted when it was written. It was kept, "
        f"and the rows of {DAY} were not copied. If nobody needs it, delete it, else move it elsewhere; then export "
        f"the day again."
    )
    known = HistoryFiles(s3, settings_of(copied.dataset)).find(DAY)
    assert known
    assert known.is_replaced  # which the audit reports
    (of_cycle,) = copy_window(copied.client, copied.dataset, DAY, s3=lambda: s3).days
    assert (of_cycle.outcome, of_cycle.note, in_bucket(s3, bucket)) == ("failed", done.note, body)
    s3.delete_object(Bucket=bucket, Key=FILE)
    assert exported(copied, s3).outcome == "written"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _: b"somebody's own file", "cannot be read as the file of a day"),
        (of_another_tool, "it was not written by Strata"),
        (
            lambda body: with_footer(body, format="2", dataset="x"),
            "was written by a later release of Strata (format 2)",
        ),
        (lambda body: with_footer(body, day=f"{NEXT}"), f"holds the rows of {NEXT}"),
        (
            lambda body: with_footer(body, month="{}"),
            "cannot be read as the file of a day (properties: Field",
        ),
    ],
)
def test_what_is_not_a_copy_of_the_day_is_kept(
    copied: Stream, s3: Any, bucket: str, change: Change, sentence: str
) -> None:
    body = put(s3, bucket, change, noted=False)
    done = exported(copied, s3)
    assert (done.outcome, sentence in done.note, "It was kept" in done.note) == ("left out", True, True), done.note
    assert in_bucket(s3, bucket) == body


def test_the_file_of_another_day_is_kept_although_its_object_says_what_it_is(
    make_stream: StreamFactory, s3: Any, bucket: str
) -> None:
    stream = odd_stream(make_stream, bucket)
    proven_days(stream, 2)
    assert [one.outcome for one in export_days(stream.client, s3, stream.dataset, DAY, NEXT)] == ["written"] * 2
    source = {"Bucket": bucket, "Key": FILE.replace(f"{DAY}", f"{NEXT}")}
    s3.copy_object(Bucket=bucket, Key=FILE, CopySource=source)
    body = in_bucket(s3, bucket)
    assert f"holds the rows of {NEXT}. It was kept" in exported(stream, s3).note
    assert in_bucket(s3, bucket) == body


def test_a_file_that_another_tool_copied_with_its_notes_is_unchanged(copied: Stream, s3: Any, bucket: str) -> None:
    """S3 may not know its SHA-256: then it is read."""
    put(s3, bucket, lambda body: body, noted=True)
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key=FILE, ChecksumMode="ENABLED")
    assert exported(copied, s3).outcome == "unchanged"
    put(s3, bucket, lambda body: body, noted=False)
    assert exported(copied, s3).outcome == "written"  # it is a copy of the day, but nothing says of which rows
    with patch.object(HistoryFiles, "_content", side_effect=AssertionError):
        assert exported(copied, s3).outcome == "unchanged"
