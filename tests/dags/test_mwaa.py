"""What `make mwaa` writes, laid out as the service does it: DAGs, plugins and Airflow's home in three folders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement

from local.bootstrap import index_of_pip
from local.errors import StackError
from local.packaging import mwaa
from local.places import PROJECT
from tests.pythons import NAMED_CONSTRAINTS, UV, python_of

SHIPPED = PROJECT / "include" / "datasets"

PARSE = """
import json, pathlib, airflow.settings
airflow.settings.initialize()
from airflow.configuration import conf
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
folder = pathlib.Path(conf.get("core", "dags_folder"))
bag = DagBag(folder, bundle_name="dags-folder", bundle_path=folder)
plugins, errors = plugins_manager._get_plugins()
import opensearch_strata
from opensearch_strata.definition.files import datasets_dir
print(json.dumps({
    "dags": sorted(bag.dags), "import errors": bag.import_errors, "plugin errors": errors,
    "plugins": [plugin.name for plugin in plugins], "package": opensearch_strata.__file__,
    "datasets": str(datasets_dir()), "airflow": airflow.__version__,
}))
"""
"""Reads all DAGs and plugins as Airflow's processes do."""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Holds `dags/` and `plugins/` as the service makes them, and an empty home of Airflow elsewhere."""
    built = tmp_path / "built"
    mwaa.lay_out(built, SHIPPED)
    zipfile.ZipFile(built / "plugins.zip").extractall(tmp_path / "plugins")
    (built / "dags").rename(tmp_path / "dags")
    (built / "requirements.txt").rename(tmp_path / "requirements.txt")
    (tmp_path / "home").mkdir()
    return tmp_path


def parse(service: Path, python: str, **more: str) -> Any:
    """What an Airflow finds there."""
    env = {
        "PATH": os.defpath,
        "HOME": str(service / "home"),
        "AIRFLOW_HOME": str(service / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(service / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(service / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **more,
    }
    env = {name: value for name, value in env.items() if value}
    found = subprocess.run([python, "-c", PARSE], cwd=service / "home", env=env, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def check(found: dict[str, Any], service: Path) -> None:
    """All is read from what was delivered, without an error."""
    assert (found["import errors"], found["plugin errors"]) == ({}, {})
    assert found["dags"] == ["archive_backfill", "flights_daily_cycle", "history_audit", "telemetry_daily_cycle"]
    assert "strata" in found["plugins"]
    assert found["package"] == str(service / "plugins" / "opensearch_strata" / "__init__.py")
    assert found["datasets"] == str(service / "dags" / "include" / "datasets")


def test_every_dag_is_read_from_what_was_delivered(service: Path) -> None:
    # This environment has Strata installed from the checkout, which must not be what is read.
    check(parse(service, sys.executable, PYTHONPATH=str(service / "plugins")), service)


def test_the_datasets_beside_the_dags_are_read_where_airflow_cfg_says_it_too(service: Path) -> None:
    (service / "home" / "airflow.cfg").write_text(f"[core]\ndags_folder = {service / 'dags'}\n")
    check(parse(service, sys.executable, AIRFLOW__CORE__DAGS_FOLDER="", PYTHONPATH=str(service / "plugins")), service)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the service's Python and Airflow, in which the requirements are installed as it does that.

    Where there is no way to Airflow's constraints, those of them that we name are demanded.
    """
    python = python_of(mwaa.PYTHON)
    folder = tmp_path_factory.mktemp("environment")
    needed = mwaa.requirements()
    try:
        with urlopen(mwaa.CONSTRAINTS, timeout=10):
            pass
    except OSError:
        needed = needed.replace(mwaa.CONSTRAINTS, str(NAMED_CONSTRAINTS))
    (folder / "requirements.txt").write_text(f"apache-airflow=={mwaa.AIRFLOW}\n{needed}")
    run(UV, "venv", "--quiet", "--python", python, str(folder / "env"))
    install(folder, "-r", str(folder / "requirements.txt"))
    return folder


def install(environment: Path, *what: str) -> None:
    python = str(environment / "env" / "bin" / "python")
    run(UV, "pip", "install", "--quiet", "--python", python, *what, **index_of_pip())


def run(*command: str, **more: str) -> None:
    """Run something to its end, without what a test's own Airflow or pytest left in the variables."""
    own = ("AIRFLOW", "PYTEST_", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(command, cwd=PROJECT, env=env | more, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-10_000:]


@pytest.mark.long  # an Airflow is installed
@pytest.mark.timeout(900)
def test_every_dag_is_read_by_the_airflow_and_python_of_the_service(service: Path, environment: Path) -> None:
    found = parse(service, str(environment / "env" / "bin" / "python"))
    assert found["airflow"] == mwaa.AIRFLOW
    check(found, service)


@pytest.mark.long
@pytest.mark.mwaa
@pytest.mark.timeout(3600)
def test_the_tests_of_the_dags_pass_with_the_airflow_and_python_of_the_service(environment: Path) -> None:
    lines = (PROJECT / "requirements-dev.txt").read_text().splitlines()
    tools = [line.partition("==")[0] for line in lines if line[:1].isalpha()]  # in versions that fit the constraints
    install(environment, *tools, "-r", str(environment / "requirements.txt"))
    tests = ["tests/dags", "tests/unit/airflow", f"--ignore={Path(__file__)}"]
    run(str(environment / "env" / "bin" / "python"), "-m", "pytest", "-m", "not long", "-p", "no:cacheprovider", *tests)


def test_the_requirements_begin_with_the_constraints_and_leave_airflow_to_the_service() -> None:
    first, *lines = mwaa.requirements().splitlines()
    assert first == f'--constraint "{mwaa.CONSTRAINTS}"'
    names = {Requirement(line).name for line in lines}
    assert "apache-airflow" not in names
    assert {"opensearch-py", "apache-airflow-providers-opensearch"} <= names


def test_no_requirement_contradicts_the_constraints() -> None:
    known = dict(re.findall(r"^([\w-]+)==(\S+)$", NAMED_CONSTRAINTS.read_text(), re.MULTILINE))
    free = set()
    for line in mwaa.requirements().splitlines()[1:]:
        needed = Requirement(line)
        if needed.name in known:
            assert known[needed.name] in needed.specifier, line
        else:
            free.add(needed.name)
    # Airflow itself needs msgspec, from 0.19 on, so any version that the constraints name will do.
    assert free == {"cramjam", "isal", "msgspec"}, "add others to the file, or say here that the constraints lack them"


def test_the_archive_holds_the_content_of_the_plugins_folder_and_no_traces_of_work(service: Path) -> None:
    names = {path.relative_to(service / "plugins").as_posix() for path in (service / "plugins").rglob("*")}
    assert {".airflowignore", "strata_plugin.py", "opensearch_strata/py.typed"} <= names
    assert any(name.endswith(".painless") for name in names)
    assert not [name for name in names if "__pycache__" in name or "egg-info" in name]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (service / "plugins").rglob("*.py"))


def test_the_same_package_is_the_same_archive_and_what_was_there_before_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "built"
    mwaa.lay_out(folder, SHIPPED)
    first = (folder / "plugins.zip").read_bytes()
    (folder / "dags" / "include" / "datasets" / "left.yaml").touch()
    assert mwaa.lay_out(folder, SHIPPED) == ["flights.yaml", "telemetry.yaml"]
    assert (folder / "plugins.zip").read_bytes() == first
    assert not (folder / "dags" / "include" / "datasets" / "left.yaml").exists()


def test_without_datasets_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=f"^{tmp_path} contains no dataset file .* Write one, or name"):
        mwaa.lay_out(tmp_path / "built", tmp_path)
    assert not (tmp_path / "built").exists()


def test_python_alone_is_enough(tmp_path: Path) -> None:
    loaded = "name for name in sys.modules if 'site-packages' in str(getattr(sys.modules[name], '__file__', ''))"
    code = f"import sys; import local.packaging.mwaa; print(sorted({loaded}))"
    command = [sys.executable, "-S", "-c", code]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout == "[]\n"
