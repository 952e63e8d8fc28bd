"""Which versions are supported, and what those that are not are told."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import opensearch_strata.airflow
from local.packaging import mwaa
from local.places import PROJECT
from local.server import releases

ROOM = "import opensearch_strata.airflow"
CODE = {"the room": ROOM} | {
    path.stem: f"import runpy; runpy.run_path({str(path)!r})" for path in sorted((PROJECT / "dags").glob("*.py"))
}


def imported(code: str, version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code beside an Airflow that has a version and none of the names that we use."""
    stub = folder / "airflow" / "__init__.py"
    stub.parent.mkdir()
    stub.write_text(f'__version__ = "{version}"\n')
    path = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(PROJECT / 'plugins')!r}]; "
    return subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True)


@pytest.mark.parametrize("version", ["3.2.2", "2.11.2"])
@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_an_older_airflow_is_told_in_a_sentence(code: str, version: str, tmp_path: Path) -> None:
    told = imported(code, version, tmp_path).stderr.splitlines()[-1]
    assert told == f"ImportError: strata needs Airflow 3.3 or newer; this is {version}."


@pytest.mark.parametrize("version", ["3.3.0", "3.3.1rc1", "3.10.0", "4.0.0.dev0"])
def test_an_airflow_that_is_new_enough_is_taken(version: str, tmp_path: Path) -> None:
    assert imported(ROOM, version, tmp_path).stderr == ""


def table() -> dict[str, tuple[str, str]]:
    """The README's table of versions: what of -> supported, tested."""
    section = (PROJECT / "README.md").read_text().partition("## Versions\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {name: (supported, tested) for name, supported, tested in rows[2:]}


def test_the_readme_says_what_the_package_demands() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    demanded = " ".join(project["optional-dependencies"]["airflow"])
    airflow = re.search(r"\bapache-airflow>=([\d.]+),<([\d.]+)", demanded)
    assert airflow
    assert table()["Airflow"][0] == f"{airflow[1]} or newer, below {airflow[2]}"
    assert table()["Python"][0] == project["requires-python"].replace(">=", "") + " or newer"
    assert tuple(map(int, airflow[1].split("."))) == opensearch_strata.airflow.FLOOR


def test_the_readme_says_what_is_tested() -> None:
    pinned = dict(re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    assert re.findall(r"\d+\.\d+\.\d+", table()["Airflow"][1]) == [pinned["apache-airflow"], mwaa.AIRFLOW]
    assert table()["Python"][1] == f"3.11, {mwaa.PYTHON}"
    assert table()["OpenSearch"][0] == f"{releases.OLDEST.rpartition('.')[0]} or newer"
    assert table()["OpenSearch"][1] == f"{releases.USUAL}; {releases.OLDEST} and {releases.NEWEST}"
