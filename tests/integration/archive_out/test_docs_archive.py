"""What docs/archive.md shows is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.places import PROJECT
from opensearch_strata.archive.export.statements import table_statement
from opensearch_strata.archive.store.manifest import read_manifest
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archiving import archive_day, settings_of
from tests.streams import DAY, Stream, StreamFactory

PAGE = (PROJECT / "docs" / "archive.md").read_text()


def block(kind: str) -> str:
    return PAGE.partition(f"```{kind}\n")[2].partition("```")[0]


def test_the_settings_shown_are_settings_and_the_table_names_all_of_them() -> None:
    assert ArchiveSettings.model_validate(yaml.safe_load(block("yaml archive"))["archive"]).after_days == 1
    for key in ArchiveSettings.model_fields:
        assert f"`archive.{key}`" in PAGE, key


def test_the_manifest_shown_is_one() -> None:
    shown = block("json archive manifest")
    manifest = read_manifest(shown.encode(), "docs/archive.md")
    assert manifest.written().decode() == shown.rstrip("\n")
    assert sum(manifest.hours.values()) == manifest.documents == 2


def test_duckdb_reads_each_document_once_where_it_lies(
    make_stream: StreamFactory, s3: Any, bucket: str, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    stream: Stream = make_stream(archive={"bucket": bucket, "prefix": "a/"})
    sent = stream.fill(DAY)
    loose = f'{{"@timestamp":"{DAY}T10:00:00Z","device":"d1","text":"cut \\ud83d" /* no strict parser reads this */}}'
    stream.client.index(index=stream.dataset.raw_index(DAY), id="loose", body=loose, params={"refresh": "true"})
    archive_day(stream.client, s3, stream.dataset, prove(stream.client, stream.dataset, DAY, engine="search"))
    s3.put_object(Bucket=bucket, Key=f"a/dt={DAY}/part-00000-dead.ndjson.zst", Body=b"left by an export that died")
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        path = tmp_path / found["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, found["Key"], str(path))
    statement = table_statement("duckdb", "days", settings_of(stream.dataset)).replace(f"s3://{bucket}", str(tmp_path))
    with duckdb.connect() as connection:
        connection.execute(statement)
        rows = connection.execute("SELECT _id, (_source->>'load')::INT, dt, _source->>'text' FROM days").fetchall()
    assert len(rows) == len({row[0] for row in rows}) == 241
    assert sum(row[1] or 0 for row in rows) == sum(one.get("load", 0) for one in sent)
    assert {str(row[2]) for row in rows} == {str(DAY)}
    assert {row[0]: row[3] for row in rows}["loose"] == "cut \ufffd"


@pytest.mark.parametrize("engine", ["athena", "spark"])
def test_the_other_statements_name_the_archive(engine: Any) -> None:
    statement = table_statement(engine, "days", ArchiveSettings(bucket="plant-archive", prefix="flights"))
    assert "plant-archive/flights/" in statement
