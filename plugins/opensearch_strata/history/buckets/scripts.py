"""The scripted_metrics that compute all statistics of a bucket in one pass. Reads the package's ``painless/`` once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.partials import split_metrics
from opensearch_strata.history.raw_day.fields import Hiding
from opensearch_strata.sketches.ddsketch import step_of
from opensearch_strata.sketches.hyperloglog import precision_of

Body = dict[str, Any]

_ROOMS = ("functions", "steps", "top_values", "distinct")

# The functions that each script needs, by the names of their files.
_INIT = ("fields", "begin")
_ADD = ("fields", "sketch_count", "sketch_wire", "totals", "rows")
_GATHER = ("fields", "sketch_wire", "totals", "gather")
_REDUCE = ("sketch_wire", "totals", "row")
_FETCH = ("fields", "sketch_wire", "records")
_COARSEST = (*_GATHER, "sketch_step", "coarsest")
_QUANTILES = ("sketch_wire", "sketch_step", "totals", "quantiles")
_ADD_TOPS = {"condense": ("top_values",), "recall": ("top_values", "top_values_read")}
_ADD_SETS = {"condense": ("distinct", "distinct_hash"), "recall": ("distinct", "distinct_read")}


def condense_metric(
    dataset: Dataset, names: Sequence[str] | None = None, *, finished: bool = True, raw_uuid: str = ""
) -> Body:
    """Aggregation over raw documents: the statistics of every metric in a bucket.

    The text of a script is constant, and everything that varies is in ``params``. So each node compiles a script once,
    whatever the dataset. A metric without values in a bucket is left out.

    :param names: the wanted metrics, all by default
    :param finished: return ``{metric: {min, max, sum, count, avg?, sketch?, top?, registers?}}``, as a transform job
        writes it; otherwise return the states of the shards, for
        :func:`opensearch_strata.history.buckets.partials.row_of_states`. The server sends the text of the reduce script
        with every single bucket, so the shorter one is faster.
    :param raw_uuid: UUID of the raw index, which a finished row stores as ``_raw``
    """
    numbers, words, sets = split_metrics(dataset, list(dataset.metrics) if names is None else names)
    params = {
        **_params(dataset, numbers),
        "fields": [dataset.metrics[name].field for name in numbers],
        "stats": [list(dataset.metrics[name].stats) for name in numbers],
    }
    if raw_uuid:
        params["raw"] = raw_uuid
    if words:
        limits = [dataset.top_values[name] for name in words]
        fields = [dataset.metrics[name].field for name in words]
        params["tops"] = {"names": words, "limits": limits, "fields": fields}
    if sets:
        params["sets"] = {**_sets(dataset, sets), "fields": [dataset.metrics[name].field for name in sets]}
    return _metric(params, "condense", finished)


def recall_metric(dataset: Dataset, names: Sequence[str], relative_errors: Mapping[str, float]) -> Body:
    """Aggregation over rows of history: the same statistics, merged. Always returns the states of the shards.

    :param names: the wanted metrics
    :param relative_errors: for each metric, the relative error at which to read its sketches: their own, or one whose
        step is a multiple of theirs
    """
    numbers, words, sets = split_metrics(dataset, names)
    params = {
        **_params(dataset, numbers, relative_errors),
        "fields": [_leaf(dataset, name, leaf) for name in numbers for leaf in ("count", "min", "max", "sum", "sketch")],
    }
    if words:
        params["tops"] = {"names": words, "fields": [f"metrics.{n}.{leaf}" for n in words for leaf in ("count", "top")]}
    if sets:
        fields = [f"metrics.{name}.{leaf}" for name in sets for leaf in ("count", "registers")]
        params["sets"] = {**_sets(dataset, sets), "fields": fields}
    return _metric(params, "recall", finished=False)


def fetch_metric(
    dataset: Dataset, groups: Sequence[str], fractions: Sequence[float], *, length: int, most: int
) -> Body:
    """Aggregation over rows of history that merges nothing: returns the rows of each shard as records.

    They are several times faster than hits and, because of their quantiles, smaller than rows.

    :param dataset: the dataset with the wanted metrics, statistics and sketches only
    :param groups: fields of the groups to return
    :param fractions: the wanted quantiles of metrics with a sketch, 0 .. 1, ascending
    :param length: bytes of a record
    :param most: how many rows a shard may look at; it only counts the others
    """
    names = list(dataset.metrics)
    steps, leaves = _params(dataset, names)["steps"], ("count", "min", "max", "sum", "sketch")
    params = {
        "groups": list(groups),
        "fields": [_leaf(dataset, name, leaf) for name in names for leaf in leaves],
        "steps": steps,
        "fractions": list(fractions),
        "length": length,
        "most": most,
    }
    return {
        "scripted_metric": {
            "params": params,
            "init_script": _script("fields", "fetch_init"),
            "map_script": _script(*_FETCH, "fetch_map"),
            "combine_script": _script("fetch_combine"),
            "reduce_script": _painless("return states"),
        }
    }


def level_metric(dataset: Dataset) -> Body:
    """Aggregation over rows of history: the statistics of a row of a level.

    Each shard returns ``{"totals", "ranked"}``: its state with packed sketches, for
    :func:`opensearch_strata.history.buckets.partials.row_of_states`; and for each metric that measures, in that order,
    the bins of the quantiles of :attr:`History.quantiles` in ascending order, which are right if only one shard has
    seen anything.
    """
    params = recall_metric(dataset, list(dataset.metrics), dataset.sketches)["scripted_metric"]["params"]
    quantiles = [percent / 100 for percent in sorted(dataset.history.quantiles)]
    return _metric({**params, "quantiles": quantiles}, "recall", finished=False, combine="level")


def quantile_scripts() -> dict[str, str]:
    """The scripts of an aggregation over rows that ends with quantiles, for whoever cannot merge sketches: charts.

    Returns Painless by the part of the aggregation that runs it: ``init``, ``map``, ``combine`` and ``reduce``. They
    are the same for all datasets, so a cluster can store them; :func:`quantile_params` has what varies.
    """
    parts = {
        "init": _script(*_INIT, "recall_init"),
        "map": _script(*_COARSEST, "quantiles_map_begin", "recall_map", "quantiles_map_end"),
        "combine": _script(*_GATHER, "quantiles_combine"),
        "reduce": _script(*_QUANTILES, "quantiles_reduce"),
    }
    return {part: script["source"] for part, script in parts.items()}


def quantile_params(dataset: Dataset, metric: str, fractions: Sequence[float]) -> Body:
    """``params`` of the scripts of :func:`quantile_scripts`.

    They answer ``{count, min, max, quantiles?}`` for a bucket, or null if it has no values; without ``quantiles`` if a
    row lacks its sketch. Rows of several relative errors are merged at the coarsest of them, whatever the definition
    says by now; the script fails if its step is not a multiple of the others.

    :param metric: name of a metric with a sketch
    :param fractions: the wanted quantiles, 0 .. 1, ascending
    """
    params: Body = recall_metric(dataset, [metric], dataset.sketches)["scripted_metric"]["params"]
    return {**params, "fractions": list(fractions)}


def in_source_metric(field: str, hiding: Hiding) -> Body:
    """Aggregation over raw documents: how many hold more values of a field in their source than searches see.

    Returns one number per shard.

    :param field: its full path in the mapping
    """
    params = {
        "field": field,
        "paths": [list(path) for path in hiding.paths],
        "number": hiding.values == "numbers",
        "word": hiding.values == "words",
        "limit": -1 if hiding.limit is None else hiding.limit,
    }
    return {
        "scripted_metric": {
            "params": params,
            "init_script": _painless("state.found = 0L"),
            "map_script": _script("in_source"),
            "combine_script": _painless("return state.found"),
            "reduce_script": _painless("return states"),
        }
    }


def row_values(fields: Sequence[str]) -> Body:
    """Script for a hit: the values of a row.

    :param fields: the wanted fields, in order; bytes are returned in base64, a time as epoch milliseconds
    """
    return {**_script("row_values"), "params": {"fields": list(fields)}}


def _leaf(dataset: Dataset, name: str, leaf: str) -> str:
    """Field of a row; empty for a statistic that the dataset does not ask for, so that nothing unneeded is read."""
    wanted = leaf in ("count", "sketch") or leaf in dataset.metrics[name].stats
    return f"metrics.{name}.{leaf}" if wanted else ""


def _params(
    dataset: Dataset, names: Sequence[str], relative_errors: Mapping[str, float] | None = None
) -> dict[str, Any]:
    errors = dataset.sketches if relative_errors is None else relative_errors
    decimals = [dataset.decimals(name) for name in names]
    return {
        "names": list(names),
        # 0 means no sketch, or no decimals: the server cannot copy params that hold null.
        "steps": [step_of(error) if (error := errors.get(name)) else 0 for name in names],
        "factors": [0.0 if places is None else 10.0**places for places in decimals],
    }


def _sets(dataset: Dataset, names: Sequence[str]) -> dict[str, Any]:
    return {"names": list(names), "precisions": [precision_of(dataset.distinct[name]) for name in names]}


def _metric(params: dict[str, Any], kind: str, finished: bool, combine: str = "") -> Body:
    last = f"{combine or kind}_combine"
    add = _ADD if kind == "condense" else _GATHER
    init: list[str] = [*_INIT, f"{kind}_init"]
    each: list[str] = [*add, f"{kind}_map"]
    combined: list[str] = [*add, last]
    reduce: list[str] = [*_REDUCE, "condense_reduce"]
    # A dataset without top values has scripts without them, so it pays neither for their text nor for their work. The
    # same goes for distinct counts.
    if "tops" in params:
        init = [*init, "top_values_init"]
        each = [*_ADD_TOPS[kind], *each, f"top_values_{kind}_map"]
        reduce = ["top_values_write", *reduce, "top_values_reduce"]
    if "sets" in params:
        init = ["distinct", *init, "distinct_init"]
        each = [*_ADD_SETS[kind], *each, f"distinct_{kind}_map"]
        combined = ["distinct", "distinct_write", *add, "distinct_combine", last]
        reduce = ["distinct", "distinct_write", "distinct_read", "distinct_row", *reduce, "distinct_reduce"]
    return {
        "scripted_metric": {
            "params": params,
            "init_script": _script(*init),
            "map_script": _script(*each),
            "combine_script": _script(*combined),
            "reduce_script": _script(*reduce, "condense_return") if finished else _painless("return states"),
        }
    }


def _painless(source: str) -> Body:
    return {"lang": "painless", "source": source}


def _script(*names: str) -> Body:
    return _painless("\n".join(_text(name) for name in names))


@cache
def _text(name: str) -> str:
    """A script without its comments and indentation, which would otherwise be sent with every bucket."""
    rooms = (files("opensearch_strata") / "painless" / room for room in _ROOMS)
    source = next(file for room in rooms if (file := room / f"{name}.painless").is_file()).read_text("utf-8")
    lines = [line.strip() for line in source.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("//"))
