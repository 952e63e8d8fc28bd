"""The index template for raw days, as it would be sent."""

from __future__ import annotations

from datetime import date, timedelta
from fnmatch import fnmatchcase

import pytest

from opensearch_strata.archive.targets.day_template import DayForm, day_template, differing_fields
from tests.streams import dataset_of

EVERY_DAY = [date(2000, 1, 1) + timedelta(days=days) for days in range(36_524)]


@pytest.mark.parametrize("day_format", ["%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%Y-%j"])
def test_the_pattern_matches_raw_days_and_nothing_of_the_history(day_format: str) -> None:
    dataset = dataset_of(
        "app", raw={"index": "app-{day}-x", "day_format": day_format}, history={"index": "app-h-{month}"}
    )
    (pattern,) = day_template(dataset, DayForm())["index_patterns"]
    assert all(fnmatchcase(dataset.raw_index(day), pattern) for day in EVERY_DAY)
    assert not any(fnmatchcase(dataset.month_index(day), pattern) for day in EVERY_DAY)


def test_segments_are_sorted_by_what_the_template_maps() -> None:
    """A field that is left to dynamic mapping is unknown when the index is created, which would then fail."""
    dataset = dataset_of("app", history={"group_by": ["site.keyword", "device"]})
    body = day_template(dataset, DayForm())
    settings = body["template"]["settings"]
    assert settings["index.sort.field"] == ["device", "@timestamp"]
    assert set(settings["index.sort.field"]) <= body["template"]["mappings"]["properties"].keys()
    assert len(settings["index.sort.order"]) == 2


def test_a_field_that_raw_days_map_otherwise_is_told() -> None:
    dataset = dataset_of("app", raw={"fields": {"load": "short", "temperature": "double"}})
    (told,) = differing_fields(dataset, {"load": "long", "temperature": "double", "more": "text"})
    assert told.startswith("The newest raw day maps 'load' as long, the template as short")
    assert list(differing_fields(dataset, {})) == []
