"""The embedded OpenSearch: a real node that starts anywhere, says why it does not, and never outlives its parent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from opensearchpy import OpenSearch

from local.errors import StackError
from local.places import PROJECT, STACK, server_folder
from local.ports import port_is_taken
from local.server.opensearch import EmbeddedOpenSearch

HEAP = "256m"

pytestmark = pytest.mark.long

PARENT = f"""
import time
from local.server.opensearch import EmbeddedOpenSearch

with EmbeddedOpenSearch(heap="{HEAP}") as node:
    print(node.port, node.folder, flush=True)
    time.sleep(300)
"""


def node_processes(folder: Path) -> list[psutil.Process]:
    """The Java processes that run on that folder."""
    return [p for p in psutil.process_iter(["cmdline"]) if any(str(folder) in part for part in p.info["cmdline"] or [])]


def wait_until(condition: Callable[[], bool], within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def kept() -> Iterator[EmbeddedOpenSearch]:
    """A running node whose folder outlives it."""
    folder = server_folder() / "test-kept"
    node = EmbeddedOpenSearch(folder=folder, heap=HEAP)
    node.start()
    yield node
    node.stop()
    shutil.rmtree(folder)


def test_only_this_machine_can_reach_it(kept: EmbeddedOpenSearch) -> None:
    assert kept.folder is not None
    (process,) = node_processes(kept.folder)
    listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the node to somebody else")
def test_root_runs_it_as_nobody(kept: EmbeddedOpenSearch) -> None:
    assert kept.folder is not None
    (process,) = node_processes(kept.folder)
    assert process.username() == "nobody"
    assert set(process.uids()) != {0}
    assert set(Path(f"/proc/{process.pid}/status").read_text().split("Groups:")[1].splitlines()[0].split()) <= {"65534"}


def test_a_taken_port_is_told_before_anything_starts(kept: EmbeddedOpenSearch) -> None:
    with pytest.raises(StackError, match=f"Port {kept.port} is taken, so OpenSearch was not started"):
        EmbeddedOpenSearch(port=kept.port, heap=HEAP).start()


def test_a_node_that_dies_while_starting_tells_its_reason() -> None:
    node = EmbeddedOpenSearch(heap="none")
    with pytest.raises(
        StackError, match=r"died while starting: Invalid initial heap size: -Xmsnone\. Its log: "
    ) as told:
        node.start()
    log = Path(str(told.value).rpartition("Its log: ")[2])
    assert "Invalid initial heap size" in log.read_text()
    shutil.rmtree(log.parent)


def test_data_outlives_the_node_in_a_folder_of_its_own(kept: EmbeddedOpenSearch) -> None:
    client = OpenSearch(kept.url)
    client.index(index="kept", id="1", body={"n": 1}, params={"refresh": "true"})
    kept.stop()
    assert not port_is_taken(kept.port)
    kept.start()
    assert client.get(index="kept", id="1")["_source"] == {"n": 1}


def test_without_a_folder_nothing_is_left() -> None:
    with EmbeddedOpenSearch(heap=HEAP) as node:
        folder = node.folder
        assert folder is not None
        assert folder.is_relative_to(STACK) or folder.is_relative_to("/var/tmp")
        assert "opensearch-job-scheduler" in OpenSearch(node.url).cat.plugins(params={"h": "component"}).split()
    assert not folder.exists()
    assert not node_processes(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert parent.stdout is not None
    port, folder = parent.stdout.readline().split()
    assert port_is_taken(int(port))
    parent.send_signal(number)
    parent.wait()
    wait_until(lambda: not port_is_taken(int(port)))
    shutil.rmtree(folder, ignore_errors=True)
