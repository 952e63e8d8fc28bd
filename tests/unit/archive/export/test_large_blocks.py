"""Large blocks do not stay in the heap."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

GROWS = """
import resource, sys
from opensearch_strata.archive.export.large_blocks import keep_large_blocks_apart
if sys.argv[1] == "apart":
    assert keep_large_blocks_apart()
kept = []
for _ in range(40):
    pages = [bytes(size << 20) for size in (6, 7, 8)]
    kept.append([bytes(600) for _ in range(100)])  # small blocks that outlive the pages, as lines do
    del pages
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
print(resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no threshold that grows")
def test_freed_pages_leave_the_process() -> None:
    left = {how: int(subprocess.check_output([sys.executable, "-c", GROWS, how])) for how in ("apart", "as it is")}
    assert left["apart"] < left["as it is"] - (10 << 20)
