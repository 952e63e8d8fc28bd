"""Queries of Grafana's OpenSearch data source, as a dashboard holds them. Pure.

They are described by ``src/types.ts`` and turned into requests by ``pkg/opensearch/lucene_handler.go`` of
https://github.com/grafana/opensearch-datasource, which knows no aggregation by script but ``bucket_script``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearch_strata.dashboards.choice import Field
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.month.level_notes import LEVEL

Body = dict[str, Any]

_PLAIN = re.compile(r"[A-Za-z0-9_.]")


def lucene_of_level(level: Level | None) -> str:
    """A query that finds the rows of a level, in Lucene's syntax; all rows without one.

    :param level: the wanted level; None for base rows, which are in indices of their own
    """
    if level is None:
        return "*"
    return f"{LEVEL}:{''.join(map(_escaped, level.name))}"


def _escaped(character: str) -> str:
    """A character of a term that neither Lucene nor Grafana takes for anything else.

    Lucene reads ``\\u0024`` as a dollar sign: QueryParser's ``discardEscapeChar``.
    """
    if _PLAIN.fullmatch(character) or ord(character) > 0xFFFF:
        return character
    return f"\\u{ord(character):04x}"


def query_of(metrics: Sequence[Body], buckets: Sequence[Body], level: Level | None) -> Body:
    """A query for rows of a level, or for documents.

    :param metrics: what is computed for each bucket
    :param buckets: from the outermost to the innermost
    :param level: the level whose rows are read; None for all that the data source finds
    """
    return {
        "refId": "A",
        "queryType": "lucene",
        "luceneQueryType": "Metric",
        "query": lucene_of_level(level),
        "alias": "",
        "metrics": list(metrics),
        "bucketAggs": list(buckets),
        "format": "table",
    }


def shorter(interval: str) -> str:
    """The interval in which Grafana asks for rows, whose histograms know no time zone.

    Local midnights may be an hour or 15 minutes off those of UTC, and two of them may be on one day of UTC.

    :param interval: of the level, see :func:`opensearch_strata.dashboards.choice.interval_of`
    """
    return interval if interval in ("5m", "1m") else "15m"


def over_time(identity: str, interval: str, at_least: int) -> Body:
    """Buckets of time.

    :param identity: a number, unique in its query
    :param interval: their length; ``auto`` for what suits the width of the chart
    :param at_least: how many rows or documents a bucket has that is returned
    """
    settings = {"interval": interval, "min_doc_count": f"{at_least}", "trimEdges": "0"}
    return {"id": identity, "type": "date_histogram", "field": "@timestamp", "settings": settings}


def metric_of(identity: str, kind: str, path: str) -> Body:
    """A number of each bucket.

    :param identity: a number, unique in its query
    :param kind: the aggregation
    :param path: field that it reads
    """
    return {"id": identity, "type": kind, "field": path}


def joined(identity: str, field: Field) -> Body:
    """A field of rows, joined over the rows of a bucket.

    :param identity: a number, unique in its query
    :param field: no quantile
    """
    return metric_of(identity, field.joined, field.path)


def lines_of(fields: Sequence[Field]) -> Iterator[tuple[str, list[Body]]]:
    """The lines of a trend: their names and the metrics of their queries.

    Where a bucket has rows of several raw days, a quantile lies between those of its rows, and these are drawn.

    :param fields: each a line; a quantile has two more
    """
    for field in fields:
        if field.joined != "sketch":
            yield field.label, [joined("2", field)]
            continue
        for alias, kind, wanted in (
            (field.label, "max", "params.rows == 1"),
            (f"{field.label} at most", "max", "params.rows > 1"),
            (f"{field.label} at least", "min", "params.rows > 1"),
        ):
            parts = [metric_of("2", kind, field.path), metric_of("3", "cardinality", "transform._id")]
            script = f"{wanted} ? params.value : Double.NaN"
            yield alias, _computed("4", script, {"value": parts[0], "rows": parts[1]})


def average_of(metric: str, level: Level) -> Body:
    """The average of all documents of an interval of any length: sums over counts, never averages of averages.

    :param metric: name of a metric with a sum
    :param level: rows of all documents
    """
    parts = {part: metric_of(key, "sum", f"metrics.{metric}.{part}") for key, part in (("2", "sum"), ("3", "count"))}
    metrics = _computed("4", "params.sum / params.count", parts)
    query = query_of(metrics, [over_time("1", "auto", 1)], level)
    # Rows from before the definition asked for the sum have counts alone.
    return {**query, "query": f"{query['query']} AND _exists_:metrics.{metric}.sum", "alias": "average"}


def _computed(identity: str, script: str, parts: Mapping[str, Body]) -> list[Body]:
    """Metrics of a query that draws only what a script makes of them.

    :param script: Painless
    :param parts: its parameters
    """
    made = {
        "id": identity,
        "type": "bucket_script",
        "pipelineVariables": [{"name": name, "pipelineAgg": part["id"]} for name, part in parts.items()],
        "settings": {"script": script},
    }
    return [*({**part, "hide": True} for part in parts.values()), made]
