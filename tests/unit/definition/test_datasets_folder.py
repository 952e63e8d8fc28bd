"""Where datasets are looked for, and in which order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from opensearch_strata.cli.app import app
from opensearch_strata.definition import files
from opensearch_strata.definition.files import datasets_dir, datasets_not_read
from opensearch_strata.errors import DefinitionError

ORDER = ("named", "dags/include", "home/include", "project/plugins/include", "project/include", "here/include")
"""The places below the folder of a test; the first only counts where the variable names it."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose places of datasets are all below one folder, and do not exist yet."""
    for folder in ("home", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("STRATA_INCLUDE_DIR", raising=False)
    monkeypatch.delenv("AIRFLOW_CONFIG", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "dags"))
    module = tmp_path / "project" / "plugins" / "opensearch_strata" / "definition" / "files.py"
    monkeypatch.setattr(files, "__file__", str(module))
    return tmp_path


def make(folder: Path, *names: str) -> Path:
    """A folder of datasets with empty files."""
    (folder / "datasets").mkdir(parents=True)
    for name in names:
        (folder / "datasets" / name).touch()
    return folder / "datasets"


@pytest.mark.parametrize("first", range(len(ORDER)), ids=ORDER)
def test_the_first_place_that_exists_is_read(first: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, *_ = [make(root / place) for place in ORDER[first:]]
    if first == 0:
        monkeypatch.setenv("STRATA_INCLUDE_DIR", str(root / "named"))
    assert datasets_dir() == expected


def test_an_include_folder_without_datasets_is_passed_over(root: Path) -> None:
    (root / "dags" / "include").mkdir(parents=True)
    expected = make(root / "home" / "include")
    assert datasets_dir() == expected


def test_a_folder_that_the_variable_names_and_is_not_there_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root / "dags" / "include")
    monkeypatch.setenv("STRATA_INCLUDE_DIR", "/nowhere")
    with pytest.raises(DefinitionError, match=r"^The folder /nowhere does not exist; set STRATA_INCLUDE_DIR"):
        datasets_dir()


def test_without_any_the_error_names_each_place(root: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        datasets_dir()
    for place in ORDER[1:-1]:
        assert str(root / place / "datasets") in str(caught.value)
    assert ", include/datasets. Create one of them, or set STRATA_INCLUDE_DIR" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "text", "folder"),
    [
        ("", "", "home/dags"),
        ("home/airflow.cfg", "[core]\ndags_folder = {root}/a%b\n", "a%b"),
        ("home/airflow.cfg", "[core]\ndags_folder = $AIRFLOW_HOME/repo\n", "home/repo"),
        ("elsewhere.cfg", "[core]\ndags_folder = {root}/synced\n", "synced"),
        ("home/airflow.cfg", "no section\n", "home/dags"),
    ],
    ids=["default", "file", "variable in the file", "AIRFLOW_CONFIG", "broken file"],
)
def test_the_dags_folder_is_the_one_of_airflow(
    config: str, text: str, folder: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__CORE__DAGS_FOLDER")
    if config:
        (root / config).write_text(text.format(root=root))
        if config == "elsewhere.cfg":
            monkeypatch.setenv("AIRFLOW_CONFIG", str(root / config))
    make(root / "here" / "include")
    expected = make(root / folder / "include")
    assert datasets_dir() == expected


def test_without_airflow_home_it_is_airflows_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_HOME")
    monkeypatch.setenv("HOME", str(root))
    expected = make(root / "airflow" / "include")
    assert datasets_dir() == expected


def test_check_says_which_folder_it_read_and_which_it_did_not(root: Path) -> None:
    read = make(root / "dags" / "include")
    other = make(root / "home" / "include", "orders.yaml")
    make(root / "here" / "include")  # holds no dataset file, so nobody misses it
    told = f"{other} also contains datasets, but they are not read: {read} takes precedence."
    shown = CliRunner().invoke(app, ["check"]).stdout
    assert f"Datasets were read from {read}.\n" in shown
    assert told in shown
    as_json = json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)
    assert as_json["folder"] == str(read)
    assert as_json["warnings"] == [told]


def test_a_folder_that_somebody_names_hides_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root / "dags" / "include", "orders.yaml")
    named = make(root / "named")
    told = json.loads(CliRunner().invoke(app, ["check", "--datasets-dir", str(named), "--json"]).stdout)
    assert (told["folder"], told["warnings"]) == (str(named), [])
    monkeypatch.setenv("STRATA_INCLUDE_DIR", str(named.parent))
    assert datasets_not_read() == []


def test_one_folder_by_two_ways_is_not_another(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root / "project" / "include", "orders.yaml")
    monkeypatch.chdir(root / "project")
    assert datasets_not_read() == []
