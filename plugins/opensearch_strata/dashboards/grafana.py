"""A dashboard of Grafana for a dataset, and the data sources that it reads. Pure.

For the data source ``grafana-opensearch-datasource``. A data source is of one index expression and one time field, so
a dataset has one for each kind of its indices. Provisioning gives them the uids that the dashboard names:
https://grafana.com/docs/grafana/latest/administration/provisioning/.

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
    MOST_GROUPS,
    Choice,
    bucket_word,
    interval_of,
    peak_of,
    trend_of,
)
from opensearch_strata.dashboards.grafana_queries import (
    average_of,
    joined,
    lines_of,
    metric_of,
    over_time,
    query_of,
    shorter,
)
from opensearch_strata.dashboards.patterns import Patterns
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level

Body = dict[str, Any]

_TYPE = "grafana-opensearch-datasource"
_SCHEMA_VERSION = 39  # of Grafana 11; newer ones migrate it
_LONGEST_UID = 40
_WIDTH = 24
_HALF = _WIDTH // 2
_REPLACED = re.compile(r"\$|\[\[")
_BOUNDS = (
    "Grafana cannot merge quantiles. Where documents of one bucket came in several raw days, its quantile lies between "
    "those of its rows, which are drawn as at least and at most (to within one value's rank)."
)

_FEWEST: Body = {
    "matcher": {"id": "byName", "options": "Min"},
    "properties": [
        {"id": "displayName", "value": "fewest documents of a row"},
        {"id": "unit", "value": "none"},
    ],
}
"""The data source calls a column by how it was computed: ``metricAggType`` in ``pkg/opensearch/models.go``."""


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


def _uid(dataset: Dataset, source: str) -> str:
    uid = "-".join(filter(None, ("strata", dataset.name, source)))
    if len(uid) <= _LONGEST_UID:
        return uid
    return f"{uid[: _LONGEST_UID - 9]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _volume(dataset: Dataset, choice: Choice) -> Body:
    # Any interval is exact that is not shorter than that of the rows.
    level = choice.hours or choice.all
    query = query_of([{"id": "1", "type": "sum", "field": DOCUMENTS}], [over_time("2", "auto", 0)], level)
    return {
        **_panel(dataset, "levels" if level else "history", "Documents", "timeseries", [query], _WIDTH, 7),
        "interval": interval_of(level) if level else dataset.history.bucket,
        "fieldConfig": _drawn("", "bars"),
    }


def _of_metric(dataset: Dataset, choice: Choice, metric: str) -> list[Body]:
    unit, peak, panels = dataset.metrics[metric].unit or "", peak_of(dataset, metric), []
    if level := choice.all:
        fields = trend_of(dataset, metric)
        # No row falls into another bucket's interval, and intervals without a row are left out.
        time = over_time("1", shorter(interval_of(level)), 1)
        queries = [
            {**query_of(metrics, [time], level), "refId": f"A{place}", "alias": alias}
            for place, (alias, metrics) in enumerate(lines_of(fields))
        ]
        title = f"{metric}: {', '.join(field.label for field in fields)} of each {bucket_word(level)}"
        drawn = _drawn(unit, "line", [_around(dataset, level)])
        told = _BOUNDS if peak.joined == "sketch" else ""
        panel = _panel(dataset, "levels", title, "timeseries", queries)
        panels.append({**panel, "description": told, "fieldConfig": drawn})
        if "sum" in dataset.metrics[metric].stats:
            finest = choice.hours or level
            panels.append(
                {
                    **_panel(dataset, "levels", f"{metric}: average", "timeseries", [average_of(metric, finest)]),
                    "interval": interval_of(finest),
                    "description": "Sums divided by counts, so it is the average of all documents at any interval. "
                    "Rows from before the definition asked for the sum are left out.",
                    "fieldConfig": _drawn(unit, "line"),
                }
            )
    if (level := choice.groups) and not _REPLACED.search(level.group_by[0]):
        terms = {
            "id": "1",
            "type": "terms",
            "field": level.group_by[0],
            "settings": {"size": f"{MOST_GROUPS}", "order": "desc", "orderBy": "2", "min_doc_count": "1"},
        }
        metrics, title, told = [joined("2", peak)], f"{metric}: highest {peak.label} by group", ""
        drawn = _drawn(unit)
        if peak.joined == "sketch":
            metrics = [metric_of("2", "max", peak.path), metric_of("3", "min", DOCUMENTS)]
            title, told = f"{metric}: highest {peak.label} of a row by group", _of_rows(level)
            drawn["overrides"].append(_FEWEST)
        panel = _panel(dataset, "levels", title, "table", [query_of(metrics, [terms], level)])
        panels.append({**panel, "description": told, "fieldConfig": drawn})
    return panels


def _of_rows(level: Level) -> str:
    others = " and of one value of the other groups" if len(level.group_by) > 1 else ""
    return (
        f"Of single rows. A row is of one {bucket_word(level)}{others}, as far as its documents came in one raw day: a "
        "few late documents have a row of their own, and its quantile may be the highest here. The last column is "
        "the fewest documents that a row of the group has. read() and OpenSearch Dashboards merge such rows."
    )


def _documents(dataset: Dataset) -> Body:
    documents = {"id": "1", "type": "raw_data", "settings": {"size": "500", "order": "desc", "useTimeRange": True}}
    query = query_of([documents], [], None)
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
