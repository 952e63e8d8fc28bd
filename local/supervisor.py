"""The process manager of one stack, started by `local.stack`: honcho runs the services, each with its own log file."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import BinaryIO

from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

from local.airflow.environment import airflow_environment, keys_of
from local.places import PROJECT
from local.ports import Ports

OWN_LOG = "supervisor"


class LogFiles(Printer):  # type: ignore[misc]
    """Honcho's printer, but each service's lines go to `<service>.log` and honcho's own lines to `supervisor.log`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._open: dict[str, BinaryIO] = {}

    def write(self, message: Message) -> None:
        name = OWN_LOG if message.name == SYSTEM_PRINTER_NAME else message.name
        if name not in self._open:
            self._open[name] = (self._folder / f"{name}.log").open("ab", buffering=0)
        self._open[name].write(message.data if isinstance(message.data, bytes) else message.data.encode())


def services(ports: Ports, folder: Path, node_folder: Path) -> dict[str, list[str]]:
    """Arguments of the Python interpreter for each service of a stack.

    The four parts of Airflow are those that `airflow standalone` starts. They are started individually because
    standalone's scheduler and triggerer serve logs on all network interfaces (here the API server reads the files),
    and because ending standalone leaves its children running.
    """
    return {
        "opensearch": ["-m", "local.server.opensearch", f"--port={ports.opensearch}", f"--folder={node_folder}"],
        "aws": ["-m", "local.aws", f"--port={ports.aws}", f"--keep={folder / 's3.pickle'}"],
        "airflow-api-server": ["-m", "airflow", "api-server"],
        "airflow-scheduler": ["-m", "airflow", "scheduler", "--skip-serve-logs"],
        "airflow-dag-processor": ["-m", "airflow", "dag-processor"],
        "airflow-triggerer": ["-m", "airflow", "triggerer", "--skip-serve-logs"],
    }


def main() -> None:
    """Run the services until one of them ends or SIGTERM arrives, then end them all."""
    parser = argparse.ArgumentParser(prog="python -m local.supervisor")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the stack")
    parser.add_argument("--node-folder", type=Path, required=True, help="folder of its OpenSearch node")
    for service in ("opensearch", "aws", "airflow"):
        parser.add_argument(f"--{service}", type=int, required=True, help="port")
    arguments = parser.parse_args()
    ports = Ports(opensearch=arguments.opensearch, aws=arguments.aws, airflow=arguments.airflow)
    home = arguments.folder / "airflow"
    environment = airflow_environment(os.environ, home, ports, keys_of(home))
    # Java's second-tier compiler costs more than it gains in the few minutes that a stack of sample data lives.
    environment.setdefault("OPENSEARCH_JAVA_OPTS", "-XX:TieredStopAtLevel=1")
    manager = Manager(LogFiles(arguments.folder / "logs"))
    for name, command in services(ports, arguments.folder, arguments.node_folder).items():
        pid_file = shlex.quote(str(arguments.folder / "pids" / name))
        line = f"echo $$ > {pid_file}; exec {shlex.join([sys.executable, *command])}"
        manager.add_process(name, line, env=environment, cwd=str(PROJECT))
    manager.loop()
    sys.exit(manager.returncode)


if __name__ == "__main__":
    main()
