"""The embedded stack itself: two side by side, on this machine only, and gone when they are stopped."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple

import psutil
import pytest

from local.airflow.api import AirflowApi
from local.errors import StackError
from local.ports import Ports, port_is_taken
from local.processes import session_of
from local.stack import Stack
from tests.system.conftest import FLIGHTS, Running

pytestmark = pytest.mark.long


def processes_of(stack: Stack) -> list[psutil.Process]:
    """All that runs for a stack, its process manager included."""
    return [process for pid_file in (stack.folder / "pids").iterdir() for process in session_of(pid_file).members]


def listening(stack: Stack) -> set[tuple[str, int]]:
    """Addresses and ports that a stack's processes listen on."""
    found = set()
    for process in processes_of(stack):
        with suppress(psutil.NoSuchProcess):  # a DAG parser, done by now
            sockets = (c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN)
            found |= {(address.ip.removeprefix("::ffff:"), address.port) for address in sockets}
    return found


def health(airflow: AirflowApi) -> set[str]:
    return {part["status"] for part in airflow.call("GET", "monitor/health").json().values()}


def test_two_stacks_run_side_by_side(running: Running) -> None:
    other = Stack("test-beside")
    other.remove()
    with other:
        assert not set(astuple(other.ports)) & set(astuple(running.stack.ports))
        airflow = AirflowApi(other.airflow_url)
        airflow.wait_for_dag(FLIGHTS)
        assert health(airflow) == health(running.airflow) == {"healthy"}
        for stack in (running.stack, other):
            assert {address for address, _ in listening(stack)} == {"127.0.0.1"}
            assert {port for _, port in listening(stack)} >= set(astuple(stack.ports))
        # Even a process manager that is killed leaves nothing behind once the stack is stopped.
        supervisor = session_of(other.folder / "pids" / "supervisor").leader
        assert supervisor is not None
        supervisor.kill()
        left = processes_of(other)
        assert len(left) > len(astuple(Ports(0, 0, 0)))
    assert not [process for process in left if process.is_running()]
    assert not [port for port in astuple(other.ports) if port_is_taken(port)]
    assert health(running.airflow) == {"healthy"}
    other.remove()
    assert not other.folder.exists()


def test_a_service_that_dies_while_starting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_JAVA_OPTS", "-Xmsnone")
    stack = Stack("test-broken")
    with (
        pytest.raises(StackError, match=r"^opensearch died while starting: Invalid initial heap size: -Xmsnone\."),
        stack,
    ):
        pass
    assert not processes_of(stack)
    stack.remove()
