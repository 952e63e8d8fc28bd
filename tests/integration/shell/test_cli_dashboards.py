"""``strata dashboards``: what it says, the files it writes, what it stores and imports, and what goes wrong."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.places import PROJECT
from opensearch_strata.cli.connection import find_dataset
from opensearch_strata.dashboards.made import made
from opensearch_strata.dashboards.stored_scripts import stored_scripts
from opensearch_strata.definition.dataset import Dataset
from tests.servers.dashboards import DashboardsStandIn, dashboards
from tests.servers.recording_server import Answer, serving
from tests.shell import Shell
from tests.streams import Stream

NOTHING = "Nothing was written. --write FOLDER writes the files, --apply stores and imports."


@pytest.fixture
def stream(shell: Shell) -> Stream:
    return shell.stream()


def defined(shell: Shell, stream: Stream) -> Dataset:
    """The dataset as the command reads it: a file may have its metrics in another order."""
    return find_dataset(stream.dataset.name, shell.folder)


@pytest.fixture
def program() -> Iterator[DashboardsStandIn]:
    """OpenSearch Dashboards, as far as a stand-in can be it."""
    with dashboards() as stand_in:
        yield stand_in


def test_without_an_option_it_says_what_it_would_make(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    told = shell.run(f"dashboards {name}").stdout
    assert told.endswith(f"{NOTHING}\n")
    lines = {
        line.split("|")[1].strip(): [part.strip() for part in line.split("|")[2:-1]]
        for line in told.splitlines()
        if line.count("|") == 5
    }
    assert lines["temperature: p50, p90, p99 of each day"] == ["vega", f"{name}-levels-*", "1d"]
    assert lines["Raw documents"] == ["search", f"{name}-*,-{name}-history-*,-{name}-levels-*", "-"]
    assert lines["temperature: p99 of each hour, by day and hour"] == ["vega", f"{name}-levels-*", "1h"]
    assert not list(shell.folder.glob("*.ndjson"))


def test_the_files_are_what_is_imported_and_are_written_again(shell: Shell, stream: Stream, tmp_path: Path) -> None:
    name, folder = stream.dataset.name, tmp_path / "made here"
    for _ in range(2):
        told = shell.run(f"dashboards {name} --write '{folder}'").stdout.splitlines()
        assert told == [
            f"Wrote {folder / file}."
            for file in (f"{name}.ndjson", f"{name}-grafana.json", f"{name}-grafana-sources.yaml")
        ]
        assert (folder / f"{name}.ndjson").read_text() == made(defined(shell, stream)).ndjson
    drawn = shell.json(f"dashboards {name} --metric load --write '{folder}'")
    assert drawn["files"] == [
        str(path)
        for path in (
            folder / f"{name}.ndjson",
            folder / f"{name}-grafana.json",
            folder / f"{name}-grafana-sources.yaml",
        )
    ]
    assert not any("temperature" in title for title in drawn["panels"])
    assert json.loads((folder / f"{name}-grafana.json").read_text())["title"] == f"Strata: {name}"


def test_apply_stores_the_scripts_and_imports_the_objects_twice_the_same(
    shell: Shell, stream: Stream, program: DashboardsStandIn
) -> None:
    name, objects = stream.dataset.name, made(defined(shell, stream)).objects
    for _ in range(2):
        told = shell.run(f"dashboards {name} --apply --dashboards-url {program.url}").stdout
        assert f"Imported {len(objects)} saved objects." in told
        assert "Stored 4 scripts: strata_recall_init_" in told
    assert program.objects == {(one["type"], one["id"]): one for one in objects}
    for identity, text in stored_scripts().values():
        assert stream.client.get_script(id=identity)["script"] == {"lang": "painless", "source": text}
    told = shell.run(f"dashboards {name} --apply").stdout
    assert told.endswith("No --dashboards-url: nothing imported.\n")


def test_the_login_is_that_of_the_url_and_is_never_shown(
    shell: Shell, stream: Stream, program: DashboardsStandIn
) -> None:
    url = program.url.replace("http://", "http://ada:s%40crët@")
    told = shell.run(f"dashboards {stream.dataset.name} --apply --dashboards-url {url}")
    assert "s@crët" not in told.output
    (headers,) = program.headers
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == "ada:s@crët"
    assert "content-encoding" not in headers


def test_what_dashboards_refuses_is_told_object_by_object(
    shell: Shell, stream: Stream, program: DashboardsStandIn
) -> None:
    name = stream.dataset.name
    program.broken = f"strata-{name}-volume"
    told = shell.run(f"dashboards {name} --apply --dashboards-url {program.url}", 1).output
    count = len(made(defined(shell, stream)).objects)
    assert f"OpenSearch Dashboards imported {count - 1} of {count} saved objects." in told
    assert f"visualization strata-{name}-volume: " in told
    assert "\x1b[31mno" not in told
    assert "run the command again when the cause is mended" in told


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(401, "Unauthorized"), "OpenSearch Dashboards answered 401: Unauthorized."),
        (Answer(302, ""), "OpenSearch Dashboards answered 302"),
        (Answer(200, "<html>Log in</html>"), "What answered is not the import of OpenSearch Dashboards"),
        (Answer(200, {"cluster_name": "c"}), "What answered is not the import of OpenSearch Dashboards"),
        (Answer(200, {"success": True, "successCount": 1}), "imported 1 of"),
        (Answer(200, {"success": False, "successCount": 0, "errors": "?"}), "imported 0 of"),
        (Answer(200, []), "What answered is not the import"),
    ],
)
def test_other_answers_are_sentences(shell: Shell, stream: Stream, answer: Answer, sentence: str) -> None:
    with serving(answer) as server:
        told = shell.run(f"dashboards {stream.dataset.name} --apply --dashboards-url {server.url}", 1)
    assert sentence in told.output.replace("\n", " ")
    assert "This should not happen" not in told.output


def test_the_commands_that_the_page_shows_do_what_it_says(
    shell: Shell, program: DashboardsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "include" / "datasets" / "flights.yaml", shell.folder)
    page = (PROJECT / "docs" / "dashboards.md").read_text()
    commands = re.findall(r"^    strata (dashboards [^#\n]*)", page, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        local = command.replace("https://search.example.com/_dashboards", program.url)
        shell.run(local.replace("https://search.example.com", shell.url))
    files = re.findall(r"^\| `([^`]+)` \| (?:OpenSearch|Grafana)", page, re.MULTILINE)
    assert sorted(path.name for path in (tmp_path / "dashboards").iterdir()) == sorted(files)
    assert ("dashboard", "strata-flights-dashboard") in program.objects


def test_nothing_is_sent_if_the_command_is_wrong(shell: Shell, stream: Stream, tmp_path: Path) -> None:
    name = stream.dataset.name
    told = shell.run(f"dashboards {name} --apply --write {tmp_path}", 2).output
    assert "exclude each other" in told
    assert "needs a port" in shell.run(f"dashboards {name} --apply --dashboards-url http://localhost", 2).output
    refused = shell.run(f"dashboards {name} --metric nothing", 1).output
    assert "has no metric 'nothing' that measures; choose among load, temperature." in refused
    with serving(Answer(500, "no")) as server:
        shell.run(f"dashboards {name} --apply --dashboards-url ftp://x", 1, url=server.url)
        assert server.sent == []
