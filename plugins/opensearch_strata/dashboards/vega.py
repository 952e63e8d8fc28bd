"""Vega-Lite specifications for OpenSearch Dashboards: a heat map of hours, any quantile or average of rows. Pure.

A specification queries by itself: https://docs.opensearch.org/latest/dashboards/visualize/vega/. Dashboards replaces
what stands between percent signs, such as the filters and the time range of the dashboard, see
``src/plugins/vis_type_vega/public/data_model/opensearch_query_parser.ts`` of OpenSearch Dashboards 3.x. It looks for
them in keys and in lists of the query; all names of a dataset are values elsewhere, so they are never replaced. Nor are
they part of an expression: fields have names of their own here.

Times are formatted by the server in the dataset's time zone and read as the browser's own, so that a chart shows the
dataset's clock everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearch_strata.dashboards.choice import peak_of, with_unit
from opensearch_strata.dashboards.stored_scripts import merged_rows
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.month.level_notes import LEVEL

Body = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_TIME = "@timestamp"
_CLOCK = "yyyy-MM-dd'T'HH:mm:ss"

_CONFIG: Body = {"aria": False}
"""Older Vega-Lite (5.8, as in Dashboards 2.x) puts titles into the expressions of tooltips and descriptions without
quoting them. So tooltips have titles of their own, and there are no descriptions."""

PERCENTS = [*range(1, 100), *(99 + tenth / 10 for tenth in range(1, 10))]
"""What the slider offers: each percent, and each tenth above 99."""
_PLACE = "percentile <= 99 ? round(percentile) - 1 : 98 + round((percentile - 99) * 10)"


def hours_spec(dataset: Dataset, level: Level, index: str, metric: str) -> Body:
    """Heat map: the hour of the day over the day.

    :param level: rows of all documents of an hour or less
    :param index: expression that finds the rows of levels
    :param metric: name of a metric that measures
    """
    peak = peak_of(dataset, metric)
    hours = {"date_histogram": _histogram(dataset, "1h"), "aggs": {"peak": {"max": {"field": peak.path}}}}
    label = f"{peak.label} of {with_unit(dataset, metric)}"
    return {
        "$schema": _SCHEMA,
        "data": _rows(index, level, {"hours": hours}),
        "transform": [
            {"filter": "isValid(datum.peak.value)"},
            {"calculate": "slice(datum.key_as_string, 0, 10)", "as": "day"},
            {"calculate": "slice(datum.key_as_string, 11, 13)", "as": "hour"},
            {"calculate": "datum.peak.value", "as": "value"},
            # When clocks go back, an hour of the day comes twice.
            {"aggregate": [{"op": "max", "field": "value", "as": "value"}], "groupby": ["day", "hour"]},
        ],
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "day", "type": "ordinal", "title": "day", "axis": {"labelOverlap": True}},
            "y": {"field": "hour", "type": "ordinal", "title": "hour of the day"},
            "color": {"field": "value", "type": "quantitative", "title": label, "scale": {"scheme": "viridis"}},
            "tooltip": [
                {"field": "day", "type": "nominal", "title": "day"},
                {"field": "hour", "type": "nominal", "title": "hour"},
                {"field": "value", "type": "quantitative", "title": "value"},
            ],
        },
        "config": _CONFIG,
    }


def averages_spec(dataset: Dataset, level: Level | None, index: str, metric: str) -> Body:
    """The average of each day, for whatever the dashboard's filters select: sums over counts.

    :param level: the rows to add up, which keep all groups apart; None for base rows
    :param index: expression that finds these rows
    :param metric: name of a metric with a sum
    """
    parts = {part: {"sum": {"field": f"metrics.{metric}.{part}"}} for part in ("sum", "count")}
    average = [
        {"filter": "datum['count'].value > 0"},
        {"calculate": "datum['sum'].value / datum['count'].value", "as": "value"},
        {"calculate": "datum['count'].value", "as": "values"},
    ]
    return _by_day(dataset, level, index, metric, parts, average)


def quantiles_spec(dataset: Dataset, level: Level | None, index: str, metric: str) -> Body:
    """A quantile of each day, chosen by a slider, for whatever the dashboard's filters select.

    :param level: the rows to merge, which keep all groups apart; None for base rows
    :param index: expression that finds these rows
    :param metric: name of a metric with a sketch
    """
    merged = {"merged": merged_rows(dataset, metric, [percent / 100 for percent in PERCENTS])}
    quantile = [
        {"filter": "isValid(datum.merged.value)"},
        {"filter": "isValid(datum.merged.value.quantiles)"},
        {"calculate": f"datum.merged.value.quantiles[{_PLACE}]", "as": "value"},
        {"calculate": "datum.merged.value.count", "as": "values"},
    ]
    slider = {"input": "range", "min": PERCENTS[0], "max": PERCENTS[-1], "step": 0.1, "name": "percentile "}
    params = [{"name": "percentile", "value": 99, "bind": slider}]
    return {**_by_day(dataset, level, index, metric, merged, quantile), "params": params}


def _by_day(
    dataset: Dataset, level: Level | None, index: str, metric: str, aggs: Body, transform: Sequence[Body]
) -> Body:
    """A line with a point for each day.

    :param aggs: of a day
    :param transform: makes of them the ``value`` of the day, and how many ``values`` it is of
    """
    return {
        "$schema": _SCHEMA,
        "data": _rows(index, level, {"days": {"date_histogram": _histogram(dataset, "1d"), "aggs": aggs}}),
        "transform": [*transform, {"calculate": "toDate(datum.key_as_string)", "as": "day"}],
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "day", "type": "temporal", "title": "day"},
            "y": {"field": "value", "type": "quantitative", "title": with_unit(dataset, metric)},
            "tooltip": [
                {"field": "day", "type": "temporal", "title": "day"},
                {"field": "value", "type": "quantitative", "title": "value"},
                {"field": "values", "type": "quantitative", "title": "values"},
            ],
        },
        "config": _CONFIG,
    }


def _histogram(dataset: Dataset, interval: str) -> Body:
    return {
        "field": _TIME,
        "calendar_interval": interval,
        "time_zone": dataset.time_zone,
        "format": _CLOCK,
        "min_doc_count": 1,
    }


def _rows(index: str, level: Level | None, aggs: Body) -> Body:
    """Data of a specification: an aggregation over rows within the time range and the filters of the dashboard.

    :param level: the level whose rows are read; None for base rows
    """
    query = {
        "bool": {
            "must": ["%dashboard_context-must_clause%", {"range": {_TIME: {"%timefilter%": True}}}],
            "filter": ["%dashboard_context-filter_clause%", *([{"term": {LEVEL: level.name}}] if level else [])],
            "must_not": ["%dashboard_context-must_not_clause%"],
        }
    }
    (name,) = aggs
    return {
        "url": {"index": index, "body": {"size": 0, "query": query, "aggs": aggs}},
        "format": {"property": f"aggregations.{name}.buckets"},
    }
