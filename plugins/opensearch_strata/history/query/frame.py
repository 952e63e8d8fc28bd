"""Cells as pages of a frame. The only module here that uses pandas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.recall import Cell
from opensearch_strata.history.query.single_rows.records import Records
from opensearch_strata.sketches.ddsketch import quantiles
from opensearch_strata.sketches.top_values import unpack as unpack_top

if TYPE_CHECKING:
    import pandas as pd

PAGE_RECORDS = 10_000
SOURCES = ("raw", "history", "both")

# Groups are a few texts, repeated many times. Numbers and booleans may be missing, which NumPy cannot represent.
_GROUP_TYPES = {"boolean": "boolean", **dict.fromkeys(("byte", "short", "integer", "long"), "Int64")}


def frames(plan: ReadPlan, cells: Iterable[Cell | Records], most: int | None = None) -> Iterator[pd.DataFrame]:
    """Frames of at most :data:`PAGE_RECORDS` records, see :func:`opensearch_strata.reader.read`.

    :param cells: the cells in the order of the records
    :param most: how many of the records that come together may be in one frame, :data:`PAGE_RECORDS` by default
    """
    size = most or PAGE_RECORDS
    page: list[Cell] = []
    for one in cells:
        if isinstance(one, Cell):
            page.append(one)
        if page and (len(page) == PAGE_RECORDS or isinstance(one, Records)):
            yield frame_of(plan, page)
            page = []
        if isinstance(one, Records):
            yield from (frame_of_records(plan, one[first : first + size]) for first in range(0, len(one), size))
    if page:
        yield frame_of(plan, page)


def joined(plan: ReadPlan, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join pages to one frame; without any pages, an empty frame with the same columns.

    :param frames: the pages in order
    """
    import pandas as pd

    if not frames:
        return frame_of(plan, [])
    for column in frames[0].select_dtypes("category").columns:
        known = set().union(*(frame[column].cat.categories for frame in frames))
        if column != "source":
            categories = pd.Index(sorted(known), dtype="str")
            frames = [frame.assign(**{column: frame[column].cat.set_categories(categories)}) for frame in frames]
    whole = pd.concat(frames)
    whole.attrs = frames[0].attrs
    return whole


def frame_of(plan: ReadPlan, cells: Sequence[Cell]) -> pd.DataFrame:
    """Cells as a frame."""
    import pandas as pd

    question = plan.question
    columns: dict[str, Any] = {}
    for place, group in enumerate(question.by):
        columns[group] = _group([cell.groups[place] for cell in cells], plan.types.get(group, "keyword"))
    for metric in question.metrics:
        found = [_stats(plan, metric, cell) for cell in cells]
        for stat in question.stats:
            values = [stats.get(stat) for stats in found]
            columns[f"{metric}.{stat}"] = _column(stat, values)
    columns["source"] = pd.Categorical([cell.source for cell in cells], categories=SOURCES)
    return _frame(plan, columns, [cell.time for cell in cells])


def frame_of_records(plan: ReadPlan, records: Records) -> pd.DataFrame:
    """Records as a frame."""
    import numpy as np
    import pandas as pd

    question = plan.question
    columns: dict[str, Any] = {}
    for group, places, values in zip(question.by, records.groups, records.values, strict=True):
        columns[group] = _group_of_places(places, values, plan.types.get(group, "keyword"))
    for metric in question.metrics:
        for stat in question.stats:
            column = records.stats[name := f"{metric}.{stat}"]
            columns[name] = pd.arrays.IntegerArray(column.copy(), column == 0) if stat == "count" else column.copy()
    history = np.full(len(records), SOURCES.index("history"), dtype=np.int8)
    columns["source"] = pd.Categorical.from_codes(history, categories=SOURCES)
    return _frame(plan, columns, records.times)


def _frame(plan: ReadPlan, columns: Mapping[str, Any], times: Any) -> pd.DataFrame:
    import pandas as pd

    question = plan.question
    frame = pd.DataFrame(columns, index=_times(plan, times))
    frame.attrs = {
        "dataset": question.dataset.name,
        "units": {metric: unit for metric in question.metrics if (unit := question.dataset.metrics[metric].unit)},
        "relative_errors": {metric: step / 1000 for metric, step in plan.steps.items()},
        "distinct_errors": plan.distinct_errors,
        "notes": list(plan.notes),
    }
    return frame


def _times(plan: ReadPlan, times: Any) -> pd.DatetimeIndex:
    import numpy as np
    import pandas as pd

    utc = pd.DatetimeIndex(np.array(times, dtype="datetime64[ms]"), tz="UTC", name="time").as_unit("us")
    return utc.tz_convert(plan.question.dataset.zone)


def _group(values: Sequence[Any], kind: str) -> Any:
    import pandas as pd

    if dtype := _GROUP_TYPES.get(kind):
        return pd.array(values, dtype=dtype)
    known = {value for value in values if value is not None}
    return pd.Categorical(values, categories=pd.Index(sorted(known), dtype="str"))


def _group_of_places(places: Any, values: Sequence[Any], kind: str) -> Any:
    """A group's column like that of :func:`_group`, from the place of each record's value among all values."""
    import numpy as np
    import pandas as pd

    if kind in _GROUP_TYPES:
        return _group([None if place < 0 else values[place] for place in places], kind)
    there = np.unique(places[places >= 0])
    codes = np.where(places < 0, -1, np.searchsorted(there, places))
    found = [values[place] for place in there]
    ordered = sorted(found)  # which addresses are not, among values in the server's order
    if ordered != found:
        rank = {value: place for place, value in enumerate(ordered)}
        codes = np.array([*(rank[value] for value in found), -1])[codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(ordered, dtype="str"))


def _column(stat: str, values: Sequence[Any]) -> Any:
    import numpy as np
    import pandas as pd

    if stat in ("count", "distinct"):
        return pd.array(values, dtype="Int64")
    return pd.Series(values, dtype="object").array if stat == "top" else np.array(values, dtype="float64")


def _top(text: str) -> dict[str, Any]:
    top = unpack_top(text)
    values = {value: [low, high] for value, low, high in top.listed}
    return {"values": values, "rest": top.rest, "bound": top.bound}


def _stats(plan: ReadPlan, metric: str, cell: Cell) -> dict[str, Any]:
    """Every wanted statistic of a metric; none if the cell lacks the metric."""
    row = cell.row.get(metric)
    if row is None:
        return {}
    if "top" in row:
        return {"count": row["count"], "top": _top(row["top"])}
    if "distinct" in row:
        return {"count": row["count"], "distinct": row["distinct"].distinct}
    stats = {**row, "avg": row["sum"] / row["count"]} if "sum" in row else dict(row)
    if wanted := plan.question.quantiles:
        found = quantiles(row["bins"], wanted.values(), plan.steps[metric], row["min"], row["max"])
        stats |= {stat: found[q] for stat, q in wanted.items()}
    return stats
