"""The shell without a server: wrong use, sentences for failures, secrets, and how fast it starts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import TransportError
from typer.testing import CliRunner, Result

from local.places import PROJECT
from opensearch_strata import cli
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.cli import load_progress, output
from opensearch_strata.cli.app import app
from opensearch_strata.cli.connection import client_settings
from opensearch_strata.cli.options import dataset_names
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from tests.shell import ENVIRONMENT, PLUGINS, start
from tests.streams import definition_of

OFFLINE = ["parse"]
COMMANDS = [
    "check", "init", "template", "dashboards", "status", "query", "audit", "condense", "verify", "reaggregate",
    "levels", "expire", "cycle", *OFFLINE, "backfill", "follow", "arrivals", "archive", "redrive",
    "history export", "history import", "history rewrite",
]  # fmt: skip
GROUPS = {"archives", "history"}
NOWHERE = "http://127.0.0.1:1"
QUERY = "query t --from 2024-05-01 --to 2024-05-02 --metric load --stat sum --url http://127.0.0.1:1"
LOGIN = {"OPENSEARCH_USERNAME": "ada", "OPENSEARCH_PASSWORD": "correct-horse"}

Fail = Callable[..., Result]


@pytest.fixture
def runner() -> CliRunner:
    """A shell whose environment names no cluster and no login."""
    return CliRunner(env=dict.fromkeys(ENVIRONMENT))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one sound dataset."""
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(definition_of("t")), "utf-8")
    return tmp_path


def flat(text: str) -> str:
    """Text without the frames and line breaks of a terminal 80 columns wide."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_the_entry_point_is_main() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts["strata"] == f"{cli.main.__module__}:{cli.main.__name__}"


def test_help_lists_every_command(runner: CliRunner) -> None:
    result = runner.invoke(app, ["-h"])
    assert result.exit_code == 0
    listed = re.findall(r"^│ ([a-z]+)  ", result.stdout, re.MULTILINE)
    assert [name for name in listed if name not in GROUPS] == [name for name in COMMANDS if " " not in name]
    assert set(listed) >= GROUPS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples_and_the_shared_options(command: str, runner: CliRunner) -> None:
    result = runner.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    shown = flat(result.stdout)
    assert f"Examples strata {command}" in shown
    # init knows no dataset yet, and what it prints is YAML.
    assert all((option in shown) == (command != "init") for option in ("--datasets-dir", "--json"))
    assert all((option in shown) == (command not in OFFLINE) for option in ("--url", "--ca-certs"))
    assert ("--engine" in shown) == (
        command in ("condense", "verify", "reaggregate", "expire", "cycle", "archive", "audit")
    )


def test_help_says_which_end_is_exclusive(runner: CliRunner) -> None:
    shown = flat(runner.invoke(app, ["query", "--help"]).stdout)
    assert "End: a day is included in full, a date-time is exclusive." in shown
    assert "in the dataset's time zone unless it has an offset" in shown


def test_without_arguments_it_shows_its_help(runner: CliRunner) -> None:
    result = runner.invoke(app, [])
    assert result.exit_code == 2
    assert "Usage: strata" in result.output


def test_version(runner: CliRunner) -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("strata")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("unheard-of", "No such command 'unheard-of'"),
        ("status t", "Missing option '--url' (env var: 'OPENSEARCH_URL')"),
        (f"status --url {NOWHERE}", "Missing argument 'DATASET'"),
        (f"condense t 2024-5-1 --url {NOWHERE}", "'2024-5-1' is not a day; write it like 2013-01-05."),
        (f"verify t 2024-02-30 --url {NOWHERE}", "Invalid value for 'DAY': '2024-02-30' is not a day"),
        (f"cycle t 20240501 --url {NOWHERE}", "'20240501' is not a day"),
        (f"condense t 2024-05-01 --engine fast --url {NOWHERE}", "'fast' is not one of 'auto', 'transform_job'"),
        (f"expire t --url {NOWHERE}", "Missing option '--day'"),
        (f"expire t --day yesterday --url {NOWHERE}", "Invalid value for '--day': 'yesterday' is not a day"),
        (f"{QUERY} --from 2024-05-01T25:00", "Invalid value for '--from': '2024-05-01T25:00' is not a time"),
        (f"{QUERY} --stat p101", "Invalid value for '--stat': 'p101' is not one of min, max, sum, count, avg"),
        (f"{QUERY} --stat sum,,avg", "'' is not one of min, max"),
        (f"{QUERY} --interval 7m", "'7m' does not divide a day"),
        (f"{QUERY} --interval hour", "'hour' is not an interval; write 15m, 1h, 6h, 1d or 1M"),
        (f"{QUERY} --where origin", "Invalid value for '--where': 'origin' is not of the form FIELD=VALUE."),
        (f"{QUERY} --where a=1 --where a=2", "'a' is named more than once"),
        (f"status t --url {NOWHERE} --datasets-dir /nowhere", "dir '/nowhere' does not exist"),
        (f"status t --url {NOWHERE} --ca-certs /nowhere.pem", "file '/nowhere.pem' does not exist"),
    ],
)
def test_wrong_use_is_explained_and_exits_with_2(arguments: str, sentence: str, runner: CliRunner) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in flat(result.stderr)


def test_check_of_sound_files(folder: Path, runner: CliRunner) -> None:
    result = runner.invoke(app, ["check", "--datasets-dir", str(folder)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Valid datasets: t. Problems: none."


@pytest.mark.parametrize(
    ("cycle", "words"),
    [
        ({"delete": False}, "Nothing of t is deleted: cycle.delete is false."),
        ({"delete": True}, "Nothing of t is deleted yet: cycle.delete is true, but it is not confirmed yet."),
        ({}, "Raw days of t older than the newest 60 complete days are deleted, each after its proof (confirmed)."),
    ],
)
def test_check_says_whether_raw_days_are_deleted(
    cycle: dict[str, object], words: str, tmp_path: Path, runner: CliRunner
) -> None:
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(definition_of("t", cycle=cycle)), "utf-8")
    assert words in runner.invoke(app, ["check", "--datasets-dir", str(tmp_path)]).stdout
    told = json.loads(runner.invoke(app, ["check", "--datasets-dir", str(tmp_path), "--json"]).stdout)
    assert words in told["deletions"]["t"]


def test_check_prints_each_problem_as_a_sentence(folder: Path, runner: CliRunner) -> None:
    broken = definition_of("broken", raw={"window_days": 0}, unheard_of=1)
    (folder / "broken.yaml").write_text(yaml.safe_dump(broken), "utf-8")
    result = runner.invoke(app, ["check", "--datasets-dir", str(folder)])
    problems = result.stdout.splitlines()[:2]
    assert result.exit_code == 1
    assert len(problems) == 2
    assert all(problem.startswith("broken.yaml: ") and problem.endswith(".") for problem in problems)
    assert result.stdout.splitlines()[-1] == "Valid datasets: t. Problems: 2."

    as_json = runner.invoke(app, ["check", "--datasets-dir", str(folder), "--json"])
    assert as_json.exit_code == 1
    told = json.loads(as_json.stdout)
    assert (told["datasets"], told["compared"], told["problems"]) == (["t"], {}, problems)


def test_check_of_a_folder_without_datasets_fails(tmp_path: Path, runner: CliRunner) -> None:
    result = runner.invoke(app, ["check", "--datasets-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path} contains no dataset file (*.yaml)" in result.stdout


def test_check_asks_no_cluster_unless_it_is_told_to(folder: Path, runner: CliRunner) -> None:
    arguments = ["check", "--datasets-dir", str(folder)]
    assert runner.invoke(app, arguments, env={"OPENSEARCH_URL": NOWHERE}).exit_code == 0
    assert runner.invoke(app, [*arguments, "--url", NOWHERE]).exit_code == 1


def test_an_unknown_dataset_is_told_with_those_there_are(folder: Path, runner: CliRunner) -> None:
    result = runner.invoke(app, ["status", "u", "--url", NOWHERE, "--datasets-dir", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: No valid dataset is named 'u'; valid datasets: t.\n"


def test_a_day_that_is_not_over_is_refused_before_anything_is_sent(folder: Path, runner: CliRunner) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    where = ["--url", NOWHERE, "--datasets-dir", str(folder)]
    for arguments in (["condense", "t", str(tomorrow)], ["verify", "t", str(tomorrow), "--repair"]):
        result = runner.invoke(app, [*arguments, *where])
        assert result.exit_code == 1
        assert f"{tomorrow} is not over in UTC; nothing was done." in result.stderr


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch, runner: CliRunner) -> Fail:
    """Run ``strata status`` with an exception in its middle."""

    def failing(error: BaseException, **env: str) -> Result:
        def raise_it(*_: Any) -> None:
            raise error

        monkeypatch.setattr("opensearch_strata.cli.commands.query.find_dataset", raise_it)
        return runner.invoke(app, ["status", "t", "--url", NOWHERE], env=env)

    return failing


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Refused("History would become poorer. It was kept."), "History would become poorer. It was kept."),
        (TransientError("It moved [twice]."), "It moved [twice]."),
        (NoConnection("N/A", "refused", OSError("refused")), "OpenSearch cannot be reached (refused)."),
        (TransportError(403, "no permissions for [x]", {}), "OpenSearch answered 403: no permissions for [x]."),
        (
            KeyError("rows"),
            "This should not happen: KeyError: 'rows'. Run the command again with STRATA_DEBUG=1 to see the trace.",
        ),
    ],
)
def test_a_failure_is_a_sentence_on_stderr(error: Exception, sentence: str, fail: Fail) -> None:
    result = fail(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_the_trace_is_shown_to_who_asks_for_it(fail: Fail) -> None:
    result = fail(Refused("No."), STRATA_DEBUG="1")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("Error: No.\n")


def test_ctrl_c_is_no_failure_of_ours(fail: Fail) -> None:
    result = fail(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr.startswith("Error: Interrupted. Everything written so far was kept")


def test_a_cluster_that_is_not_there_is_one_sentence_without_secrets(folder: Path) -> None:
    for where, env in ((NOWHERE, LOGIN), ("http://ada:correct-horse@127.0.0.1:1", {})):
        arguments = ["status", "t", "--datasets-dir", str(folder), "--url", where]
        run = start(arguments, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, told = run.communicate(timeout=60)
        assert (run.returncode, out) == (1, "")
        assert told.startswith("Error: OpenSearch cannot be reached")
        assert told.count("\n") == 1
        assert "correct-horse" not in told


def test_a_reader_that_went_away_is_no_trace(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = start(["check", "--datasets-dir", str(folder)], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, told = run.communicate(timeout=60)
    assert (run.returncode, told) == (1, "")


@pytest.mark.parametrize(
    ("url", "environment", "login"),
    [
        ("http://search:9200", {}, (None, None)),
        ("http://search:9200", LOGIN, ("ada", "correct-horse")),
        ("http://bob:staple@search:9200", LOGIN, ("bob", "staple")),
    ],
)
def test_login_comes_from_the_url_or_else_from_the_environment(
    url: str, environment: dict[str, str], login: tuple[str | None, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOGIN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = client_settings(url, None)
    password = settings.password.get_secret_value() if settings.password else None
    assert (settings.url, settings.username, password) == ("http://search:9200", *login)


def test_half_a_login_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_USERNAME", "ada")
    monkeypatch.delenv("OPENSEARCH_PASSWORD", raising=False)
    with pytest.raises(DefinitionError, match="needs both a login and a password"):
        client_settings(NOWHERE, None)


def test_dataset_names_complete(folder: Path) -> None:
    context = typer.Context(typer.main.get_command(app))
    context.params = {"datasets_dir": str(folder)}
    assert (dataset_names(context, ""), dataset_names(context, "x")) == (["t"], [])


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom opensearch_strata.cli import main\nsys.argv = ['strata', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'airflow', 'opensearchpy', 'pydantic', 'pandas', 'yaml', 'urllib3'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr)"
    )
    env = {"PYTHONPATH": str(PLUGINS)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "Usage: strata" in run.stdout
    assert run.stderr.split() == []


def test_progress_in_a_pipe_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(output, "monotonic", lambda: next(clock))
    with output.progress_of("t-2024.05.06", 3000) as on_documents:
        for _ in range(3):
            on_documents(1000)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "Condensing 3,000 documents of t-2024.05.06.",
        "t-2024.05.06: 2,000 of 3,000 documents.",
    ]


def test_progress_of_a_load_in_a_pipe_is_summed_up_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 11.0, 11.0, 12.0, 22.0, 22.0])
    monkeypatch.setattr(output, "monotonic", lambda: next(clock))
    with load_progress.progress_of_load("logs", 5, 4_000_000) as on_progress:
        for number, read in ((0, 1_000_000), (1, 1_500_000), (1, 2_000_000)):
            on_progress(number, Progress(1, 2, read, 2_000_000, 10, 1.0))
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(" MiB")[0] for line in told.err.splitlines()] == [
        "Loading 5 objects, 3.8",
        "logs: objects 1 of 5, 976.6 KiB of 3.8",
        "logs: objects 2 of 5, 2.9",
    ]


def test_progress_through_an_object_in_a_pipe_is_its_share_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 9.9, 10.0, 10.0])
    monkeypatch.setattr(output, "monotonic", lambda: next(clock))
    with output.progress_through("object.gz") as shown:
        shown.show(0.25)
        shown.show(0.5)
    assert capsys.readouterr().err.splitlines() == ["object.gz: 50% read."]
