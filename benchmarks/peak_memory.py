"""How much memory a process has needed. Imports nothing that a worker does not need anyway."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MEGABYTE = 1_000_000


def peak_bytes() -> int:
    """Peak of this program's own memory: on Linux, `ru_maxrss` begins with what the parent had when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
