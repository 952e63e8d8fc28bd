"""What a dataset derives from its definition: names, ids, and the fingerprint of what its rows hold."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset, overlapping
from opensearch_strata.definition.field_types import NUMERIC_TYPES
from opensearch_strata.definition.index_names import IndexTemplate
from tests.streams import TYPES, dataset_of, definition_of

TEMPERATURE: dict[str, Any] = definition_of("t")["metrics"]["temperature"]
SKETCHED = ["min", "max", "sum", "count", "avg"]


def with_temperature(**changes: Any) -> Dataset:
    return dataset_of("t", metrics={"temperature": {**TEMPERATURE, **changes}})


def test_names() -> None:
    dataset = dataset_of("t", history={"month_format": "%Y%m"}, raw={"day_format": "%Y-%j"})
    assert dataset.raw_index(date(2024, 12, 31)) == "t-2024-366"
    assert dataset.month_index(date(2024, 12, 31)) == "t-history-202412"
    assert dataset.transform_id(date(2024, 12, 31)) == "strata-t-2024.12.31"
    assert dataset.sketches == {"temperature": 0.01}


@pytest.mark.parametrize(("bucket", "seconds"), [("1m", 60), ("15m", 900), ("1h", 3600), ("6h", 21600), ("1d", 86400)])
def test_bucket_length(bucket: str, seconds: int) -> None:
    assert dataset_of("t", history={"bucket": bucket}).history.bucket_length == timedelta(seconds=seconds)


@pytest.mark.parametrize("stats", list(permutations(SKETCHED))[::17])
def test_fingerprint_does_not_depend_on_the_order_of_stats(stats: tuple[str, ...]) -> None:
    assert with_temperature(stats=list(stats)).fingerprint == with_temperature().fingerprint


def test_fingerprint_does_not_depend_on_the_order_of_metrics() -> None:
    metrics = definition_of("t")["metrics"]
    turned = dataset_of("t", metrics=dict(reversed(metrics.items())))
    assert turned.fingerprint == dataset_of("t").fingerprint


@pytest.mark.parametrize(
    "parts",
    [
        {"description": "other"},
        {"engine": "search"},
        {"time_zone": "Europe/Berlin"},
        {"raw": {"index": "u-{day}", "window_days": 3}},
        {"history": {"index": "u-{month}", "shards": 3, "replicas": 2, "codec": "zstd"}},
        {"cycle": {"max_deletes_per_run": 1}},
    ],
)
def test_fingerprint_stays_where_rows_stay(parts: dict[str, Any]) -> None:
    assert dataset_of("t", **parts).fingerprint == dataset_of("t").fingerprint


@pytest.mark.parametrize(
    "parts",
    [
        {"history": {"bucket": "30m"}},
        {"history": {"group_by": ["site", "device"]}},
        {"raw": {"timestamp": "time"}},
        {"metrics": {"temperature": {**TEMPERATURE, "field": "temp"}}},
        {"metrics": {"temperature": {**TEMPERATURE, "stats": ["min", "max", "count"]}}},
        {"metrics": {"temperature": {**TEMPERATURE, "distribution": {"relative_error": 0.02}}}},
        {"metrics": {"temperature": {**TEMPERATURE, "distribution": None}}},
        {"metrics": {"degrees": TEMPERATURE}},
    ],
)
def test_fingerprint_changes_where_rows_change(parts: dict[str, Any]) -> None:
    assert dataset_of("t", **parts).fingerprint != dataset_of("t").fingerprint


@pytest.mark.parametrize("kind", sorted(NUMERIC_TYPES))
def test_every_numeric_type_is_a_metric(kind: str) -> None:
    assert dataset_of("t").type_problems({**TYPES, "load": kind}) == []


@pytest.mark.parametrize("kind", ["text", "keyword", "date", "boolean", "object", "nested", "geo_point", "flat_object"])
def test_no_other_type_is_a_metric(kind: str) -> None:
    assert len(dataset_of("t").type_problems({**TYPES, "load": kind})) == 1


@pytest.mark.parametrize(("kind", "fits"), [("ip", True), ("boolean", True), ("long", True), ("double", False)])
def test_types_of_groups(kind: str, fits: bool) -> None:
    assert (dataset_of("t").type_problems({**TYPES, "site": kind}) == []) == fits


def test_fields_that_are_not_mapped_are_not_judged() -> None:
    assert dataset_of("t").type_problems({"other": "text"}) == []


formats = st.permutations(["%Y", "%m", "%d"]).flatmap(lambda parts: st.sampled_from([".", "-", ""]).map(
    lambda separator: separator.join(parts)))  # fmt: skip


@given(formats, formats, st.dates(date(2000, 1, 1), date(2030, 12, 31)))
@example("%Y%m%d", "%d%m%Y", date(2012, 10, 12))
@example("%Y%d%m", "%d%m%Y", date(2001, 1, 20))
def test_families_that_do_not_overlap_share_no_name(one: str, other: str, day: date) -> None:
    mine, theirs = IndexTemplate("x-{day}", "day", one), IndexTemplate("x-{day}", "day", other)
    if not overlapping(mine, theirs):
        assert theirs.date_in(mine.name(day)) is None
    assert overlapping(mine, mine)
