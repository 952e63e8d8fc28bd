"""Reports broken dataset files as an import error of this file alone, so the DAGs of valid datasets keep running.

This file defines no Airflow DAG. ``strata check`` prints the same sentences.
"""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

from opensearch_strata.errors import DefinitionError

cycles = run_path(str(Path(__file__).with_name("daily_cycle.py")))
if problems := [*cycles["DEFINITIONS"].problems, *cycles["UNBUILT"]]:
    raise DefinitionError(" ".join(problems))
