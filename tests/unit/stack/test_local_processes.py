"""Sessions: who belongs to what was started, and who does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.processes import end, session_of

FAMILY = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], process_group=0)
print(child.pid, flush=True)
signal.pause()
"""
"""A leader whose child has a process group of its own, as an Airflow task has."""

STUBBORN = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        pid_file = tmp_path / "pid"
        pid_file.write_text(str(leader.pid))
        yield leader, child, pid_file
        end(session_of(pid_file).members)


def test_a_session_holds_children_of_other_groups(family: tuple[subprocess.Popen[str], int, Path]) -> None:
    leader, child, pid_file = family
    session = session_of(pid_file)
    assert session.leader is not None
    assert session.leader.pid == leader.pid
    assert {process.pid for process in session.members} == {leader.pid, child}


def test_orphans_are_found_after_their_leader(family: tuple[subprocess.Popen[str], int, Path]) -> None:
    leader, child, pid_file = family
    leader.kill()
    leader.wait()
    session = session_of(pid_file)
    assert session.leader is None
    assert [process.pid for process in session.members] == [child]
    end(session.members)
    assert not psutil.pid_exists(child)


def test_a_zombie_leads_nobody(family: tuple[subprocess.Popen[str], int, Path]) -> None:
    leader, _, pid_file = family
    leader.kill()
    while psutil.Process(leader.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert session_of(pid_file).leader is None


def test_a_number_that_went_to_somebody_else_is_left_alone(family: tuple[subprocess.Popen[str], int, Path]) -> None:
    _, _, pid_file = family
    before = time.time() - 3600
    os.utime(pid_file, (before, before))
    assert session_of(pid_file).members == []
    os.utime(pid_file)


@pytest.mark.parametrize("content", [None, "", "no number"])
def test_without_a_pid_there_is_no_session(tmp_path: Path, content: str | None) -> None:
    pid_file = tmp_path / "pid"
    if content is not None:
        pid_file.write_text(content)
    assert session_of(pid_file).members == []


def test_the_deaf_are_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end([psutil.Process(process.pid)])
    assert not psutil.pid_exists(process.pid)
