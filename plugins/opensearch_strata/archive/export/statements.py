"""Statements that make an archive a table of Athena, DuckDB or Spark, where it lies. Pure.

Each statement reads the objects that the manifests name, so it sees every document once also while a day is archived
again: DuckDB and Spark from the manifests, Athena by the links that are written beside them.
"""

from __future__ import annotations

from typing import Literal

from opensearch_strata.archive.export.folder import SYMLINKS
from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.definition.archive import ArchiveSettings

QueryEngine = Literal["athena", "duckdb", "spark"]


def table_statement(engine: QueryEngine, name: str, settings: ArchiveSettings) -> str:
    """The statement, or for Spark the lines of Python.

    :param engine: which one reads
    :param name: of the table
    :param settings: where the archive is
    """
    return {"athena": _athena, "duckdb": _duckdb, "spark": _spark}[engine](name, settings)


def _athena(name: str, settings: ArchiveSettings) -> str:
    # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
    links = f"s3://{settings.bucket}/{settings.prefix}{SYMLINKS}"
    return f"""\
CREATE EXTERNAL TABLE `{name}` (line string)
PARTITIONED BY (dt string)
ROW FORMAT DELIMITED LINES TERMINATED BY '\\n'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '{links}'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2000-01-01,NOW',
  'storage.location.template' = '{links}dt=${{dt}}/'
);
-- SELECT json_extract_scalar(line, '$._source.field') FROM `{name}` WHERE dt = '2013-01-05';"""


def _duckdb(name: str, settings: ArchiveSettings) -> str:
    manifests = f"{settings.url}dt=*/{NAME}"
    return f"""\
SET VARIABLE parts = (
  SELECT list(regexp_replace(manifest.filename, '[^/]*$', '') || regexp_extract(object.key, '[^/]*$'))
  FROM read_json('{manifests}', filename = true, columns = {{objects: 'STRUCT("key" VARCHAR)[]'}}) AS manifest,
       unnest(manifest.objects) AS objects(object)
);
CREATE OR REPLACE VIEW {name} AS
SELECT _id, _routing, _source, dt
FROM read_json(getvariable('parts'), format = 'newline_delimited', hive_partitioning = true,
               columns = {{_id: 'VARCHAR', _routing: 'VARCHAR', _source: 'JSON'}});"""


def _spark(name: str, settings: ArchiveSettings) -> str:
    manifests = f"s3a://{settings.bucket}/{settings.prefix}dt=*/{NAME}"
    return f"""\
from pyspark.sql.functions import explode, input_file_name, regexp_extract, regexp_replace

found = spark.read.option("multiLine", True).json("{manifests}")
parts = found.withColumn("folder", regexp_replace(input_file_name(), "[^/]*$", "")).select(
    "folder", explode("objects").alias("object")
)
paths = [row.folder + row.object.key.rpartition("/")[2] for row in parts.collect()]
lines = spark.read.text(paths).withColumn("dt", regexp_extract(input_file_name(), "dt=([0-9-]+)", 1))
lines.createOrReplaceTempView("{name}")"""
