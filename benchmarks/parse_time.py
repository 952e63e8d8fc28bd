"""How long it takes to read a folder of datasets, and to parse the DAG files that use it, in CPU seconds.

``python -m benchmarks.parse_time`` prints a line for each; ``--datasets`` and ``--rounds`` set the numbers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from local.places import PROJECT

_TEMPLATE = PROJECT / "include" / "datasets" / "telemetry.yaml"
_CLOCK = "import sys, time; begin = time.process_time(); {}; print(time.process_time() - begin)"
_LOAD = (
    "import opensearch_strata.definition.files as files; "
    + _CLOCK.format("found = files.load_definitions(files.datasets_dir())")
    + "; assert len(found.datasets) == {} and not found.problems"
)
# Airflow's processor and its tasks have imported the SDK and our operators before they parse a file.
_PARSE = "import airflow.sdk, runpy; runpy.run_path({0!r}); " + _CLOCK.format("runpy.run_path({0!r})")


def measure(datasets: int, rounds: int) -> dict[str, float]:
    """Measure each of them.

    :param datasets: how many files like ``telemetry.yaml`` the folder contains
    :param rounds: how many new processes are started for each
    :returns: name -> CPU seconds, the median of all rounds
    """
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder)
        (include / "datasets").mkdir()
        text = _TEMPLATE.read_text("utf-8")
        for number in range(datasets):
            (include / "datasets" / f"t{number}x.yaml").write_text(text.replace("telemetry", f"t{number}x"), "utf-8")
        env = {
            **os.environ,
            "STRATA_INCLUDE_DIR": folder,
            "AIRFLOW_HOME": str(include / "airflow"),
            "PYTHONPATH": str(PROJECT / "plugins"),
        }
        cycle, definitions, backfill = (
            _PARSE.format(str(PROJECT / "dags" / file))
            for file in ("daily_cycle.py", "dataset_definitions.py", "archive_backfill.py")
        )
        one = {**env, "_AIRFLOW_PARSING_CONTEXT_DAG_ID": "t0x_daily_cycle"}
        return {
            "load_definitions": _seconds(_LOAD.format(datasets), env, rounds),
            "daily_cycle.py, as a task parses it": _seconds(cycle, one, rounds),
            "daily_cycle.py, as the processor parses it": _seconds(cycle, env, rounds),
            "dataset_definitions.py": _seconds(definitions, env, rounds),
            "archive_backfill.py": _seconds(backfill, env, rounds),
        }


def _seconds(code: str, env: dict[str, str], rounds: int) -> float:
    def once() -> float:
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        return float(run.stdout.splitlines()[-1])

    return median(once() for _ in range(rounds))


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for name, seconds in measure(asked.datasets, asked.rounds).items():
        sys.stdout.write(f"{name:45} {seconds:6.2f} s CPU, {asked.datasets} datasets\n")


if __name__ == "__main__":
    main()
