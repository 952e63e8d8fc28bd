"""Whether a process of this machine is dead, by the name that it gave itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from opensearch_strata.connections.processes import is_dead, this_process

SAY = "from opensearch_strata.connections.processes import this_process; print(this_process(), flush=True); input()"


def started() -> tuple[subprocess.Popen[str], str]:
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    return child, child.stdout.readline().strip()


def test_a_process_is_dead_once_it_is_killed_even_if_nobody_waited_for_it() -> None:
    child, name = started()
    assert name != this_process()
    assert not is_dead(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert is_dead(name)
    child.communicate()
    assert is_dead(name)


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    machine, _, started_at = this_process().rpartition("/")
    assert not is_dead(this_process())
    assert is_dead(f"{machine}/{int(started_at) + 1}")


@pytest.mark.parametrize("name", ["", "elsewhere/boot/pid:[1]/1/1", "no name", "/1/1", "elsewhere//1"])
def test_nothing_is_known_of_processes_elsewhere(name: str) -> None:
    assert not is_dead(name)
