"""What the page on the second copy shows is run on files of a year, and gives what a reader gives."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from opensearch_strata.workflows.history_copy.export import export_days
from tests.streams import Stream, StreamFactory
from tests.unit.project.test_docs import blocks

DAYS = [date(2024, month, 3 * month) for month in (1, 3, 6, 9)]
AFTER = date(2025, 1, 1)
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def year(make_stream: StreamFactory, bucket: str, s3: Any) -> Stream:
    """Days of a year, and one behind it, in their files."""
    stream = make_stream(archive={"bucket": bucket, "prefix": "plant/", "before_delete": False})
    for day in [*DAYS, AFTER]:
        stream.fill(day, count=2000, seed=day.month)
        stream.condense(day)
        assert prove(stream.client, stream.dataset, day, engine="search").state == "verified"
        (done,) = export_days(stream.client, s3, stream.dataset, day, day)
        assert done.outcome == "written"
    return stream


@pytest.fixture
def folder(year: Stream, s3: Any, bucket: str, tmp_path: Path) -> str:
    """The folder of the files, fetched as a person would: a string, as the page says."""
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        path = tmp_path / found["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    return f"{tmp_path}/plant/history"


def test_every_program_of_the_page_gives_what_a_reader_gives(year: Stream, folder: str) -> None:
    assert len(list(Path(folder).rglob("*.parquet"))) == len(DAYS) + 1
    asked: Any = {"metrics": ["temperature"], "stats": ["p99"]}
    exact = float(read(year.client, year.dataset, START, END, **asked)["temperature.p99"].iloc[0])
    by_device = read(year.client, year.dataset, START, END, by=["device"], **asked)
    examples = blocks("python", "elsewhere")
    assert all(len(example.strip().splitlines()) <= 25 for example in examples)
    found: dict[str, Any] = {"folder": folder}
    for example in examples:
        exec(compile(example, "example", "exec"), found)
    assert found["p99"] == exact
    assert sorted(found["by_device"]) == sorted(zip(by_device["device"], by_device["temperature.p99"], strict=True))
    slack = 0.01 * abs(exact)
    assert found["low"] - slack <= exact <= found["high"] + slack
    assert found["low"] < found["high"]
