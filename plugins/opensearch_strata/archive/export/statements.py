"""Statements that make an archive a table of Athena, DuckDB or Spark, where it lies. Pure.

Each statement reads only objects that manifests name, so it sees every document once also while a day is archived
again: DuckDB by the manifests, Athena and Spark by the links that are written beside them, because Spark skips files
whose names begin with ``_``. Athena follows the links with each query; DuckDB and Spark keep the names of the objects
as they are when the statement runs.
"""

from __future__ import annotations

from typing import Literal

from opensearch_strata.archive.export.folder import SYMLINKS
from opensearch_strata.archive.store.manifest import FORMER_NAME
from opensearch_strata.definition.archive import ArchiveSettings

QueryEngine = Literal["athena", "duckdb", "spark"]


def table_statement(engine: QueryEngine, name: str, settings: ArchiveSettings) -> str:
    """The statement, or for Spark the lines of Python.

    :param engine: which one reads
    :param name: of the table; a dataset's, so it needs quotation marks only where an engine reserves the word
    :param settings: where the archive is; their validation keeps out what any engine takes for a wildcard
    """
    return {"athena": _athena, "duckdb": _duckdb, "spark": _spark}[engine](name, settings)


def _athena(name: str, settings: ArchiveSettings) -> str:
    # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
    links = f"{settings.url}{SYMLINKS}".replace("'", "\\'")  # as Hive has it, whose grammar statements of tables follow
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
-- SELECT json_extract_scalar(line, '$._source.field') FROM "{name}" WHERE dt = '2013-01-05';"""


def _duckdb(name: str, settings: ArchiveSettings) -> str:
    manifests = f"{settings.url}dt=*/*{FORMER_NAME}".replace("'", "''")
    # Where a folder has a manifest of either name, the one with the _ counts, which comes first.
    return f"""\
-- Run this again after a day was archived again: until then, its former objects are looked for and not found.
SET VARIABLE parts_{name} = (
  SELECT list(folder || regexp_extract(object.key, '[^/]*$'))
  FROM (
    SELECT regexp_replace(filename, '[^/]*$', '') AS folder, objects
    FROM read_json('{manifests}', filename = true, columns = {{objects: 'STRUCT("key" VARCHAR)[]'}})
    WHERE regexp_matches(filename, '/_?manifest[.]json$')
    QUALIFY row_number() OVER (PARTITION BY folder ORDER BY filename) = 1
  ) AS manifest, unnest(manifest.objects) AS objects(object)
);
CREATE OR REPLACE VIEW "{name}" AS
SELECT _id, _routing, _source, dt
FROM read_json(getvariable('parts_{name}'), format = 'newline_delimited', hive_partitioning = true,
               columns = {{_id: 'VARCHAR', _routing: 'VARCHAR', _source: 'JSON'}});"""


def _spark(name: str, settings: ArchiveSettings) -> str:
    links = f"s3a://{settings.bucket}/{settings.prefix}{SYMLINKS}dt=*/symlink.txt"
    return f"""\
from pyspark.sql.functions import input_file_name, regexp_extract

# Run this again after a day was archived again: until then, its former objects are looked for and not found.
links = spark.read.text({links!r}).collect()
paths = [link.value.replace("s3://", "s3a://", 1) for link in links]
lines = spark.read.text(paths).withColumn("dt", regexp_extract(input_file_name(), "dt=([0-9-]+)/part-", 1))
lines.createOrReplaceTempView("`{name}`")"""
