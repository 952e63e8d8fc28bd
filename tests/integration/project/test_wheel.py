"""The package as users of the shell install it: a wheel in an empty environment, without Airflow, elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.bootstrap import index_of_pip
from local.packaging import mwaa
from local.places import PROJECT
from tests.pythons import NAMED_CONSTRAINTS, UV, python_of
from tests.shell import ENVIRONMENT, Shell
from tests.streams import DAY

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # the packages are downloaded and installed

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "plugins")


def run(*command: str, cwd: Path, **env: str) -> str:
    """What a command writes to stdout."""
    clean = {name: value for name, value in os.environ.items() if name not in {*ENVIRONMENT, "PYTHONPATH"}}
    found = subprocess.run(command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = PROJECT / name
        ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
        (shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder))
    run(UV, "build", "--wheel", "--out-dir", "dist", cwd=folder, **index_of_pip())
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def strata(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the installed command in a folder of its own; what it says as JSON."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(UV, "venv", "--quiet", "--python", sys.executable, "env", cwd=folder)
    python = str(folder / "env" / "bin" / "python")
    run(UV, "pip", "install", "--quiet", "--python", python, str(wheel), cwd=folder, **index_of_pip())
    assert "airflow" not in run(UV, "pip", "list", "--python", python, cwd=folder)

    def command(*arguments: str) -> Any:
        return json.loads(run(str(folder / "env" / "bin" / "strata"), *arguments, "--json", cwd=folder))

    return command


REGISTERED = """
import json, logging, sys
warned = []
class Kept(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())
logging.getLogger("airflow.providers_manager").addHandler(Kept(logging.WARNING))
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager
plugins, errors = plugins_manager._get_plugins()
providers = ProvidersManager()
hook = providers.hooks["opensearch"]
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins if plugin.name == "strata"],
    "errors": errors,
    "provider": hook.package_name,
    "hook": hook.hook_class_name,
    "form": providers.field_behaviours["opensearch"],
    "warned": [line for line in warned if "opensearch" in line],
}))
"""


LOCKED = ("--constraint", str(PROJECT / "requirements.lock"))
PUBLISHED = (f"apache-airflow=={mwaa.AIRFLOW}", "--constraint", str(NAMED_CONSTRAINTS))
"""Airflow's own constraints, as far as they name what Strata names, and the Airflow that they are published for."""


@pytest.mark.parametrize(
    ("version", "airflow"),
    [(".".join(map(str, sys.version_info[:2])), LOCKED), (mwaa.PYTHON, PUBLISHED)],
    ids=["locked", "published constraints"],
)
def test_airflow_finds_one_plugin_and_our_connection_form(
    wheel: Path, tmp_path: Path, version: str, airflow: tuple[str, ...]
) -> None:
    python = str(tmp_path / "env" / "bin" / "python")
    run(UV, "venv", "--quiet", "--python", python_of(version), "env", cwd=tmp_path)
    package = f"{wheel}[airflow]"
    run(UV, "pip", "install", "--quiet", "--python", python, *airflow, package, cwd=tmp_path, **index_of_pip())
    (tmp_path / "empty").mkdir()
    for plugins in (tmp_path / "empty", PROJECT / "plugins"):  # a checkout's plugins folder beside the package, too
        env = {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)}
        found = json.loads(run(python, "-c", REGISTERED, cwd=tmp_path, **env).splitlines()[-1])
        assert found["plugins"] == ["strata"], plugins
        assert found["errors"] == {}
        assert found["provider"] == "opensearch-strata"
        assert found["hook"] == "opensearch_strata.airflow.hooks.opensearch.OpenSearchHook"
        assert found["form"]["hidden_fields"] == ["schema"]
        assert "auth" in found["form"]["placeholders"]["extra"]
        assert found["warned"] == []


def test_it_holds_all_that_is_needed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    scripts = {path.name for path in (PROJECT / "plugins" / "opensearch_strata" / "painless").glob("*/*")}
    assert scripts <= {name.rpartition("/")[2] for name in names}
    assert "opensearch_strata/py.typed" in names
    for part in ("licenses/LICENSE", "licenses/NOTICE", "entry_points.txt"):
        assert any(name.endswith(f".dist-info/{part}") for name in names), part
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"opensearch_strata"}


def test_a_day_is_checked_condensed_proven_and_read(strata: Any, shell: Shell, tmp_path: Path) -> None:
    stream = shell.stream()
    sent = stream.fill(DAY, count=100)
    where = ("--url", shell.url, "--datasets-dir", str(tmp_path))
    assert strata("check", *where)["problems"] == []
    strata("condense", stream.dataset.name, str(DAY), *where)
    assert strata("verify", stream.dataset.name, str(DAY), *where)["state"] == "verified"
    span = ("--from", str(DAY), "--to", str(DAY), "--interval", "1d", "--metric", "temperature", "--stat", "count")
    answer = strata("query", stream.dataset.name, *span, *where)
    assert str(sum("temperature" in document for document in sent)) in json.dumps(answer)
