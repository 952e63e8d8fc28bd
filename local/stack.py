"""The whole embedded stack (OpenSearch, S3 and SQS by moto, Airflow) for `make run`, `make up` and the system tests."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import psutil
import requests

from local.airflow.database import empty_database
from local.errors import StackError
from local.node_log import failure_reason
from local.places import PROJECT, STACK, include_folder, server_folder
from local.ports import Ports
from local.processes import PATIENCE, die_with_parent, end, session_of
from local.readiness import (
    HEALTH_OF_AIRFLOW,
    HEALTH_OF_OPENSEARCH,
    NotReadyError,
    all_parts_healthy,
    answered,
    wait_until_ready,
)
from local.server.distribution import opensearch_home
from local.supervisor import OWN_LOG

READY_WITHIN = 900
"""Seconds after which we give up on a service that neither answers nor dies, also on a machine with much else to do."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """One of the stack's three services, as seen from outside."""

    title: str
    url: str
    health: str
    ready: Callable[[requests.Response], bool] = answered


class Stack:
    """One running stack, with everything it writes in `.stack/<name>/`.

    >>> with Stack("test") as stack:
    ...     client = OpenSearch(stack.opensearch_url)

    The ports are those of $STRATA_*_PORT, else the `preferred` ones if they are free, else any free ones. Stacks with
    different names can run side by side.
    """

    def __init__(self, name: str, preferred: Ports | None = None) -> None:
        self.name = name
        self.folder = STACK / name
        self.logs = self.folder / "logs"
        self.ports = Ports(0, 0, 0)
        self._preferred = preferred
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._launched = 0.0
        self._told: set[str] = set()
        self._pids = self.folder / "pids"
        self._node_folder = server_folder() / name / "opensearch"

    @classmethod
    def running(cls, name: str) -> Stack | None:
        """The stack of this name if it is up, else None."""
        stack = cls(name)
        if session_of(stack._pids / OWN_LOG).leader is None:
            return None
        stack.ports = Ports(**json.loads((stack.folder / "ports.json").read_text()))
        return stack

    @property
    def opensearch_url(self) -> str:
        """URL of OpenSearch."""
        return f"http://127.0.0.1:{self.ports.opensearch}"

    @property
    def aws_url(self) -> str:
        """URL of S3 and SQS."""
        return f"http://127.0.0.1:{self.ports.aws}"

    @property
    def airflow_url(self) -> str:
        """URL of Airflow's UI and REST API."""
        return f"http://127.0.0.1:{self.ports.airflow}"

    def __enter__(self) -> Stack:
        self.launch()
        self.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def launch(self, detached: bool = False, include: Path | None = None) -> None:
        """Start all services and return before they are ready. Raises StackError.

        Unless `detached`, they end with this process, however it ends. Anything left of an earlier stack of this name
        is stopped first. `include` is the folder with `datasets/` for Airflow, by default `include_folder()`.
        """
        self.stop()
        self.ports = Ports.choose(self._preferred)
        self._lay_out()
        ports = [f"--{service}={port}" for service, port in asdict(self.ports).items()]
        folders = [f"--folder={self.folder}", f"--node-folder={self._node_folder}"]
        with (self.logs / f"{OWN_LOG}.log").open("ab") as output:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "local.supervisor", *folders, *ports],
                cwd=PROJECT,
                env={**os.environ, "STRATA_INCLUDE_DIR": str(include or include_folder())},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if detached else die_with_parent,
            )
        (self._pids / OWN_LOG).write_text(str(self._supervisor.pid))
        (self.folder / "ports.json").write_text(json.dumps(asdict(self.ports)))
        self._launched = time.monotonic()
        self._told.clear()

    def _lay_out(self) -> None:
        with ThreadPoolExecutor() as pool:  # both take seconds the first time
            home, database = pool.submit(opensearch_home), pool.submit(empty_database)
            home.result()
            airflow = self.folder / "airflow"
            airflow.mkdir(parents=True, exist_ok=True)
            if not (airflow / "airflow.db").exists():
                shutil.copyfile(database.result(), airflow / "airflow.db")
        self._node_folder.parent.mkdir(parents=True, exist_ok=True)
        self._node_folder.parent.chmod(0o755)  # the node's user must be able to pass through
        for folder in (self.logs, self._pids):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def wait_until_ready(self, *names: str) -> None:
        """Wait for the services with these names, or for all if none is given.

        If one does not become ready, all are stopped, and StackError names the culprit.
        """
        services = {
            "opensearch": Service("OpenSearch", self.opensearch_url, HEALTH_OF_OPENSEARCH),
            "aws": Service("S3 and SQS", self.aws_url, "/moto-api/"),
            "airflow": Service("Airflow", self.airflow_url, HEALTH_OF_AIRFLOW, all_parts_healthy),
        }
        with ThreadPoolExecutor() as pool:
            waits = [pool.submit(self._wait, services[name]) for name in names or services]
            try:
                for wait in waits:
                    wait.result()
            except BaseException:
                self.stop()  # so that the other waits end too
                raise

    def _wait(self, service: Service) -> None:
        try:
            wait_until_ready(service.url + service.health, self._is_running, READY_WITHIN, service.ready)
        except NotReadyError as error:
            raise StackError(self._culprit() or f"{service.title} {error}. Logs: {self.logs}") from error
        if service.title in self._told:  # it is waited for again by whoever needs it next
            return
        self._told.add(service.title)
        log.info("%-11s ready after %2.0f s  %s", service.title, time.monotonic() - self._launched, service.url)

    def _is_running(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def _culprit(self) -> str | None:
        """A sentence about the process that ended first and so made honcho end the others."""
        own = self.logs / f"{OWN_LOG}.log"
        if not (found := re.search(r"^(\S+) stopped \(rc=", own.read_text(), re.MULTILINE)):
            return None
        log_file = self.logs / f"{found[1]}.log"
        lines = log_file.read_text(errors="replace").splitlines() if log_file.exists() else []
        return f"{found[1]} died while starting: {failure_reason(lines)}. Its log: {log_file}"

    def stop(self) -> None:
        """Stop all services and keep their data. Does nothing if none is running."""
        supervisor = session_of(self._pids / OWN_LOG)
        if supervisor.leader is not None:
            supervisor.leader.terminate()
            psutil.wait_procs(supervisor.members, timeout=PATIENCE)
        # Processes that the supervisor did not end, or that it left behind when it was killed.
        end([process for pid_file in self._pids.glob("*") for process in session_of(pid_file).members])
        if self._supervisor is not None:
            self._supervisor.terminate()
            self._supervisor.wait()

    def remove(self) -> None:
        """Stop all services and remove everything they wrote."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._node_folder.parent, ignore_errors=True)
