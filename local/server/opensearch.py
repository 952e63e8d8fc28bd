"""A real OpenSearch node from packages: `EmbeddedOpenSearch` in tests, `python -m local.server.opensearch` in a stack.

The node listens only on 127.0.0.1, without the security plugin. OpenSearch refuses to run as root; if root starts the
node, it runs as the user `nobody`.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import StackError
from local.node_log import failure_reason
from local.places import server_folder
from local.ports import free_port, port_is_taken
from local.processes import die_with_parent, stop_group
from local.readiness import HEALTH_OF_OPENSEARCH, NotReadyError, answered, wait_until_ready
from local.server.node import Member, prepare_node

READY_WITHIN = 120
"""Seconds after which we give up on a node that neither answers nor dies."""


class EmbeddedOpenSearch:
    """One node in its own process group, stopped when the block ends or the process that started it dies.

    >>> with EmbeddedOpenSearch() as node:
    ...     client = OpenSearch(node.url)

    `folder` keeps data from one start to the next; without it, the data lives and dies with the node. `port` defaults
    to a free one, and `heap` is in Java's notation ("512m", "2g"). `member` makes the node one of several, see
    `cluster.py`.
    """

    def __init__(
        self, folder: Path | None = None, port: int | None = None, heap: str = "1g", member: Member | None = None
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._keep = folder
        self._heap = heap
        self._member = member
        self._process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = folder

    @property
    def log_file(self) -> Path:
        assert self.folder is not None, "the node has not been started"
        return self.folder / "opensearch.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the node and wait until its health is yellow or green. Raises StackError with the node's reason."""
        if port_is_taken(self.port):
            raise StackError(
                f"Port {self.port} is taken, so OpenSearch was not started. Stop what listens there, or choose another."
            )
        self.folder = self._keep or Path(tempfile.mkdtemp(prefix="node-", dir=server_folder()))
        command = prepare_node(self.folder.resolve(), self.port, self._heap, self._member)
        with self.log_file.open("wb") as output:
            process = subprocess.Popen(
                command.argv,
                env=command.environment,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent if threading.current_thread() is threading.main_thread() else None,
                **command.identity,
            )
        try:
            health = self.url + HEALTH_OF_OPENSEARCH
            wait_until_ready(health, lambda: process.poll() is None, READY_WITHIN, answered)
        except BaseException as error:
            stop_group(process)
            if isinstance(error, NotReadyError):
                reason = failure_reason(self.log_file.read_text(errors="replace").splitlines())
                raise StackError(f"OpenSearch {error}: {reason}. Its log: {self.log_file}") from error
            raise
        self._process = process

    def stop(self) -> None:
        """Stop the node and remove its folder, unless one was given. Does nothing if it is down."""
        if self._process is not None:
            stop_group(self._process)
            self._process = None
        if self.folder is not None and self._keep is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def kill(self) -> None:
        """End the node like a power cut; its folder stays, and `start` brings it back."""
        assert self._process is not None, "the node is not running"
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


def main() -> None:
    """Prepare a node and become it: signals reach Java directly, and its log is this process's output."""
    parser = argparse.ArgumentParser(
        prog="python -m local.server.opensearch", description="Run one OpenSearch node on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, required=True, help="HTTP port")
    parser.add_argument("--folder", type=Path, required=True, help="configuration and data of the node")
    parser.add_argument("--heap", default="1g", help="Java heap, such as 512m or 2g (default: %(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if port_is_taken(arguments.port):
            raise StackError(f"Port {arguments.port} is taken, so OpenSearch was not started.")
        command = prepare_node(arguments.folder.resolve(), arguments.port, arguments.heap)
    except StackError as error:
        sys.exit(str(error))
    os.chdir(command.folder)
    if command.user is not None:
        os.setgroups([])
        os.setgid(command.user.pw_gid)
        os.setuid(command.user.pw_uid)
    sys.stdout.flush()
    os.execve(command.argv[0], command.argv, command.environment)


if __name__ == "__main__":
    main()
