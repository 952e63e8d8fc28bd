"""Grafana's dashboard: what names it has, where its panels are, and what it must not take for its own."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from local.places import PROJECT
from opensearch_strata.dashboards.grafana_queries import lucene_of_level
from opensearch_strata.dashboards.made import made, write_files
from opensearch_strata.definition.files import load_definitions
from opensearch_strata.definition.levels import Level
from tests.dashboards import Shown, grafana_requests
from tests.streams import dataset_of

DATASETS = load_definitions(PROJECT / "include" / "datasets")
SHOWN = Shown(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC))
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


@pytest.mark.parametrize("name", DATASETS.datasets)
def test_every_panel_has_a_place_an_id_and_a_data_source(name: str) -> None:
    found = made(DATASETS.get(name))
    panels = found.grafana["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    uids = {one["uid"] for one in found.data_sources["datasources"]}
    for panel in panels:
        assert panel["datasource"]["uid"] in uids
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        assert grafana_requests(panel, found.data_sources, SHOWN)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert found.grafana["timezone"] == found.dataset.time_zone


def test_units_are_those_of_the_dataset() -> None:
    panels = {panel["title"]: panel for panel in made(DATASETS.get("flights")).grafana["panels"]}
    units = {title: panel["fieldConfig"]["defaults"].get("unit") for title, panel in panels.items()}
    assert units["dep_delay: p50, p90, p99 of each day"] == "suffix: min"
    assert units["distance: average"] == "suffix: mi"
    assert units["Documents"] is None


def test_averages_are_sums_over_counts() -> None:
    (panel,) = [one for one in made(dataset_of("t")).grafana["panels"] if one["title"] == "load: average"]
    ((_, body),) = grafana_requests(panel, made(dataset_of("t")).data_sources, SHOWN)
    aggs = body["aggs"]["1"]["aggs"]
    assert aggs["4"] == {
        "bucket_script": {"buckets_path": {"sum": "2", "count": "3"}, "script": "params.sum / params.count"}
    }
    assert '"avg"' not in json.dumps(made(dataset_of("t")).grafana)


@settings(max_examples=50)
@given(st.text(min_size=1).filter(str.strip))
def test_a_query_for_a_level_is_plain_to_lucene_and_to_grafana(group: str) -> None:
    query = lucene_of_level(Level("1d", (group,)))
    assert re.fullmatch(r"metrics\._level:([A-Za-z0-9_.]|\\u[0-9a-f]{4}|[\U00010000-\U0010ffff])+", query)
    name = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), query.removeprefix("metrics._level:"))
    assert name == f"1d.{group}"


@pytest.mark.parametrize(("group", "drawn"), [("a $x", False), ("[[levels]]", False), ("${x}", False), ("a[x]", True)])
def test_a_group_whose_name_grafana_would_replace_is_not_drawn(group: str, drawn: bool) -> None:
    found = made(dataset_of("t", history={"group_by": [group]}))
    for panel in found.grafana["panels"]:
        grafana_requests(panel, found.data_sources, SHOWN)
    titles = [panel["title"] for panel in found.grafana["panels"]]
    assert ("temperature: highest p99 of a row by group" in titles) is drawn


@pytest.mark.parametrize("name", ["t", "a" * 64])
def test_uids_are_as_short_as_grafana_wants_them(name: str) -> None:
    found = made(dataset_of(name))
    uids = [found.grafana["uid"], *(one["uid"] for one in found.data_sources["datasources"])]
    assert len(set(uids)) == 4
    assert all(len(uid) <= 40 and re.fullmatch(r"[a-z0-9_-]+", uid) for uid in uids)


def test_data_sources_are_read_back_as_they_were_meant(tmp_path: Any) -> None:
    dataset = dataset_of("t", raw={"timestamp": "$time 'at' \"ü\""})
    paths = write_files(made(dataset), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["t.ndjson", "t-grafana.json", "t-grafana-sources.yaml"]
    sources = yaml.safe_load(paths[2].read_text("utf-8"))["datasources"]
    assert [one["jsonData"]["database"] for one in sources] == [
        "t-*,-t-history-*,-t-levels-*", "t-history-*", "t-levels-*"
    ]  # fmt: skip
    assert sources[0]["jsonData"]["timeField"] == "$$time 'at' \"ü\""  # two dollar signs are one
    assert json.loads(paths[1].read_text("utf-8")) == made(dataset).grafana
