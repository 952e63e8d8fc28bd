"""What docs/archive.md shows is so."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.places import PROJECT
from opensearch_strata.archive.export.statements import table_statement
from opensearch_strata.archive.store.manifest import FORMER_NAME, NAME, read_manifest
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


def fetched(stream: Stream, s3: Any, bucket: str, folder: Path, name: str = "days") -> str:
    """DuckDB's statement for the archive of a stream, which is in a folder then."""
    archive = settings_of(stream.dataset)
    for found in s3.list_objects_v2(Bucket=bucket, Prefix=archive.prefix)["Contents"]:
        path = folder / found["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, found["Key"], str(path))
    return table_statement("duckdb", name, archive).replace(f"s3://{bucket}", str(folder))


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
    statement = fetched(stream, s3, bucket, tmp_path)
    with duckdb.connect() as connection:
        connection.execute(statement)
        rows = connection.execute("SELECT _id, (_source->>'load')::INT, dt, _source->>'text' FROM days").fetchall()
    assert len(rows) == len({row[0] for row in rows}) == 241
    assert sum(row[1] or 0 for row in rows) == sum(one.get("load", 0) for one in sent)
    assert {str(row[2]) for row in rows} == {str(DAY)}
    assert {row[0]: row[3] for row in rows}["loose"] == "cut \ufffd"


def test_duckdb_reads_archives_of_any_name_and_prefix_side_by_side(
    make_stream: StreamFactory, s3: Any, bucket: str, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        for number, prefix in enumerate(("o'brien/", "tenant=x/", "a.b/c/", "a b&c=%2F#+/")):
            stream: Stream = make_stream(archive={"bucket": bucket, "prefix": prefix})
            stream.fill(DAY, 10 + number)
            archive_day(stream.client, s3, stream.dataset, prove(stream.client, stream.dataset, DAY, engine="search"))
            connection.execute(fetched(stream, s3, bucket, tmp_path, ("order", "select", "table", "days")[number]))
        for number, name in enumerate(("order", "select", "table", "days")):  # no view reads what another one names
            (counts,) = connection.execute(f'SELECT count(*), count(DISTINCT _id), max(dt) FROM "{name}"').fetchall()
            assert counts[:2] == (10 + number, 10 + number), name
            assert str(counts[2]) == f"{DAY}"


def test_duckdb_reads_days_by_the_former_name_of_their_manifest_and_no_day_twice(
    make_stream: StreamFactory, s3: Any, bucket: str, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    stream: Stream = make_stream(archive={"bucket": bucket, "prefix": "a/"})
    for day in (DAY, DAY + timedelta(days=1)):
        stream.fill(day, 20)
        archive_day(stream.client, s3, stream.dataset, prove(stream.client, stream.dataset, day, engine="search"))
    statement = fetched(stream, s3, bucket, tmp_path)
    (tmp_path / f"a/dt={DAY}" / NAME).rename(tmp_path / f"a/dt={DAY}" / FORMER_NAME)
    other = tmp_path / f"a/dt={DAY + timedelta(days=1)}"
    (other / FORMER_NAME).write_bytes((other / NAME).read_bytes())
    (other / f"old-{FORMER_NAME}").write_bytes((other / NAME).read_bytes())
    with duckdb.connect() as connection:
        connection.execute(statement)
        assert connection.execute("SELECT count(*), count(DISTINCT _id) FROM days").fetchall() == [(40, 40)]


@pytest.mark.parametrize("engine", ["athena", "spark"])
def test_the_other_statements_follow_the_links_of_the_archive(engine: Any) -> None:
    settings = ArchiveSettings(bucket="plant-archive", prefix='it\'s "flights"')
    statement = table_statement(engine, "order", settings)
    if engine == "athena":
        assert """LOCATION 's3://plant-archive/it\\'s "flights"/hive/'""" in statement
        assert 'FROM "order" WHERE' in statement
        return
    read: list[str] = []

    class Reads(ast.NodeVisitor):
        def visit_Constant(self, node: ast.Constant) -> None:
            read.append(str(node.value))

    Reads().visit(ast.parse(statement))
    assert 's3a://plant-archive/it\'s "flights"/hive/dt=*/symlink.txt' in read
    assert "`order`" in read
