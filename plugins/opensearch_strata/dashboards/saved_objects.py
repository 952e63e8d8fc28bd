"""Saved objects of OpenSearch Dashboards for a dataset, as its import reads them: one JSON object a line. Pure.

The form is that of exports of OpenSearch Dashboards 3.x; the types are defined in
``src/plugins/visualizations/server/saved_objects/visualization.ts``, ``src/plugins/dashboard/server/saved_objects``,
``src/plugins/discover/server/saved_objects/search.ts`` and ``src/plugins/data/server/saved_objects``. An object names
others in ``references`` only. Ids follow from the dataset's name, so importing again replaces.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from opensearch_strata.dashboards.choice import Choice
from opensearch_strata.dashboards.panels import COLUMNS, Panel, Source, panels_of
from opensearch_strata.dashboards.patterns import Patterns
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.level_notes import LEVEL

Body = dict[str, Any]

# The last migration of each type. Without it, an import would take the objects for older ones and remove, among others,
# the time zones of histograms: visualization_migrations.ts, dashboard_migrations.ts, search_migrations.ts.
_MIGRATED = {"visualization": "7.10.0", "dashboard": "7.9.3", "search": "7.9.3", "index-pattern": "7.6.0"}
_PANEL_VERSION = "7.9.3"
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
_FILTER = "kibanaSavedObjectMeta.searchSourceJSON.filter[0].meta.index"
_NO_QUERY = {"query": "", "language": "kuery"}
_DAYS = 90


def saved_objects(dataset: Dataset, choice: Choice, patterns: Patterns) -> list[Body]:
    """All saved objects of a dataset's dashboard; those that others name come first.

    :param choice: what is drawn
    :param patterns: the expressions of its indices
    """
    panels = list(panels_of(dataset, choice, patterns))
    sources: list[tuple[Source, str]] = [("raw", patterns.raw), ("history", patterns.history)]
    if patterns.levels:
        sources.append(("levels", patterns.levels))
    return [
        *(_index_pattern(dataset, source, expression) for source, expression in sources),
        *(_visualization(dataset, panel) if panel.state else _documents(dataset, panel) for panel in panels),
        _dashboard(dataset, panels),
    ]


def as_ndjson(objects: Sequence[Body]) -> str:
    """The file that an import reads.

    :param objects: what it holds, in this order
    """
    return "".join(f"{json.dumps(one, sort_keys=True)}\n" for one in objects)


def object_id(dataset: Dataset, part: str) -> str:
    """Id of a saved object; the names of datasets have no hyphen, so that no two objects share one.

    :param part: what it is
    """
    return f"strata-{dataset.name}-{part}"


def _object(dataset: Dataset, kind: str, part: str, attributes: Body, references: Sequence[Body] = ()) -> Body:
    return {
        "type": kind,
        "id": object_id(dataset, part),
        "attributes": attributes,
        "references": list(references),
        "migrationVersion": {kind: _MIGRATED[kind]},
    }


def _reference(dataset: Dataset, name: str, kind: str, part: str) -> Body:
    return {"name": name, "type": kind, "id": object_id(dataset, part)}


def _index_pattern(dataset: Dataset, source: Source, expression: str) -> Body:
    time_field = dataset.raw.timestamp if source == "raw" else "@timestamp"
    # Dashboards asks the cluster for the fields of a pattern that states none.
    attributes = {"title": expression, "timeFieldName": time_field, "fields": "[]"}
    return _object(dataset, "index-pattern", source, attributes)


def _visualization(dataset: Dataset, panel: Panel) -> Body:
    title = f"{dataset.name}: {panel.title}"
    search: Body = {"query": _NO_QUERY, "filter": []}
    references = []
    if panel.source:
        search["indexRefName"] = _INDEX
        references.append(_reference(dataset, _INDEX, "index-pattern", panel.source))
        if panel.level:
            search["filter"] = [_level_filter(panel.level.name)]
            references.append(_reference(dataset, _FILTER, "index-pattern", panel.source))
    attributes = {
        "title": title,
        "visState": json.dumps({"title": title, **panel.state}),
        "uiStateJSON": "{}",
        "description": "",
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(search)},
    }
    return _object(dataset, "visualization", panel.part, attributes, references)


def _level_filter(level: str) -> Body:
    """A filter as the filter bar makes it: a value, and no text of a query.

    :param level: its name
    """
    return {
        "$state": {"store": "appState"},
        "meta": {
            "alias": None,
            "disabled": False,
            "negate": False,
            "indexRefName": _FILTER,
            "type": "phrase",
            "key": LEVEL,
            "params": {"query": level},
        },
        "query": {"match_phrase": {LEVEL: level}},
    }


def _documents(dataset: Dataset, panel: Panel) -> Body:
    fields = [*dataset.history.group_by, *(metric.field for metric in dataset.metrics.values())]
    search = {"query": _NO_QUERY, "filter": [], "highlightAll": True, "version": True, "indexRefName": _INDEX}
    attributes = {
        "title": f"{dataset.name}: {panel.title}",
        "description": "",
        "hits": 0,
        "columns": list(dict.fromkeys(fields)),
        "sort": [[dataset.raw.timestamp, "desc"]],
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(search)},
    }
    return _object(
        dataset, "search", panel.part, attributes, [_reference(dataset, _INDEX, "index-pattern", panel.source or "raw")]
    )


def _dashboard(dataset: Dataset, panels: Sequence[Panel]) -> Body:
    placed, references = [], []
    x = y = row = 0
    for number, panel in enumerate(panels):
        if x + panel.width > COLUMNS:
            x, y, row = 0, y + row, 0
        name = f"panel_{number}"
        grid = {"x": x, "y": y, "w": panel.width, "h": panel.height, "i": f"{number}"}
        placed.append(
            {
                "version": _PANEL_VERSION,
                "panelIndex": f"{number}",
                "gridData": grid,
                "embeddableConfig": {},
                "panelRefName": name,
            }
        )
        references.append(_reference(dataset, name, "visualization" if panel.state else "search", panel.part))
        x, row = x + panel.width, max(row, panel.height)
    first, last = _time_range(dataset)
    attributes = {
        "title": f"Strata: {dataset.name}",
        "description": dataset.description,
        "hits": 0,
        "panelsJSON": json.dumps(placed),
        "optionsJSON": json.dumps({"hidePanelTitles": False, "useMargins": True}),
        "version": 1,
        "timeRestore": True,
        "timeFrom": first,
        "timeTo": last,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps({"query": _NO_QUERY, "filter": []})},
    }
    return _object(dataset, "dashboard", "dashboard", attributes, references)


def _time_range(dataset: Dataset) -> tuple[str, str]:
    """What is shown first: the last 90 days, or those before the end of a dataset that has one."""
    end = dataset.cycle.end_date
    if end is None:
        return f"now-{_DAYS}d", "now"
    first, last = (
        datetime.combine(end + timedelta(days=days), time.min, dataset.zone).isoformat() for days in (1 - _DAYS, 1)
    )
    return first, last
