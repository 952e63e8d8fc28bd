"""What users may import stays where it is, and costs nothing before it is asked for."""

import subprocess
import sys

import pytest

import opensearch_strata
import opensearch_strata.airflow


@pytest.mark.parametrize("package", [opensearch_strata, opensearch_strata.airflow], ids=["package", "airflow"])
def test_all_of_the_public_names_are_there(package):
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_the_public_names():
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


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"pandas", "opensearchpy", "airflow", "pydantic"}
    code = f"import opensearch_strata, sys; print({heavy} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
