"""Other Pythons of this machine, for tests that install into environments of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.packaging import mwaa
from local.places import PROJECT

NAMED_CONSTRAINTS = PROJECT / "tests" / "data" / f"constraints-{mwaa.AIRFLOW}-{mwaa.PYTHON}.txt"
"""Airflow's published constraints for the managed service's Airflow and Python, as far as they name what we name."""

UV = str(Path(sys.executable).with_name("uv"))


def python_of(version: str) -> str:
    """Path of an interpreter; skips the test where there is none.

    pyenv's shims refuse to run a version that is installed but not selected, so it is selected here.

    :param version: like ``3.12``
    """
    found = subprocess.run(
        [UV, "python", "find", "--no-project", version],
        env=os.environ | {"PYENV_VERSION": version},
        capture_output=True,
        text=True,
    )
    if found.returncode:
        pytest.skip(f"this machine has no Python {version}: {' '.join(found.stderr.split())[:200]}")
    return found.stdout.strip()
