"""Ends started processes completely: process groups, sessions, and children of a parent that was killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PATIENCE = 20
"""Seconds that a process has to stop by itself before it is killed."""


def die_with_parent() -> None:
    """Make Linux end this child when the thread that started it ends; for subprocess's `preexec_fn`."""
    pr_set_pdeathsig = 1
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def stop_group(leader: subprocess.Popen[bytes]) -> None:
    """Stop a process started with `start_new_session` and its group: with SIGTERM, after PATIENCE with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader.pid, number)
            leader.wait(PATIENCE)
            return
        except ProcessLookupError:
            leader.wait()
            return
        except subprocess.TimeoutExpired:
            continue


@dataclass
class Session:
    """The live processes of one session. `leader` is None if the process that opened the session has ended."""

    leader: psutil.Process | None = None
    members: list[psutil.Process] = field(default_factory=list)


def session_of(pid_file: Path) -> Session:
    """The session whose leader's pid is in `pid_file`.

    A session is wider than a process group: Airflow gives each task its own group. The session is empty if the leader
    is gone and another process now has its pid.
    """
    session = Session()
    try:
        number = int(pid_file.read_text())
        written = pid_file.stat().st_mtime
    except (OSError, ValueError):
        return session
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                if process.pid == number:
                    if process.create_time() > written + 1:
                        return Session()
                    session.leader = process
                session.members.append(process)
    return session


def end(processes: list[psutil.Process]) -> None:
    """End those of `processes` that are still alive: with SIGTERM, and with SIGKILL if that has no effect in 5 s."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
