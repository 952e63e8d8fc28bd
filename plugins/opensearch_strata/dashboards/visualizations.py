"""``visState`` of the charts that OpenSearch Dashboards draws by aggregations, and of texts. Pure.

Their form is that of OpenSearch Dashboards 3.x: parameters of the chart as in its sample data
(``src/plugins/home/server/services/sample_data``), those of aggregations as in
``src/plugins/data/common/search/aggs/buckets/date_histogram.ts`` and ``terms.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from opensearch_strata.dashboards.choice import DOCUMENTS, MOST_GROUPS, Field

Body = dict[str, Any]


def over_time(
    kind: Literal["line", "histogram"], fields: Sequence[Field], axis: str, interval: str, time_zone: str
) -> Body:
    """A chart of fields of rows over time, or of how many documents they stand for.

    :param kind: lines, or bars
    :param fields: each a line, none a quantile; none for the number of documents
    :param axis: title of the vertical axis
    :param interval: length of a point in time, see :func:`opensearch_strata.dashboards.choice.interval_of`
    :param time_zone: whose calendar counts
    """
    metrics = [_joined(number, field) for number, field in enumerate(fields, start=2)] or [
        _aggregation("2", "sum", "metric", {"field": DOCUMENTS, "customLabel": axis})
    ]
    time = {
        "field": "@timestamp",
        "interval": interval,
        # Otherwise Dashboards takes a longer interval for more than 100 points, against its title.
        "useNormalizedOpenSearchInterval": False,
        "scaleMetricValues": False,
        "time_zone": time_zone,
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
    }
    return {
        "type": kind,
        "params": _drawn(kind, [metric["params"]["customLabel"] for metric in metrics], axis),
        "aggs": [*metrics, _aggregation("1", "date_histogram", "segment", time)],
    }


def highest(field: Field, group: str, axis: str) -> Body:
    """A bar chart of the groups with the highest maximum, sum or count of the time range.

    :param group: field of the group
    :param axis: title of the axis of the values
    """
    groups = {
        "field": group,
        "orderBy": "2",
        "order": "desc",
        "size": MOST_GROUPS,
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
    }
    return {
        "type": "horizontal_bar",
        "params": _drawn("histogram", [field.label], axis, sideways=True),
        "aggs": [_joined(2, field), _aggregation("1", "terms", "segment", groups)],
    }


def vega(spec: str) -> Body:
    """A chart that a Vega specification describes.

    :param spec: its JSON
    """
    return {"type": "vega", "params": {"spec": spec}, "aggs": []}


def text(markdown: str) -> Body:
    """A text.

    :param markdown: without anything that others wrote
    """
    return {
        "type": "markdown",
        "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown},
        "aggs": [],
    }


def _joined(number: int, field: Field) -> Body:
    return _aggregation(f"{number}", field.joined, "metric", {"field": field.path, "customLabel": field.label})


def _aggregation(identity: str, kind: str, schema: str, params: Body) -> Body:
    return {"id": identity, "enabled": True, "type": kind, "schema": schema, "params": params}


def _drawn(kind: str, labels: Sequence[str], axis: str, *, sideways: bool = False) -> Body:
    """Parameters of a chart with axes.

    :param labels: of its metrics, whose ids are counted from 2 on
    :param axis: title of the axis of the values
    """
    series = [
        {
            "show": True,
            "type": kind,
            "mode": "normal",
            "data": {"id": f"{number}", "label": label},
            "valueAxis": "ValueAxis-1",
            "drawLinesBetweenPoints": True,
            "lineWidth": 2,
            "interpolate": "linear",
            "showCircles": True,
        }
        for number, label in enumerate(labels, start=2)
    ]
    return {
        "type": kind,
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "left" if sideways else "bottom",
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "filter": not sideways, "truncate": 100},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "BottomAxis-1" if sideways else "LeftAxis-1",
                "type": "value",
                "position": "bottom" if sideways else "left",
                "show": True,
                "style": {},
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": sideways, "truncate": 100},
                "title": {"text": axis},
            }
        ],
        "seriesParams": series,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {},
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    }
