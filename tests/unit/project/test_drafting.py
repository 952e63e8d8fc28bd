"""A drafted dataset reads back as what was chosen, whatever others called their indices and fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import load_definitions
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.drafting.choose import MOST_METRICS, choose, definition
from opensearch_strata.workflows.drafting.daily_name import daily_name
from opensearch_strata.workflows.drafting.seen import Observed, SeenField, decimals_of, values_at
from opensearch_strata.workflows.drafting.yaml_text import written

DAY_MS = 86_400_000
DAY = date(2026, 11, 29)
BEGIN = 20_786 * DAY_MS  # of that day in UTC
TIME = SeenField("@timestamp", "date", 1000, 1000, first=BEGIN, last=BEGIN + DAY_MS - 1)
HOST = SeenField("host", "keyword", 1000, 1000, distinct=3)
LOAD = SeenField("load", "double", 1000, 1000, first=-1.5, last=7.25, decimals=2, looked_at=1000)


def observed(*fields: SeenField, index: str = "app-2026.11.29", documents: int = 1000) -> Observed:
    return Observed(index, documents, fields, {})


def drafted(*fields: SeenField, **parts: Any) -> dict[str, Any]:
    """What the drafted file says of an index, sound as a dataset."""
    choices = choose(observed(*fields, **parts))
    told: dict[str, Any] = yaml.safe_load(written(choices))
    assert told == definition(choices)
    Dataset.model_validate(told)
    return told


def sound(path: str) -> bool:
    return len(path) <= 200 and "*" not in path and all(part.strip() for part in path.split("."))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(sound)
KINDS = st.sampled_from(["keyword", "boolean", "ip", "long", "double", "short", "half_float", "date"])
FIELDS = st.builds(
    SeenField,
    path=NAMES,
    kind=KINDS,
    documents=st.integers(0, 1000),
    values=st.integers(0, 3000),
    distinct=st.integers(0, 3000),
    first=st.floats(allow_nan=False),
    last=st.floats(allow_nan=False),
    decimals=st.none() | st.integers(0, 17),
    looked_at=st.integers(0, 1000),
)


@given(st.lists(FIELDS, max_size=8, unique_by=lambda field: field.path), NAMES, NAMES)
def test_whatever_fields_are_called_the_file_says_what_was_chosen(
    fields: list[SeenField], group: str, number: str
) -> None:
    known = [TIME, replace(HOST, path=f"g{group}"), replace(LOAD, path=f"n{number}")]
    paths = {field.path for field in known}
    seen = observed(*known, *(field for field in fields if field.path not in paths))
    choices = choose(replace(seen, left_out={number: f"because of {group}"}))
    text = written(choices)
    with TemporaryDirectory() as folder:
        (Path(folder) / "drafted.yaml").write_text(text, "utf-8")
        found = load_definitions(Path(folder))
        assert found.problems == []
        assert found.datasets["app"] == Dataset.model_validate(definition(choices))
    assert all(line.isprintable() or not line.isascii() for line in text.splitlines())


@pytest.mark.parametrize(
    ("index", "template", "form"),
    [
        ("app-2026.11.29", "app-{day}", "%Y.%m.%d"),
        ("app-2026-11-29", "app-{day}", "%Y-%m-%d"),
        ("20261129", "{day}", "%Y%m%d"),
        ("logs-2026_11_29-v2", "logs-{day}-v2", "%Y_%m_%d"),
        ("29.11.2026-app", "{day}-app", "%d.%m.%Y"),
        ("app-2026.333", "app-{day}", "%Y.%j"),
        ("app7-2026.11.29", "app7-{day}", "%Y.%m.%d"),
        ("app-2019.01.01-2026.11.29", "app-2019.01.01-{day}", "%Y.%m.%d"),
    ],
)
def test_the_day_in_a_name_is_found_and_the_history_has_a_name_beside_it(index: str, template: str, form: str) -> None:
    told = drafted(TIME, HOST, LOAD, index=index)
    assert (told["raw"]["index"], told["raw"]["day_format"]) == (template, form)
    assert told["cycle"]["start_date"] == DAY
    assert "{month}" in told["history"]["index"]


def test_where_a_name_can_be_read_in_two_ways_the_documents_decide() -> None:
    assert [daily_name("app-05.06.2026", day, day) for day in (date(2026, 6, 5), date(2026, 5, 6))] == [
        daily_name("app-05.06.2026", date(2026, 6, 4), date(2026, 6, 5)),
        daily_name("app-05.06.2026", date(2026, 5, 5), date(2026, 5, 6)),
    ]
    american = daily_name("app-05.06.2026", date(2026, 5, 6), date(2026, 5, 6))
    assert american is not None
    assert (american.form, american.day) == ("%m.%d.%Y", date(2026, 5, 6))


@pytest.mark.parametrize(
    "index",
    ["app", "app-2026.11", "app-000001", "app-2026.13.41", "app-120261129", ".app-2026.11.29", "app-{x}-20261129"],
)
def test_a_name_without_a_day_is_refused(index: str) -> None:
    with pytest.raises(Refused, match="contains no date that Strata can read"):
        choose(observed(TIME, HOST, LOAD, index=index))


def test_a_day_of_another_zone_is_told() -> None:
    shifted = replace(TIME, first=BEGIN - 3_600_000, last=BEGIN + DAY_MS - 3_600_001)
    assert "which is not 2026-11-29 in UTC: name the zone" in written(choose(observed(shifted, HOST, LOAD)))
    assert "name the zone" not in written(choose(observed(TIME, HOST, LOAD)))


def groups_of(*fields: SeenField, documents: int = 100_000) -> Sequence[str]:
    everywhere = [replace(field, documents=documents, values=documents) for field in fields]
    return list(drafted(replace(TIME, documents=documents), *everywhere, documents=documents)["history"]["group_by"])


def named(path: str, distinct: int) -> SeenField:
    return SeenField(path, "keyword", 0, 0, distinct=distinct)


def test_groups_are_those_of_few_values_while_rows_stay_few() -> None:
    assert groups_of(named("user", 9000), named("host", 40), named("level", 3)) == ["level", "host"]
    assert groups_of(named("b", 2), named("a", 2), named("d", 2), named("c", 2)) == ["a", "b", "c"]
    assert groups_of(named("request", 99_000)) == ["request"]
    assert groups_of(named("constant", 1), named("host", 40)) == ["host"]
    assert groups_of(named("constant", 1)) == ["constant"]


def test_a_field_that_names_no_row_is_left_out_with_the_reason() -> None:
    tags = SeenField("tags", "keyword", 1000, 2500, distinct=2)
    own = SeenField("transform.id", "keyword", 1000, 1000, distinct=2)
    never = SeenField("never", "keyword", 0, 0)
    text = written(choose(observed(TIME, HOST, LOAD, tags, own, never)))
    assert "#   'tags': some documents have several values\n" in text
    assert "#   'transform.id': rows need this name for themselves\n" in text
    assert "#   'never': no document has a value\n" in text
    with pytest.raises(Refused, match="no keyword, boolean or ip field with one value in each document"):
        choose(observed(TIME, LOAD, tags, own, never))


def test_metrics_are_numbers_with_the_decimals_seen() -> None:
    def metric(**parts: Any) -> Any:
        (found,) = drafted(TIME, HOST, replace(LOAD, **parts))["metrics"].values()
        return found.get("decimals")

    assert metric() == 2
    assert metric(kind="short") is None  # whose type says it
    assert metric(kind="long", decimals=0) == 0
    assert metric(decimals=0) == 0
    assert metric(looked_at=29) is None
    assert metric(decimals=7) is None
    assert metric(decimals=None) is None


def test_names_of_metrics_are_made_of_those_of_their_fields() -> None:
    paths = ["Größe (µm)", "9 lives", "a.b", "a b", "温度", "元", "No", "null"]
    told = drafted(TIME, HOST, *(replace(LOAD, path=path) for path in paths))
    assert list(told["metrics"]) == ["grosse_m", "value_9_lives", "a_b", "a_b_2", "value", "value_2", "no", "null"]
    assert [metric["field"] for metric in told["metrics"].values()] == paths


def test_without_numbers_values_are_counted() -> None:
    told = drafted(TIME, HOST, replace(HOST, path="user", distinct=700))
    assert told["metrics"] == {"user": {"field": "user", "stats": ["count"], "distribution": {"top_values": 10}}}
    assert list(drafted(TIME, HOST)["metrics"]) == ["host"]


def test_many_numbers_are_not_all_taken_and_the_rest_is_told() -> None:
    many = [replace(LOAD, path=f"n{number}") for number in range(MOST_METRICS + 30)]
    assert len(drafted(TIME, HOST, *many)["metrics"]) == MOST_METRICS
    text = written(choose(observed(TIME, HOST, *many)))
    assert "#   'n50': more than 50 metrics would make large rows\n" in text
    assert "#   and 10 more fields\n" in text


def test_the_time_is_the_field_that_is_called_so_in_most_documents() -> None:
    ingested = replace(TIME, path="ingested", documents=1000)
    assert drafted(ingested, replace(TIME, documents=900), HOST, LOAD)["raw"]["timestamp"] == "@timestamp"
    assert drafted(ingested, replace(TIME, documents=100), HOST, LOAD)["raw"]["timestamp"] == "ingested"
    with pytest.raises(Refused, match="no field of type date"):
        choose(observed(HOST, LOAD, replace(TIME, documents=0)))


@pytest.mark.parametrize(
    ("value", "decimals"),
    [
        (1, 0),
        (1.5, 1),
        ("1.50", 1),
        (100, 0),
        (1e-7, 7),
        (1e300, 0),
        ("x", None),
        (True, None),
        ("NaN", None),
        ("", None),
    ],
)
def test_decimals_are_counted_as_they_are_written(value: Any, decimals: int | None) -> None:
    assert decimals_of(value) == decimals


def test_values_are_found_however_the_dots_of_a_path_are_written() -> None:
    path = ["a", "b", "c"]
    for document in (
        {"a": {"b": {"c": 1}}},
        {"a.b": {"c": 1}},
        {"a": {"b.c": 1}},
        {"a.b.c": 1},
        {"a": [{"b": {"c": [1]}}]},
    ):
        assert list(values_at(document, path)) == [1]
    for empty in ({"a": {"b": 1}}, {"a": None}, {}, {"a": {"b": {"c": None}}}, {"a": {"b": {"c": {"d": 1}}}}):
        assert list(values_at(empty, path)) == []
