"""A dashboard of Grafana for a dataset, and the data sources that it reads. Pure.

For the data source ``grafana-opensearch-datasource``, whose queries are described by ``src/types.ts`` and turned into
requests by ``pkg/opensearch/lucene_handler.go`` of https://github.com/grafana/opensearch-datasource. A data source is
of one index expression and one time field, so a dataset has one for each kind of its indices. Provisioning gives them
the uids that the dashboard names: https://grafana.com/docs/grafana/latest/administration/provisioning/.

Grafana replaces ``$name`` and ``[[name]]`` everywhere in a query (``applyTemplateVariables`` in
``src/opensearchDatasource.ts``) and knows no way to escape them. Lucene does; for the name of a field there is none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from opensearch_strata.dashboards.choice import (
    DOCUMENTS,
    Choice,
    Field,
    bucket_word,
    interval_of,
    peak_of,
    trend_of,
)
from opensearch_strata.dashboards.patterns import Patterns
from opensearch_strata.dashboards.visualizations import MOST_GROUPS
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.month.level_notes import LEVEL

Body = dict[str, Any]

_TYPE = "grafana-opensearch-datasource"
_SCHEMA_VERSION = 39  # of Grafana 11; newer ones migrate it
_LONGEST_UID = 40
_WIDTH = 24
_HALF = _WIDTH // 2
_REPLACED = re.compile(r"\$|\[\[")
_PLAIN = re.compile(r"[A-Za-z0-9_.]")


def dashboard(dataset: Dataset, choice: Choice) -> Body:
    """The dashboard, as Grafana imports it.

    :param choice: what is drawn
    """
    panels = [_volume(dataset, choice)]
    for metric in choice.metrics:
        panels += _of_metric(dataset, choice, metric)
    panels.append(_documents(dataset))
    return {
        "uid": _uid(dataset, ""),
        "title": f"Strata: {dataset.name}",
        "description": dataset.description,
        "tags": ["strata"],
        "timezone": dataset.time_zone,
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-90d", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": _placed(panels),
    }


def data_sources(dataset: Dataset, patterns: Patterns) -> Body:
    """The data sources as a file for Grafana's provisioning; URL and login are variables of its environment.

    :param patterns: the expressions of the dataset's indices
    """
    named = {"raw": patterns.raw, "history": patterns.history, "levels": patterns.levels}
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": f"Strata {dataset.name} {source}",
                "uid": _uid(dataset, source),
                "type": _TYPE,
                "access": "proxy",
                "url": "$OPENSEARCH_URL",
                "basicAuth": True,
                "basicAuthUser": "$OPENSEARCH_USERNAME",
                "jsonData": {
                    "database": expression,
                    # A dollar sign begins the name of a variable here, two are one.
                    "timeField": (dataset.raw.timestamp if source == "raw" else "@timestamp").replace("$", "$$"),
                    "flavor": "opensearch",
                    "version": "2.19.0",
                },
                "secureJsonData": {"basicAuthPassword": "$OPENSEARCH_PASSWORD"},
            }
            for source, expression in named.items()
            if expression
        ],
    }


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


def _uid(dataset: Dataset, source: str) -> str:
    uid = "-".join(filter(None, ("strata", dataset.name, source)))
    if len(uid) <= _LONGEST_UID:
        return uid
    return f"{uid[: _LONGEST_UID - 9]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _volume(dataset: Dataset, choice: Choice) -> Body:
    # Any interval is exact that is not shorter than that of the rows.
    level = choice.hours or choice.all
    query = _query([{"id": "1", "type": "sum", "field": DOCUMENTS}], [_over_time("2", "auto", 0)], level)
    return {
        **_panel(dataset, "levels" if level else "history", "Documents", "timeseries", [query], _WIDTH, 7),
        "interval": interval_of(level) if level else dataset.history.bucket,
        "fieldConfig": _drawn("", "bars"),
    }


def _of_metric(dataset: Dataset, choice: Choice, metric: str) -> list[Body]:
    unit, panels = dataset.metrics[metric].unit or "", []
    if level := choice.all:
        fields = trend_of(dataset, metric)
        # Not one row falls into another's interval, and intervals without a row are left out.
        time = _over_time("1", _shorter(interval_of(level)), 1)
        metrics = [_max(f"{number}", field) for number, field in enumerate(fields, start=2)]
        queries = [
            {**_query([one], [time], level), "refId": f"A{place}", "alias": field.label}
            for place, (one, field) in enumerate(zip(metrics, fields, strict=True))
        ]
        title = f"{metric}: {', '.join(field.label for field in fields)} of each {bucket_word(level)}"
        drawn = _drawn(unit, "line", [_around(dataset, level)])
        panels.append({**_panel(dataset, "levels", title, "timeseries", queries), "fieldConfig": drawn})
        if "sum" in dataset.metrics[metric].stats:
            finest = choice.hours or level
            panels.append(
                {
                    **_panel(dataset, "levels", f"{metric}: average", "timeseries", [_average(metric, finest)]),
                    "interval": interval_of(finest),
                    "description": "Sums divided by counts, so it is the average of all documents at any interval.",
                    "fieldConfig": _drawn(unit, "line"),
                }
            )
    if (level := choice.groups) and not _REPLACED.search(level.group_by[0]):
        peak = peak_of(dataset, metric)
        group, *others = level.group_by
        terms = {
            "id": "1",
            "type": "terms",
            "field": group,
            "settings": {"size": f"{MOST_GROUPS}", "order": "desc", "orderBy": "2", "min_doc_count": "1"},
        }
        title = f"{metric}: highest {peak.label} of a {bucket_word(level)} by group"
        panels.append(
            {
                **_panel(dataset, "levels", title, "table", [_query([_max("2", peak)], [terms], level)]),
                "description": "Each row is also of one value of the other groups." if others else "",
                "fieldConfig": _drawn(unit),
            }
        )
    return panels


def _average(metric: str, level: Level) -> Body:
    """The average of all documents of an interval of any length: sums over counts, never averages of averages."""
    paths = {"2": ("sum", f"metrics.{metric}.sum"), "3": ("sum", f"metrics.{metric}.count")}
    parts = [{"id": key, "type": kind, "field": path, "hide": True} for key, (kind, path) in paths.items()]
    quotient = {
        "id": "4",
        "type": "bucket_script",
        "pipelineVariables": [{"name": "sum", "pipelineAgg": "2"}, {"name": "count", "pipelineAgg": "3"}],
        "settings": {"script": "params.sum / params.count"},
    }
    return {**_query([*parts, quotient], [_over_time("1", "auto", 1)], level), "alias": "average"}


def _documents(dataset: Dataset) -> Body:
    documents = {"id": "1", "type": "raw_data", "settings": {"size": "500", "order": "desc", "useTimeRange": True}}
    query = _query([documents], [], None)
    return {
        **_panel(dataset, "raw", "Raw documents", "table", [query], _WIDTH, 10),
        "fieldConfig": _drawn(""),
    }


def _around(dataset: Dataset, level: Level) -> Body:
    """A link from a point to the raw documents of its bucket and of the one before it."""
    window = 2 * (level.length or timedelta(days=31)) // timedelta(milliseconds=1)
    return {
        "title": "Raw documents around this point",
        "url": f"/d/{_uid(dataset, '')}?time=${{__value.time}}&time.window={window}",
        "targetBlank": False,
    }


def _shorter(interval: str) -> str:
    """The interval in which Grafana asks for rows, whose histograms know no time zone.

    Local midnights may be an hour or 15 minutes off those of UTC, and two of them may be on one day of UTC.
    """
    return interval if interval in ("5m", "1m") else "15m"


def _over_time(identity: str, interval: str, at_least: int) -> Body:
    settings = {"interval": interval, "min_doc_count": f"{at_least}", "trimEdges": "0"}
    return {"id": identity, "type": "date_histogram", "field": "@timestamp", "settings": settings}


def _max(identity: str, field: Field) -> Body:
    return {"id": identity, "type": "max", "field": field.path}


def _query(metrics: Sequence[Body], buckets: Sequence[Body], level: Level | None) -> Body:
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


def _panel(
    dataset: Dataset,
    source: str,
    title: str,
    kind: str,
    queries: Sequence[Body],
    width: int = _HALF,
    height: int = 9,
) -> Body:
    origin = {"type": _TYPE, "uid": _uid(dataset, source)}
    return {
        "type": kind,
        "title": title,
        "description": "",
        "datasource": origin,
        "targets": [{**query, "datasource": origin} for query in queries],
        "options": {},
        "gridPos": {"w": width, "h": height},
    }


def _drawn(unit: str, style: str = "", links: Sequence[Body] = ()) -> Body:
    custom = {"drawStyle": style, "fillOpacity": 60 if style == "bars" else 0, "showPoints": "always"} if style else {}
    defaults = {"custom": custom, "links": list(links), **({"unit": f"suffix: {unit}"} if unit else {})}
    return {"defaults": defaults, "overrides": []}


def _placed(panels: Sequence[Body]) -> list[Body]:
    """The panels with their ids and places, row by row."""
    found = []
    x = y = row = 0
    for number, panel in enumerate(panels, start=1):
        size = panel["gridPos"]
        if x + size["w"] > _WIDTH:
            x, y, row = 0, y + row, 0
        found.append({**panel, "id": number, "gridPos": {**size, "x": x, "y": y}})
        x, row = x + size["w"], max(row, size["h"])
    return found
