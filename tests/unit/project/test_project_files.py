"""What stands around the code agrees with it: pins and locks, hooks of commits, continuous integration, issue forms."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.places import PROJECT

GITHUB = PROJECT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PINS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def pins(name: str) -> dict[str, str]:
    """Package and version, line by line; extras do not count."""
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", (PROJECT / name).read_text(), re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


@pytest.mark.parametrize(("asked", "lock"), PINS.items())
def test_the_lock_has_the_versions_that_are_pinned(asked: str, lock: str) -> None:
    wanted, locked = pins(asked), pins(lock)
    assert wanted
    assert {name: locked.get(name) for name in wanted} == wanted, "run `make lock`"


def test_ruff_before_a_commit_is_the_ruff_of_the_lock() -> None:
    hooks = read_yaml(PROJECT / ".pre-commit-config.yaml")["repos"]
    (revision,) = [repository["rev"] for repository in hooks if repository["repo"].endswith("/ruff-pre-commit")]
    assert revision == "v" + pins("requirements-dev.lock")["ruff"]


def test_a_commit_is_checked_by_all_that_make_lint_runs() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    ran = set(re.findall(r"\$\(BIN\)/(\S+)(?: (check|format))?", recipe[1]))
    hooks = [
        hook["id"]
        for repository in read_yaml(PROJECT / ".pre-commit-config.yaml")["repos"]
        for hook in repository["hooks"]
    ]
    assert {"-".join(filter(None, parts)) for parts in ran} == set(hooks)


def test_continuous_integration_runs_the_targets_of_the_makefile() -> None:
    jobs = read_yaml(GITHUB / "workflows" / "ci.yml")["jobs"]
    ran = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    names = ("lint", "test", "test-versions", "test-rest", "test-exhaustive", "test-mwaa", "docs")
    assert ran == {name: [f"make {name}"] for name in names}
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {target for (line,) in ran.values() for target in line.split()[1:]} <= targets


def test_pictures_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in (PROJECT / "docs" / "images").iterdir()}
    assert len(sizes) > 5
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}


def test_no_two_files_of_tests_share_a_name() -> None:
    """pytest would collect only one of them, and call the other an error."""
    names = Counter(file.name for file in (PROJECT / "tests").glob("**/test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_has_what_github_demands(form: Path) -> None:
    content = read_yaml(form)
    assert content["name"]
    assert content["description"]
    assert any(part.get("validations", {}).get("required") for part in content["body"])
    asked = [part for part in content["body"] if part["type"] != "markdown"]
    for part in asked:
        assert part["type"] in {"textarea", "input", "dropdown", "checkboxes"}
        assert part["attributes"]["label"].strip()
    assert len({part["id"] for part in asked}) == len(asked)
    assert len({part["attributes"]["label"] for part in asked}) == len(asked)


OURS = [
    "opensearch_strata.reader",
    "local.samples.flights",
    "benchmarks.material.site",
    "tests.streams",
    "test_days",
    "conftest",
]


@pytest.mark.parametrize("module", OURS)
def test_a_warning_that_our_own_line_causes_is_an_error(module: str) -> None:
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, module)


def test_a_warning_among_libraries_is_theirs() -> None:
    with pytest.warns(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, "airflow_client.api")
