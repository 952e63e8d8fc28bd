"""An empty Airflow database, created once per version and copied into each stack: `airflow db migrate` takes 5-8 s."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from local.airflow.environment import airflow_environment, keys_of
from local.errors import StackError
from local.places import PROJECT, STACK
from local.ports import Ports


def empty_database() -> Path:
    """Path of the SQLite file to copy. Raises StackError if Airflow cannot create it."""
    database = STACK / f"airflow-{version('apache-airflow-core')}.db"
    if database.exists():
        return database
    STACK.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=".building-", dir=STACK))
    try:
        migrated = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=airflow_environment(os.environ, home, Ports(0, 0, 0), keys_of(home)),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if migrated.returncode != 0:
            last = (migrated.stdout.strip().splitlines() or ["it printed nothing"])[-1]
            raise StackError(f"Airflow could not create its database: {last}")
        (home / "airflow.db").replace(database)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return database
