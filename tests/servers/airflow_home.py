"""An Airflow of the tests' own. Imported before anything imports Airflow, which reads its settings only once."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from local.airflow.environment import airflow_environment, keys_of
from local.ports import Ports

HOME = Path(tempfile.mkdtemp(prefix="strata-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ.update(
    {
        name: value
        for name, value in airflow_environment({}, HOME, Ports(0, 0, 0), keys_of(HOME)).items()
        if name.startswith("AIRFLOW")
    }
)
# No test may find a connection that it did not make.
for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
    del os.environ[name]
