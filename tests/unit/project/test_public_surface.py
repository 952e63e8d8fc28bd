"""What users may import stays where it is, and costs nothing before it is asked for."""

import importlib
import re
import subprocess
import sys
from types import ModuleType

import pytest

import opensearch_strata
import opensearch_strata.airflow
from local.places import PROJECT


@pytest.mark.parametrize("package", [opensearch_strata, opensearch_strata.airflow], ids=["package", "airflow"])
def test_all_of_the_public_names_are_there(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_the_public_names() -> None:
    assert opensearch_strata.__all__ == [
        "Dataset",
        "DefinitionError",
        "Refused",
        "StrataError",
        "TransientError",
        "load_definitions",
        "read",
        "read_pages",
    ]


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"pandas", "opensearchpy", "airflow", "pydantic"}
    code = f"import opensearch_strata, sys; print({heavy} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


def test_programs_in_texts_import_what_is_there() -> None:
    """Those that linters do not see: in the Makefile, in documents, and in tests that start another process."""
    texts = [PROJECT / "Makefile", *PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("tests/**/*.py")]
    found = {
        (path.name, module, name)
        for path in texts
        for module, names in re.findall(r"from (opensearch_strata[\w.]*) import ([\w, ]+)", path.read_text("utf-8"))
        for name in (part.split(" as ")[0].strip() for part in names.split(","))
        if name
    }
    assert ("Makefile", "opensearch_strata.definition.files", "dataset_schema") in found
    assert not [(path, module, name) for path, module, name in sorted(found) if not is_there(module, name)]


def is_there(module: str, name: str) -> bool:
    try:
        if hasattr(importlib.import_module(module), name):
            return True
        importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True
