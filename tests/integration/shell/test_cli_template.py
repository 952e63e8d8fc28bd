"""``strata template`` on a real node: raw days that are created by it, and those that must not be changed by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.archive.targets.made_days import RestoredForms, create
from opensearch_strata.archive.targets.templates.day_template import template_name
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.condense.condense import condense
from tests.shell import Shell
from tests.streams import DAY, Stream

TYPES = {"temperature": "double", "load": "short", "address": "ip", "name": "text", "name.keyword": "keyword"}
GROUPS = ["device", "address", "name.keyword"]


@pytest.fixture
def stream(shell: Shell) -> Iterator[Stream]:
    made = shell.stream(raw={"fields": TYPES}, history={"group_by": GROUPS})
    yield made
    made.client.transport.perform_request(
        "DELETE", f"/_index_template/{template_name(made.dataset)}", params={"ignore": [404]}
    )


def write(stream: Stream, day: Any, count: int = 40) -> str:
    """Documents as a producer writes them, who creates the index by it."""
    index = stream.dataset.raw_index(day)
    lines: list[dict[str, Any]] = []
    for number in range(count):
        time = datetime(day.year, day.month, day.day, number % 24, tzinfo=UTC)
        lines.append({"index": {}})
        lines.append(
            {"@timestamp": time.isoformat(), "device": f"d{number * 7 % 5}", "address": "10.0.0.1", "name": "n",
             "temperature": number / 3, "load": number}
        )  # fmt: skip
    stream.client.bulk(body=lines, index=index, params={"refresh": "true"})
    return index


def settings_of(stream: Stream, index: str) -> dict[str, Any]:
    found = stream.client.indices.get(index=index, params={"flat_settings": "true"})[index]
    settings: dict[str, Any] = found["settings"]
    return settings


def test_a_raw_day_of_a_producer_gets_what_the_template_says(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    told = shell.run(f"template {name} --shards 2 --replicas 0 --refresh 7s --apply --url {shell.url}")
    assert told.stdout == f"Wrote the template strata-{name}-raw: it counts for raw days created from now on.\n"
    settings = settings_of(stream, write(stream, DAY))
    assert {key: settings[f"index.{key}"] for key in ("number_of_shards", "refresh_interval", "codec")} == {
        "number_of_shards": "2", "refresh_interval": "7s", "codec": "best_compression"
    }  # fmt: skip
    assert settings["index.sort.field"] == ["device", "name.keyword", "@timestamp"]  # segments know no order of ip
    condense(stream.client, stream.dataset, DAY)
    assert len(stream.rows()) > 0
    assert not [key for key in settings_of(stream, stream.dataset.month_index(DAY)) if key.startswith("index.sort")]


def test_without_apply_it_is_printed_and_nothing_is_written(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    told = shell.run(f"template {name} --no-sort --codec default")
    body = json.loads(told.stdout)
    assert body["index_patterns"] == [f"{name}-2*.*.*"]
    assert "index.sort.field" not in body["template"]["settings"]
    assert body["template"]["mappings"]["properties"]["name"] == {
        "type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 10922}}
    }  # fmt: skip
    assert template_name(stream.dataset) in told.stderr
    assert not stream.client.indices.exists_index_template(name=template_name(stream.dataset))


def test_a_template_that_would_not_count_is_not_written(shell: Shell, stream: Stream) -> None:
    name, other = stream.dataset.name, f"other-{stream.dataset.name}"
    pattern = {"index_patterns": [f"{name}-*"], "template": {"settings": {"index.codec": "default"}}}
    stream.client.indices.put_index_template(name=other, body={**pattern, "priority": 300})
    try:
        told = shell.run(f"template {name} --apply --url {shell.url}", exit_code=1).stderr
        assert f"{other} also matches" in told
        assert not stream.client.indices.exists_index_template(name=template_name(stream.dataset))
        shell.run(f"template {name} --apply --priority 301 --replace {other} --url {shell.url}")
        told = shell.run(f"template {name} --apply --priority 300 --url {shell.url}", exit_code=1).stderr
        assert "has the priority 300. Nothing was changed" in told
    finally:
        stream.client.indices.delete_index_template(name=other)


def test_a_template_of_somebody_else_is_kept(shell: Shell, stream: Stream) -> None:
    theirs = {"index_patterns": [f"{stream.dataset.name}-2*"], "priority": 7}
    stream.client.indices.put_index_template(name=template_name(stream.dataset), body=theirs)
    told = shell.run(f"template {stream.dataset.name} --apply --url {shell.url}", exit_code=1).stderr
    assert "that Strata did not write" in told
    found = stream.client.indices.get_index_template(name=template_name(stream.dataset))
    assert found["index_templates"][0]["index_template"]["priority"] == 7


def test_a_field_of_another_type_is_told(shell: Shell, stream: Stream) -> None:
    stream.types = {"@timestamp": "date", "device": "keyword", "temperature": "long"}
    stream.fill(DAY, count=3)
    told = shell.run(f"template {stream.dataset.name} --url {shell.url}").stderr
    assert "maps 'temperature' as long, the template as double" in told


@pytest.mark.parametrize(
    ("sorted_before", "sorted_now"), [(False, True), (True, False)], ids=["new template", "old sort"]
)
def test_a_restored_day_is_as_it_was_whatever_the_template_says_now(
    shell: Shell, stream: Stream, sorted_before: bool, sorted_now: bool
) -> None:
    order = {True: "--sort", False: "--no-sort"}
    shell.run(f"template {stream.dataset.name} --replicas 0 {order[sorted_before]} --apply --url {shell.url}")
    index = write(stream, DAY)
    before = stream.client.indices.get(index=index, params={"flat_settings": "true"})[index]
    stream.client.indices.delete(index=index)
    shell.run(f"template {stream.dataset.name} --replicas 0 {order[sorted_now]} --apply --url {shell.url}")
    form = ArchivedForm(before["mappings"], {k: v for k, v in before["settings"].items() if k in _FORM})
    assert create(stream.client, index, "test", RestoredForms({index: form}, "2030-01-01T00:00:00+00:00"))
    now = settings_of(stream, index)
    assert {key: now.get(key) or [] for key in _FORM} == {key: before["settings"].get(key, []) for key in _FORM}


_FORM = ("index.sort.field", "index.sort.order", "index.codec", "index.number_of_shards")


def test_a_history_that_a_pattern_would_match_is_refused(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    definition = stream.dataset.model_dump(mode="json", exclude_unset=True)
    definition["raw"]["day_format"] = "%Y%m%d"
    definition["history"]["index"] = f"{name}-2{{month}}"
    Dataset.model_validate(definition)
    (shell.folder / f"{name}.yaml").write_text(json.dumps(definition))
    told = shell.run(f"template {name}", exit_code=1).stderr
    assert f"the pattern {name}-2*, which also matches {name}-2" in told
