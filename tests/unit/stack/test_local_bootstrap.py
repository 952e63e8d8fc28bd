"""Set-up from nothing: what it tells a person who cannot go on, and that it does nothing when all is done."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap
from local.places import PROJECT

SCRIPT = Path("local", "bootstrap.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with the real script, and locks that name nothing that exists."""
    (tmp_path / "local").mkdir()
    shutil.copy(PROJECT / SCRIPT, tmp_path / SCRIPT)
    for name in bootstrap.INPUTS:
        (tmp_path / name).write_text("uv==0.0.0.dev1\n")
    return tmp_path


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT)], cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True
    )


def stamp_of(checkout: Path) -> dict[str, str]:
    """The stamp that a finished set-up of that checkout would leave."""
    code = (
        "import sys; sys.path.insert(0, 'local'); import bootstrap, json; print(json.dumps(bootstrap.wanted_stamp()))"
    )
    asked = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    return dict(json.loads(asked.stdout))


def test_old_pythons_can_read_the_script() -> None:
    ast.parse((PROJECT / SCRIPT).read_text(), feature_version=(3, 6))


def test_old_pythons_are_told_which_python_to_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(bootstrap.SetupError, match=r"Strata needs 3\.11\. Install Python 3\.11 or newer"):
        bootstrap.check_python()
    (tmp_path / "python3.12").touch(mode=0o755)
    with pytest.raises(bootstrap.SetupError, match=r"Run `make PYTHON=python3\.12"):
        bootstrap.check_python()


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_a_python_without_venv_is_told_the_package(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(bootstrap.SetupError, match=f"no module {module}.*apt install python3-venv"):
        bootstrap.check_python()


def test_a_registry_without_the_package_is_told_in_one_sentence(checkout: Path) -> None:
    failed = set_up(checkout, PIP_NO_INDEX="1")
    assert failed.returncode == 1
    (sentence,) = failed.stderr.splitlines()
    assert sentence.startswith("Set-up stopped: installing uv failed: the package registry did not answer;")
    log = Path(sentence.rpartition("Full output: ")[2])
    assert "uv==0.0.0.dev1" in log.read_text()
    assert not (checkout / ".venv" / "strata-setup.json").exists()


def test_a_finished_set_up_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "strata-setup.json").write_text(json.dumps(stamp_of(checkout)))
    done = set_up(checkout, PIP_NO_INDEX="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (checkout / ".stack" / "setup.log").exists()


@pytest.mark.parametrize("name", bootstrap.INPUTS)
def test_a_changed_lock_is_noticed(checkout: Path, name: str) -> None:
    before = stamp_of(checkout)
    (checkout / name).write_text("uv==0.0.0.dev2\n")
    changed = {key for key, value in stamp_of(checkout).items() if value != before[key]}
    assert changed == {"inputs"}


def test_a_moved_checkout_is_noticed(checkout: Path) -> None:
    before = stamp_of(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    changed = {key for key, value in stamp_of(moved).items() if value != before[key]}
    assert changed == {"project"}


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("error: Failed to fetch: `https://pypi.org/simple/rich/`\n  dns error", "the package registry did not answer"),
        ("error: failed to create `/opt/venv`: Permission denied (os error 13)", "a folder is not writable"),
        ("error: something never seen\n", "its last line: error: something never seen"),
    ],
)
def test_what_pip_and_uv_say_becomes_a_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str, cure: str
) -> None:
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "setup.log")
    script = tmp_path / "step.py"
    script.write_text(f"import sys; sys.exit({output!r})")
    with pytest.raises(bootstrap.SetupError, match=f"^installing failed: {cure}"):
        bootstrap.run([sys.executable, str(script)], "installing")
