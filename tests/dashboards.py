"""What OpenSearch Dashboards and Grafana ask OpenSearch for panels: the parts of their programs that panels depend on.

Neither is in a package registry, so this is written from their public source: OpenSearch Dashboards 3.x
(``src/plugins/data/common/search``; for Vega see ``local/pictures/panels.py``) and the data source of Grafana
(``pkg/opensearch/lucene_handler.go`` of grafana/opensearch-datasource).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.pictures.panels import vega_request, vega_spec

Body = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What a dashboard shows at present.

    :param start: first moment of its time range, aware
    :param end: last moment, aware
    :param filters: queries of the filter bar
    """

    start: datetime
    end: datetime
    filters: Sequence[Body] = ()

    def range(self, field: str) -> Body:
        """The time range as a query, as Dashboards writes it."""
        times = {"gte": self.start.isoformat(), "lte": self.end.isoformat()}
        return {"range": {field: {**times, "format": "strict_date_optional_time"}}}


def by_part(objects: Sequence[Body], name: str) -> dict[str, Body]:
    """Saved objects by what their ids are made of.

    :param name: of the dataset
    """
    return {one["id"].removeprefix(f"strata-{name}-"): one for one in objects}


def pattern_of(objects: Sequence[Body], one: Body) -> Body:
    """Attributes of the index pattern that a saved object reads."""
    name = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["indexRefName"]
    (identity,) = [other["id"] for other in one["references"] if other["name"] == name]
    (pattern,) = [other for other in objects if other["id"] == identity]
    attributes: Body = pattern["attributes"]
    return attributes


def dashboards_request(objects: Sequence[Body], one: Body, shown: Shown) -> tuple[str, Body]:
    """Index expression and body of the search for a visualization by aggregations, or for a list of documents."""
    attributes = one["attributes"]
    pattern = pattern_of(objects, one)
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["query"]["query"] == ""
    filters = [filter_["query"] for filter_ in source["filter"]]
    body = {
        "track_total_hits": True,
        "query": {
            "bool": {
                "must": [],
                "filter": [{"match_all": {}}, *filters, *shown.filters, shown.range(pattern["timeFieldName"])],
                "should": [],
                "must_not": [],
            }
        },
    }
    if one["type"] == "search":
        order = [{field: {"order": how, "unmapped_type": "boolean"}} for field, how in attributes["sort"]]
        return pattern["title"], {**body, "size": 500, "sort": order, "version": True}
    return pattern["title"], {**body, "size": 0, "aggs": _aggregations(json.loads(attributes["visState"])["aggs"])}


def _aggregations(aggs: Sequence[Body]) -> Body:
    metrics = {agg["id"]: {agg["type"]: {"field": agg["params"]["field"]}} for agg in aggs if agg["schema"] == "metric"}
    nested = metrics
    for agg in reversed([agg for agg in aggs if agg["schema"] == "segment"]):
        nested = {agg["id"]: {**_bucket(agg, metrics), **({"aggs": nested} if nested else {})}}
    return nested


def _bucket(agg: Body, metrics: Mapping[str, Body]) -> Body:
    params = agg["params"]
    if agg["type"] == "terms":
        assert params["orderBy"] in metrics
        assert not params["missingBucket"]
        order = {params["orderBy"]: params["order"]}
        return {"terms": {"field": params["field"], "order": order, "size": params["size"]}}
    assert (
        params["useNormalizedOpenSearchInterval"] is False
    )  # otherwise a long time range would have a longer interval
    number, unit = re.fullmatch(r"(\d+)([a-zA-Z]+)", params["interval"]).groups()  # type: ignore[union-attr]
    kind = "calendar_interval" if number == "1" and unit not in ("ms", "s") else "fixed_interval"
    return {
        "date_histogram": {
            "field": params["field"],
            kind: params["interval"],
            "time_zone": params["time_zone"],
            "min_doc_count": params["min_doc_count"],
        }
    }


def vega_panel(one: Body) -> Body:
    """The specification of a Vega panel as its program reads it."""
    assert json.loads(one["attributes"]["visState"])["type"] == "vega"
    spec = vega_spec(one["attributes"])
    assert set(spec["data"]["url"]) == {"index", "body"}
    return spec


def vega_search(one: Body, shown: Shown) -> tuple[str, Body]:
    """Index expression and body of the search for a Vega panel."""
    return vega_request(vega_panel(one), shown.range("x")["range"]["x"], shown.filters)


def grafana_requests(panel: Body, sources: Body, shown: Shown, interval: str = "1h") -> list[tuple[str, Body]]:
    """Index expression and body of each search for a panel of Grafana.

    :param sources: provisioned data sources
    :param interval: what ``$__interval`` is at this time range
    """
    found = []
    for target in panel["targets"]:
        (source,) = [one for one in sources["datasources"] if one["uid"] == target["datasource"]["uid"]]
        settings = source["jsonData"]
        field = settings["timeField"].replace("$$", "$")
        start, end = (round(moment.timestamp() * 1000) for moment in (shown.start, shown.end))
        # ``applyTemplateVariables`` replaces variables in the whole query.
        assert not _VARIABLE.search(json.dumps(target)), target
        filters: list[Body] = [
            {"range": {field: {"format": "epoch_millis", "gte": start, "lte": end}}},
            {"query_string": {"analyze_wildcard": True, "query": target["query"]}},
        ]
        body: Body = {"size": 0, "query": {"bool": {"filter": filters}}}
        if target["metrics"][0]["type"] == "raw_data":
            settings_of = target["metrics"][0]["settings"]
            order = {field: {"order": settings_of["order"], "unmapped_type": "boolean"}}
            found.append((settings["database"], {**body, "size": int(settings_of["size"]), "sort": [order]}))
            continue
        aggs = {metric["id"]: _metric(metric, target["metrics"]) for metric in target["metrics"]}
        for bucket in reversed(target["bucketAggs"]):
            aggs = {
                bucket["id"]: {**_grafana_bucket(bucket, interval, (start, end)), **({"aggs": aggs} if aggs else {})}
            }
        found.append((settings["database"], {**body, "aggs": aggs}))
    return found


_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:[.:][^}]*)?\}")
"""What Grafana replaces in a query: ``public/app/features/variables/utils.ts``."""


def _metric(metric: Body, metrics: Sequence[Body]) -> Body:
    if metric["type"] == "bucket_script":
        paths = {one["name"]: one["pipelineAgg"] for one in metric["pipelineVariables"]}
        assert set(paths.values()) <= {one["id"] for one in metrics}
        return {"bucket_script": {"buckets_path": paths, **metric["settings"]}}
    return {metric["type"]: {"field": metric["field"]}}


def _grafana_bucket(bucket: Body, interval: str, bounds: tuple[int, int]) -> Body:
    settings = bucket["settings"]
    at_least = int(settings["min_doc_count"])
    if bucket["type"] == "terms":
        order = {settings["orderBy"]: settings["order"]}
        return {
            "terms": {
                "field": bucket["field"],
                "size": int(settings["size"]),
                "order": order,
                "min_doc_count": at_least,
            }
        }
    wanted = interval if settings["interval"] == "auto" else settings["interval"]
    return {
        "date_histogram": {
            "field": bucket["field"],
            "interval": wanted,
            "min_doc_count": at_least,
            "extended_bounds": {"min": bounds[0], "max": bounds[1]},
            "format": "epoch_millis",
        }
    }
