"""Vega-Lite specifications for OpenSearch Dashboards: whatever is merged or divided, as no other chart of it can. Pure.

A specification queries by itself: https://docs.opensearch.org/latest/dashboards/visualize/vega/. Dashboards replaces
what stands between percent signs, such as the filters and the time range of the dashboard, see
``src/plugins/vis_type_vega/public/data_model/opensearch_query_parser.ts`` of OpenSearch Dashboards 3.x. It looks for
them in keys and in lists of the query; all names of a dataset are values elsewhere, so they are never replaced. Nor are
they part of an expression: fields have names of their own here.

Times are formatted by the server in the dataset's time zone and read as the browser's own, so that a chart shows the
dataset's clock everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from opensearch_strata.dashboards.choice import MOST_GROUPS, Field, interval_of, peak_of, trend_of, with_unit
from opensearch_strata.dashboards.stored_scripts import merged_rows
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import MONTH, Level
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
_MERGED: tuple[Body, ...] = (
    {"filter": "isValid(datum.merged.value)"},
    {"filter": "isValid(datum.merged.value.quantiles)"},
)
_PLACE = "percentile <= 99 ? round(percentile) - 1 : 98 + round((percentile - 99) * 10)"


def hours_spec(dataset: Dataset, level: Level, index: str, metric: str) -> Body:
    """Heat map: the hour of the day over the day.

    :param level: rows of all documents of an hour or less
    :param index: expression that finds the rows of levels
    :param metric: name of a metric that measures
    """
    peak = peak_of(dataset, metric)
    hours = {"date_histogram": _histogram(dataset, "1h"), "aggs": {"peak": _joined(dataset, metric, peak)}}
    label = f"{peak.label} of {with_unit(dataset, metric)}"
    return {
        "$schema": _SCHEMA,
        "data": _rows(index, level, {"hours": hours}),
        "transform": [
            *_value_of(peak),
            {"calculate": "slice(datum.key_as_string, 0, 10)", "as": "day"},
            {"calculate": "slice(datum.key_as_string, 11, 13)", "as": "hour"},
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


def trend_spec(dataset: Dataset, level: Level, index: str, metric: str) -> Body:
    """The quantiles of :attr:`History.quantiles` over time, of all documents.

    :param level: rows of all documents
    :param index: expression that finds the rows of levels
    :param metric: name of a metric with a sketch
    """
    fields = trend_of(dataset, metric)
    labels = [field.label for field in fields]
    merged = {"merged": merged_rows(dataset, metric, [field.percent / 100 for field in fields])}
    values = [
        *_MERGED,
        {"calculate": json.dumps(labels), "as": "quantile"},
        {"calculate": "datum.merged.value.quantiles", "as": "value"},
        {"flatten": ["quantile", "value"]},
        {"calculate": "datum.merged.value.count", "as": "values"},
    ]
    spec = _over_time(dataset, level, index, metric, merged, values, interval_of(level))
    spec["encoding"]["color"] = {"field": "quantile", "type": "nominal", "title": "quantile", "sort": labels}
    spec["encoding"]["tooltip"].append({"field": "quantile", "type": "nominal", "title": "quantile"})
    return spec


def highest_spec(dataset: Dataset, level: Level, index: str, metric: str) -> Body:
    """The groups with the highest quantile of one day.

    The server orders groups by the highest number of a row, which the quantile of a day does not exceed by more than
    one value's rank, and merges the days of twice as many groups as are shown. So a row of a few late documents does
    not make its group one of the highest.

    :param level: rows that keep the first group apart; those of one day are merged
    :param index: expression that finds the rows of levels
    :param metric: name of a metric with a sketch
    """
    peak, group = peak_of(dataset, metric), level.group_by[0]
    groups = {
        "terms": {
            "field": group,
            "size": 2 * MOST_GROUPS,
            "order": {"highest": "desc"},
            # Days of the other groups are not merged at all.
            "collect_mode": "breadth_first",
        },
        "aggs": {
            "highest": {"max": {"field": peak.path}},
            "days": {
                "date_histogram": _histogram(dataset, _day_or_month(level)),
                "aggs": {"peak": _joined(dataset, metric, peak)},
            },
        },
    }
    by_value = [{"field": "value", "order": "descending"}]
    return {
        "$schema": _SCHEMA,
        "data": _rows(index, level, {"groups": groups}),
        "transform": [
            {"calculate": "datum.days.buckets", "as": "day"},
            {"calculate": "datum.key", "as": "group"},
            {"flatten": ["day"]},
            {"calculate": "datum.day.peak", "as": "peak"},
            *_value_of(peak),
            {"aggregate": [{"op": "max", "field": "value", "as": "value"}], "groupby": ["group"]},
            {"window": [{"op": "row_number", "as": "place"}], "sort": by_value},
            {"filter": f"datum.place <= {MOST_GROUPS}"},
        ],
        "mark": {"type": "bar"},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "title": f"{peak.label} of {with_unit(dataset, metric)}"},
            "y": {"field": "group", "type": "nominal", "title": None, "sort": {"field": "place"}},
            "tooltip": [
                {"field": "group", "type": "nominal", "title": "group"},
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
    total, count = ({"sum": {"field": f"metrics.{metric}.{part}"}} for part in ("sum", "count"))
    # Rows from before the definition asked for the sum have counts alone; no day with such rows is drawn.
    summed = {"filter": {"exists": {"field": f"metrics.{metric}.sum"}}, "aggs": {"sum": total, "count": count}}
    average = [
        {"filter": "datum['count'].value > 0 && datum.summed['count'].value == datum['count'].value"},
        {"calculate": "datum.summed['sum'].value / datum['count'].value", "as": "value"},
        {"calculate": "datum['count'].value", "as": "values"},
    ]
    return _over_time(dataset, level, index, metric, {"summed": summed, "count": count}, average, "1d")


def quantiles_spec(dataset: Dataset, level: Level | None, index: str, metric: str) -> Body:
    """A quantile of each day, chosen by a slider, for whatever the dashboard's filters select.

    :param level: the rows to merge, which keep all groups apart; None for base rows
    :param index: expression that finds these rows
    :param metric: name of a metric with a sketch
    """
    merged = {"merged": merged_rows(dataset, metric, [percent / 100 for percent in PERCENTS])}
    quantile = [
        *_MERGED,
        {"calculate": f"datum.merged.value.quantiles[{_PLACE}]", "as": "value"},
        {"calculate": "datum.merged.value.count", "as": "values"},
    ]
    slider = {"input": "range", "min": PERCENTS[0], "max": PERCENTS[-1], "step": 0.1, "name": "percentile "}
    params = [{"name": "percentile", "value": 99, "bind": slider}]
    return {**_over_time(dataset, level, index, metric, merged, quantile, "1d"), "params": params}


def _joined(dataset: Dataset, metric: str, peak: Field) -> Body:
    """The aggregation that joins the rows of a bucket.

    :param peak: the wanted number
    """
    if peak.joined == "sketch":
        return merged_rows(dataset, metric, [peak.percent / 100])
    return {peak.joined: {"field": peak.path}}


def _value_of(peak: Field) -> list[Body]:
    """Transforms that make the ``value`` of what :func:`_joined` answers as ``peak``.

    :param peak: the wanted number
    """
    valid: list[Body] = [{"filter": "isValid(datum.peak.value)"}]
    if peak.joined != "sketch":
        return [*valid, {"calculate": "datum.peak.value", "as": "value"}]
    valid.append({"filter": "isValid(datum.peak.value.quantiles)"})
    return [*valid, {"calculate": "datum.peak.value.quantiles[0]", "as": "value"}]


def _day_or_month(level: Level) -> str:
    return interval_of(level) if level.is_of_months else "1d"


def _over_time(
    dataset: Dataset,
    level: Level | None,
    index: str,
    metric: str,
    aggs: Body,
    transform: Sequence[Body],
    interval: str,
) -> Body:
    """A line with a point for each bucket of time.

    :param aggs: of a bucket
    :param transform: makes of them the ``value`` of the bucket, and how many ``values`` it is of
    :param interval: length of a bucket
    """
    time = "month" if interval == MONTH else "day" if interval == "1d" else "time"
    return {
        "$schema": _SCHEMA,
        "data": _rows(index, level, {"days": {"date_histogram": _histogram(dataset, interval), "aggs": aggs}}),
        "transform": [*transform, {"calculate": "toDate(datum.key_as_string)", "as": "day"}],
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "day", "type": "temporal", "title": time},
            "y": {"field": "value", "type": "quantitative", "title": with_unit(dataset, metric)},
            "tooltip": [
                {"field": "day", "type": "temporal", "title": time},
                {"field": "value", "type": "quantitative", "title": "value"},
                {"field": "values", "type": "quantitative", "title": "values"},
            ],
        },
        "config": _CONFIG,
    }


def _histogram(dataset: Dataset, interval: str) -> Body:
    return {
        "field": _TIME,
        "calendar_interval" if interval.startswith("1") and interval[1:].isalpha() else "fixed_interval": interval,
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
