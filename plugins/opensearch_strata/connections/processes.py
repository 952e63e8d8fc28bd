"""Identifies the process that holds something, so that another process on the same machine can see whether it is dead.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_STATE, _STARTED = 0, 19  # fields 3 and 22, counted after the name, which may contain spaces and brackets
_ENDED = frozenset("ZX")


@cache
def _machine() -> str:
    """This boot of this machine and the namespace of its process ids; empty if the system does not show them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def this_process() -> str:
    """``machine/id/start`` of this process, which no other process ever has; empty if the system does not show it."""
    return _named(os.getpid())


def is_dead(process: str) -> bool:
    """Whether a process is known to have ended: it ran on this machine and no longer does.

    :param process: what :func:`this_process` returned in it; nothing is known about an empty name
    """
    machine, _, identity = process.rpartition("/")
    machine, _, pid = machine.rpartition("/")
    if not (machine and pid.isdecimal() and identity) or machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it belongs to somebody else: it exists, but its start may be hidden
        pass
    there = _stat(int(pid))
    return bool(there) and (there[_STATE] in _ENDED or there[_STARTED] != identity)


def _named(pid: int) -> str:
    found = _stat(pid)
    return f"{_machine()}/{pid}/{found[_STARTED]}" if found and _machine() else ""


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
