"""`make run` does what the README shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local.places import PROJECT
from tests.readme import assert_printed_as_shown

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # a stack of its own, for two minutes when nothing else runs


def test_make_run_prints_what_the_readme_shows() -> None:
    command = [sys.executable, "-m", "local", "run"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert_printed_as_shown(done.stdout)
