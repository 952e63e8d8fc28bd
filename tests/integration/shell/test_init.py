"""``strata init`` drafts a dataset from an index as producers leave it; the draft is sound, condensed and proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.definition.files import load_definitions
from tests.shell import Shell
from tests.streams import delete_indices

DAY = "2026.11.28"
LEVELS, HOSTS = ["info", "warn", "error"], 8


@pytest.fixture(scope="module")
def family(client: OpenSearch) -> Iterator[str]:
    """Begin of the names of indices that are deleted after the module."""
    name = f"d{uuid4().hex[:8]}"
    yield name
    delete_indices(client, f"{name}*")


@pytest.fixture(scope="module")
def raw(client: OpenSearch, family: str) -> str:
    """A raw day that nobody mapped beforehand, with names as people give them."""
    index = f"{family}-{DAY}"
    client.indices.create(index=index, body={"settings": {"number_of_replicas": 0}})
    lines: list[object] = []
    for number in range(3000):
        hour, minute = number % 24, number % 60
        document = {
            "@timestamp": f"2026-11-28T{hour:02}:{minute:02}:00Z",
            "level": LEVELS[number % 3],
            "Host Name": f"h{number % HOSTS}",
            "request": {"id": f"r{number}", "took ms": number / 8, "bytes": number},
            "Größe\n# 1: x": number / 4,
            "price": f"{number % 7}.50",
            "tags": ["a", "b"],
            "message": f"line {number}",
        }
        lines += [{"index": {}}, document]
    assert not client.bulk(body=lines, index=index, params={"refresh": "true"})["errors"]
    return index


def test_the_draft_says_what_the_index_shows(shell: Shell, raw: str, family: str, tmp_path: Path) -> None:
    text = shell.run_bare(f"init {raw}").stdout
    file = tmp_path / "drafted.yaml"
    file.write_text(text, "utf-8")
    found = load_definitions(tmp_path)
    assert found.problems == []
    dataset = found.get(family)
    assert dataset.raw.index == f"{family}-{{day}}"
    assert dataset.history.index == f"{family}-history-{{month}}"
    assert dataset.raw.timestamp == "@timestamp"
    assert dataset.history.group_by == ["level.keyword"]
    assert {metric.field: metric.decimals for metric in dataset.metrics.values()} == {
        "Größe\n# 1: x": 2,
        "request.bytes": 0,
        "request.took ms": 3,
    }
    assert dataset.raw.fields["request.took ms"] == "float"
    assert not dataset.cycle.delete
    assert '- "level.keyword"  # 3 values\n' in text
    assert "#   'Host Name.keyword': 8 values\n" in text
    assert "#   'tags.keyword': some documents have several values\n" in text
    assert "up to 3 decimals in 1,000 values\n" in text


def test_the_draft_passes_the_check_and_the_day_is_proven(shell: Shell, raw: str, family: str, tmp_path: Path) -> None:
    file = tmp_path / f"{family}.yaml"
    told = shell.run_bare(f"init {raw} --output {file}")
    assert told.stdout == ""
    assert f"Wrote {file}. Review it, then run strata check --datasets-dir {tmp_path}." in told.stderr
    assert f"{family}: compared with {raw}." in shell.run("check").stdout
    shell.run(f"condense {family} 2026-11-28 --engine search")
    shell.run(f"verify {family} 2026-11-28")
    asked = f"query {family} --from 2026-11-28 --to 2026-11-28 --metric request_bytes --stat sum,count"
    rows = shell.json(f"{asked} --by level.keyword")
    assert [row["request_bytes.sum"] for row in rows] == [sum(range(first, 3000, 3)) for first in (2, 0, 1)]


def test_a_file_that_is_there_is_kept(shell: Shell, raw: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    told = shell.run_bare(f"init {raw} --output {file}", exit_code=1)
    assert f"{file} already exists and was kept. Name a new file with --output." in told.stderr
    assert file.read_text() == "mine"
    told = shell.run_bare(f"init {raw} --output {tmp_path}/none/new.yaml", exit_code=1)
    assert "new.yaml cannot be written (No such file or directory). Name another file with --output." in told.stderr


def refusal(shell: Shell, index: str) -> str:
    told = shell.run_bare(f"init {index}", exit_code=1)
    assert told.stdout == ""
    return " ".join(told.stderr.split())


def test_what_is_not_one_index_with_documents_is_told(shell: Shell, client: OpenSearch, raw: str, family: str) -> None:
    assert f"There is no index '{family}-2026.11.01' in this cluster." in refusal(shell, f"{family}-2026.11.01")
    for several in (f"'{family}-*'", f"{raw},{raw}", "_all", "'-x'"):
        assert "is not the name of a single index; name one, such as app-2026.11.29." in refusal(shell, f"-- {several}")
    client.indices.put_alias(index=raw, name=f"{family}-alias")
    assert f"{family}-alias is an alias of {raw}. Nothing was written; name the index of one day instead." in refusal(
        shell, f"{family}-alias"
    )
    empty = f"{family}-2026.11.27"
    client.indices.create(index=empty, body={"settings": {"number_of_replicas": 0}})
    assert f"{empty} has no documents, so nothing shows how its fields are used." in refusal(shell, empty)
    client.indices.close(index=empty)
    assert f"{empty} is closed, so its documents cannot be read." in refusal(shell, empty)
    client.index(index=f"{family}-all", body={"@timestamp": "2026-11-28", "n": 1}, params={"refresh": "true"})
    assert "contains no date that Strata can read" in refusal(shell, f"{family}-all")


def test_a_data_stream_is_told(shell: Shell, client: OpenSearch, family: str) -> None:
    name = f"{family}-stream"
    client.indices.put_index_template(name=name, body={"index_patterns": [name], "data_stream": {}})
    client.indices.create_data_stream(name=name)
    try:
        assert f"{name} is a data stream, whose index names state no day." in refusal(shell, name)
    finally:
        client.indices.delete_data_stream(name=name)
        client.indices.delete_index_template(name=name)


def test_an_index_without_time_or_names_is_told(shell: Shell, client: OpenSearch, family: str) -> None:
    timeless, nameless = f"{family}t-2026.11.28", f"{family}n-2026.11.28"
    client.index(index=timeless, body={"host": "a", "n": 1}, params={"refresh": "true"})
    assert f"{timeless} has no field of type date with values that searches see" in refusal(shell, timeless)
    client.index(index=nameless, body={"@timestamp": "2026-11-28T01:00:00Z", "n": 1}, params={"refresh": "true"})
    assert f"{nameless} has no keyword, boolean or ip field with one value" in refusal(shell, nameless)
