"""Shows broken dataset files as an import error of this file alone: the DAGs of sound datasets go on.

This file holds no Airflow DAG. ``strata check`` prints the same sentences.
"""

from __future__ import annotations

from opensearch_strata.definitions import datasets_dir, load_definitions
from opensearch_strata.errors import DefinitionError

if problems := load_definitions(datasets_dir()).problems:
    raise DefinitionError(" ".join(problems))
