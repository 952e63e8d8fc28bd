"""Rows of levels as their index holds them, and as plain documents give them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.levels.comparison import fields_of
from opensearch_strata.history.levels.rows import level_row_id
from opensearch_strata.history.levels.stored import values_by_id
from opensearch_strata.history.month.level_notes import LEVEL, LevelNote, complete_levels, complete_month
from opensearch_strata.sketches.ddsketch import bins_of, quantiles, unpack
from tests.streams import Document

Key = tuple[str, Any]
Row = dict[str, Any]


def stored_rows(client: OpenSearch, dataset: Dataset, day: date, level: Level) -> dict[str, Row]:
    """All rows of a level in the index of a year: ``_id`` -> field -> value, those without a value left out."""
    index = dataset.levels_index(day)
    client.indices.refresh(index=index)
    body = {"size": 10_000, "query": {"term": {LEVEL: level.name}}, "_source": False}
    ids = [hit["_id"] for hit in client.search(index=index, body=body)["hits"]["hits"]]
    fields = fields_of(dataset)
    found = values_by_id(client, index, ids, fields) if ids else {}
    return {
        identity: {field: value for field, value in zip(fields, values, strict=True) if value is not None}
        for identity, values in found.items()
    }


def notes(client: OpenSearch, dataset: Dataset, day: date) -> LevelNote | None:
    """What is noted of the levels of a day."""
    return complete_levels(strata_of(client, dataset, day)).get(day)


def month_note(client: OpenSearch, dataset: Dataset, day: date) -> LevelNote | None:
    """What is noted of the levels of a month."""
    return complete_month(strata_of(client, dataset, day))


def strata_of(client: OpenSearch, dataset: Dataset, day: date) -> dict[str, Any]:
    """``_meta.strata`` of a month."""
    index = dataset.month_index(day)
    strata: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]["strata"]
    return strata


def time_of(dataset: Dataset, level: Level, document: Document) -> int | None:
    """When the bucket of a document begins, epoch milliseconds, counted as a person would."""
    if "@timestamp" not in document:
        return None
    moment = datetime.fromisoformat(document["@timestamp"]).astimezone(UTC)
    day = moment.astimezone(dataset.zone).date()
    midnight = day_bounds(day.replace(day=1) if level.is_of_months else day, dataset.zone)[0]
    if level.length and level.length < timedelta(days=1):
        begin = datetime(1970, 1, 1, tzinfo=UTC) if level.length == dataset.history.bucket_length else midnight
        midnight = begin + (moment - begin) // level.length * level.length
    return round(midnight.timestamp() * 1000)


def merged(dataset: Dataset, level: Level, days: dict[date, list[Document]]) -> dict[str, Row]:
    """The rows that a level must have, from the documents of each raw day: ``_id`` -> what is expected of it."""
    groups: dict[tuple[Any, ...], list[Document]] = {}
    for day, documents in days.items():
        for document in documents:
            keys = (*(document.get(group) for group in level.group_by), time_of(dataset, level, document))
            groups.setdefault((dataset.unit_id(level, day), *keys), []).append(document)
    return {
        level_row_id(level, unit, keys): _row(dataset, level, unit, keys, documents)
        for (unit, *keys), documents in groups.items()
    }


def _row(dataset: Dataset, level: Level, unit: str, keys: list[Any], documents: Iterable[Document]) -> Row:
    documents = list(documents)
    row: Row = {"transform._id": unit, "transform._doc_count": len(documents), LEVEL: level.name}
    row |= {field: key for field, key in zip((*level.group_by, "@timestamp"), keys, strict=True) if key is not None}
    for name, metric in dataset.metrics.items():
        values = [float(document[metric.field]) for document in documents if metric.field in document]
        if not values:
            continue
        of_all = {"min": min(values), "max": max(values), "sum": math.fsum(values), "count": len(values)}
        of_all["avg"] = of_all["sum"] / len(values)
        row |= {f"metrics.{name}.{stat}": of_all[stat] for stat in metric.stats}
        if name in dataset.sketches:
            bins = bins_of(values, 10)
            row[f"metrics.{name}.sketch"] = bins
            wanted = [percent / 100 for percent in dataset.history.quantiles]
            found = quantiles(bins, wanted, 10, min(values), max(values))
            row |= {f"metrics.{name}.p{percent:g}": found[percent / 100] for percent in dataset.history.quantiles}
    return row


def assert_same(found: dict[str, Row], wanted: dict[str, Row]) -> None:
    """Stored rows are those that documents give."""
    assert found.keys() == wanted.keys()
    for identity, row in wanted.items():
        there = found[identity]
        assert there.keys() == row.keys()
        for field, value in row.items():
            if field.endswith(".sketch"):
                text = there[field]
                assert unpack(text + "=" * (-len(text) % 4)) == (value, 10)
            elif isinstance(value, float):
                assert math.isclose(there[field], value, rel_tol=1e-6, abs_tol=1e-9), (field, there[field], value)
            else:
                assert there[field] == value, field
