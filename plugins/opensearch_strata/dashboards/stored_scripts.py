"""The scripts that merge rows for a chart, as a cluster stores them: a chart names them, and its text stays short.

Their ids depend on their text. So a newer release does not change what a dashboard of an older one shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.scripts import quantile_params, quantile_scripts

PREFIX = "strata_recall_"
"""How the ids begin: ``strata_recall_map_1a2b3c4d``."""


@cache
def stored_scripts() -> dict[str, tuple[str, str]]:
    """Part of the aggregation -> id of its script, and its text in Painless."""
    return {
        part: (f"{PREFIX}{part}_{hashlib.sha256(text.encode()).hexdigest()[:8]}", text)
        for part, text in quantile_scripts().items()
    }


def merged_rows(dataset: Dataset, metric: str, fractions: Sequence[float]) -> dict[str, Any]:
    """Aggregation over rows that merges them by the stored scripts.

    :param metric: name of a metric with a sketch
    :param fractions: the wanted quantiles, 0 .. 1, ascending
    """
    scripts = {f"{part}_script": {"id": identity} for part, (identity, _) in stored_scripts().items()}
    return {"scripted_metric": {"params": quantile_params(dataset, metric, fractions), **scripts}}
