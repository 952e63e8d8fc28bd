"""Which versions are supported, and what those that are not are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.places import PROJECT

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
