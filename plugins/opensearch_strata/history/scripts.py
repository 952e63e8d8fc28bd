"""The scripted_metric that computes all statistics of a row in one pass. Reads ``include/painless/`` once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from opensearch_strata.dataset import Dataset
from opensearch_strata.definitions import include_dir
from opensearch_strata.errors import DefinitionError
from opensearch_strata.history.sketch import scale


def condense_metric(dataset: Dataset, metrics: Iterable[str] | None = None) -> dict[str, Any]:
    """Aggregation that returns ``{metric: {min, max, sum, count, avg?, sketch?}}`` of each bucket.

    The text is constant and all that differs is in ``params``: a script is compiled once per node, whatever
    the dataset. A metric without values in a bucket is left out.

    :param metrics: names of the metrics wanted; all by default
    """
    names = list(dataset.metrics if metrics is None else metrics)
    scales = [scale(dataset.sketches[name]) if name in dataset.sketches else None for name in names]
    params = {
        "names": names,
        "fields": [dataset.metrics[name].field for name in names],
        "stats": [list(dataset.metrics[name].stats) for name in names],
        # 0 = no sketch: the server cannot copy params that hold null.
        "multipliers": [s.multiplier if s else 0.0 for s in scales],
        "offsets": [s.offset if s else 0 for s in scales],
    }
    functions = _text("sketch")
    return {
        "scripted_metric": {
            "params": params,
            "init_script": _script(_text("condense_init")),
            "map_script": _script(functions + _text("condense_map")),
            "combine_script": _script(functions + _text("condense_combine")),
            "reduce_script": _script(functions + _text("condense_reduce")),
        }
    }


def _script(source: str) -> dict[str, str]:
    return {"lang": "painless", "source": source}


@cache
def _text(name: str) -> str:
    path = include_dir() / "painless" / f"{name}.painless"
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DefinitionError(f"The script {path} cannot be read ({error.strerror}); restore it.") from None
