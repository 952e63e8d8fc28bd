"""A year of history whose raw days are long gone: base rows, rows of levels, marks and notes, written directly.

Each base row has one of a few hours of values. So rows of levels are exact merges of base rows that take little time to
compute, and everything is packed, named and noted by the project's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import cache, cached_property
from itertools import islice
from typing import Any

import numpy as np
import orjson
from opensearchpy import OpenSearch

from benchmarks.material.telemetry import PER_HOUR, SENSORS, device_name
from benchmarks.material.workload import RELATIVE_ERROR, write
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between
from opensearch_strata.definition.levels import Level, quantile_leaf
from opensearch_strata.history.levels.index import ensure_levels_index
from opensearch_strata.history.levels.rows import level_row_id
from opensearch_strata.history.levels.stored import base_rows, stored_levels
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.month.level_notes import LevelNote, contents_of, note_levels
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.month.row_ids import RAW_UUID, row_id
from opensearch_strata.sketches.ddsketch import bins_of, pack, quantiles, step_of

METRIC = "temperature"
FIRST_DAY = date(2025, 1, 1)
HOURS_OF_VALUES = 64
"""How many different hours of values there are."""

_STEP = step_of(RELATIVE_ERROR)
_ROWS_IN_BODY = 5000
_UUID = "a-raw-index-that-is-gone"
_HOUR = timedelta(hours=1)

Row = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Year:
    """Days of devices that report 80 values an hour.

    :param prefix: text with which the names of all its indices begin
    :param devices: how many there are
    :param days: how many days from the first of January on, 1 .. 365
    :param levels: the levels that have rows
    :param with_base: the devices that have base rows; rows of levels are of all devices
    """

    client: OpenSearch
    prefix: str
    devices: int
    days: int
    levels: Sequence[Level]
    with_base: Sequence[int]

    @cached_property
    def dataset(self) -> Dataset:
        """The definition: one metric with a 1% sketch and two decimals."""
        levels = [{"bucket": level.bucket, "group_by": list(level.group_by)} for level in self.levels]
        return Dataset.model_validate(
            {
                "name": "bench_year",
                "raw": {
                    "index": f"{self.prefix}-gone-{{day}}",
                    "fields": {"@timestamp": "date", "device": "keyword", METRIC: "float"},
                },
                "history": {
                    "index": f"{self.prefix}-history-{{month}}",
                    "group_by": ["device"],
                    "replicas": 0,
                    "levels": levels,
                },
                "metrics": {
                    METRIC: {
                        "field": METRIC,
                        "stats": ["min", "max", "sum", "count"],
                        "decimals": SENSORS[METRIC].decimals,
                        "distribution": {"relative_error": RELATIVE_ERROR},
                    }
                },
                "cycle": {"start_date": FIRST_DAY},
                "engine": "search",
            }
        )

    @property
    def all_days(self) -> list[date]:
        """Every day."""
        return days_between(FIRST_DAY, FIRST_DAY + timedelta(days=self.days - 1))

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start and exclusive end."""
        begin = datetime.combine(FIRST_DAY, time_of_day.min, UTC)
        return begin, begin + timedelta(days=self.days)

    def build(self, say: Callable[[str], None]) -> int:
        """Write all rows, merge their indices, and note what they are. Returns how many rows there are."""
        months: dict[date, list[date]] = {}
        for day in self.all_days:
            months.setdefault(day.replace(day=1), []).append(day)
        total = 0
        for month, days in months.items():
            ensure_month(self.client, self.dataset, month)
            mapping = self.client.indices.get_mapping(index=self.dataset.month_index(month))
            ensure_levels_index(self.client, self.dataset, month, next(iter(mapping.values()))["mappings"])
            for index, rows in (
                (self.dataset.month_index(month), self._base_rows(days)),
                (self.dataset.levels_index(month), self._level_rows(days)),
            ):
                counted = _Counted(rows)
                write(self.client, index, _bodies(counted))
                total += counted.number
            say(f"{month:%Y-%m}: {total:,} rows")
        names = [self.dataset.month_index(month) for month in months]
        self._merge([*names, *{self.dataset.levels_index(month) for month in months}])
        for month, days in months.items():
            self._note(month, days)
        return total

    def _merge(self, indices: Iterable[str]) -> None:
        for index in indices:
            self.client.indices.flush(index=index)
            self.client.indices.forcemerge(index=index, params={"max_num_segments": 1, "request_timeout": 3600})
            self.client.indices.refresh(index=index)

    def _note(self, month: date, days: Sequence[date]) -> None:
        """Leave the marks of proven days, and the notes of their levels."""
        dataset, index = self.dataset, self.dataset.month_index(month)
        ids = {dataset.transform_id(day): day for day in days}
        base = base_rows(self.client, index, list(ids))
        marks = {
            f"{ids[unit]}": asdict(Mark(rows.documents, _UUID, dataset.fingerprint, rows.version))
            for unit, rows in base.items()
        }
        meta = self.client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
        body = {"_meta": {**meta, "strata": {**meta["strata"], "verified": marks}}}
        self.client.indices.put_mapping(index=index, body=body)
        stored = stored_levels(self.client, dataset.levels_index(month), list(ids))
        notes = {
            ids[unit]: LevelNote(
                base[unit].version,
                {name: level.version for name, level in levels.items()},
                contents=contents_of(dataset),
            )
            for unit, levels in stored.items()
        }
        note_levels(self.client, index, notes)

    def _base_rows(self, days: Iterable[date]) -> Iterator[Row]:
        field, name = RAW_UUID.split(".")
        for day in days:
            unit = self.dataset.transform_id(day)
            for device in self.with_base:
                for hour in range(24):
                    counts = np.zeros(HOURS_OF_VALUES, dtype=np.int64)
                    counts[_hour_of_values(device, day.weekday(), hour)] = 1
                    keys = {"device": device_name(device), "@timestamp": _milliseconds(day, hour)}
                    row = _row(unit, keys, _merged(tuple(counts), levelled=False))
                    yield row_id(unit, list(keys.values())), {**row, field: {**row[field], name: _UUID}}

    def _level_rows(self, days: Iterable[date]) -> Iterator[Row]:
        for day in days:
            unit = self.dataset.transform_id(day)
            for level in self.levels:
                for keys, counts in self._merges(level, day):
                    row = _row(unit, keys, _merged(counts, levelled=True))
                    identity = level_row_id(level, unit, list(keys.values()))
                    yield identity, {**row, "metrics": {**row["metrics"], "_level": level.name}}

    def _merges(self, level: Level, day: date) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
        """Keys of each row of a level, and how often each hour of values is in it."""
        if level.group_by:
            for device in range(self.devices):
                keys = {"device": device_name(device), "@timestamp": _milliseconds(day, 0)}
                yield keys, _day_of_device(device % HOURS_OF_VALUES, day.weekday())
            return
        devices, hours = np.arange(self.devices), np.arange(24)
        for some in hours if level.bucket == "1h" else [hours]:
            found = _hour_of_values(devices[:, None], day.weekday(), np.atleast_1d(some)[None, :]).ravel()
            first = int(np.atleast_1d(some)[0])
            yield {"@timestamp": _milliseconds(day, first)}, tuple(np.bincount(found, minlength=HOURS_OF_VALUES))


class _Counted:
    """Rows, and how many of them there were."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.number = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


def _hour_of_values(device: Any, weekday: int, hour: Any) -> Any:
    """Which hour of values devices have; the same after a week, and for every 64th device."""
    return (device + 5 * hour + 11 * weekday) % HOURS_OF_VALUES


@cache
def _day_of_device(device: int, weekday: int) -> tuple[int, ...]:
    return tuple(np.bincount(_hour_of_values(device, weekday, np.arange(24)), minlength=HOURS_OF_VALUES))


def _milliseconds(day: date, hour: int) -> int:
    return int((datetime.combine(day, time_of_day.min, UTC) + hour * _HOUR).timestamp() * 1000)


def _row(unit: str, keys: dict[str, Any], merged: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    documents, metric = merged
    counted = {"_doc_count": documents, "transform._doc_count": documents}
    return {"transform._id": unit, **counted, **keys, "metrics": {METRIC: metric}}


@cache
def _values() -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """The hours of values."""
    rng, sensor = np.random.default_rng(0), SENSORS[METRIC]
    return [sensor.draw(rng, np.full(PER_HOUR, rng.random())) for _ in range(HOURS_OF_VALUES)]


@cache
def _bins() -> tuple[list[int], np.ndarray[Any, np.dtype[np.int64]]]:
    """All bins, and for each hour of values how many fall into each of them."""
    found = [bins_of(map(float, values), _STEP) for values in _values()]
    known = sorted(set().union(*found))
    return known, np.array([[bins.get(bin_, 0) for bin_ in known] for bins in found])


@cache
def _merged(counts: tuple[int, ...], *, levelled: bool) -> tuple[int, dict[str, Any]]:
    """How many documents, and the metric of a row that merges hours of values.

    :param counts: how often each of them is in it
    :param levelled: add the quantiles of rows of levels
    """
    known, matrix = _bins()
    there = [(count, values) for count, values in zip(counts, _values(), strict=True) if count]
    bins = {bin_: int(count) for bin_, count in zip(known, np.array(counts) @ matrix, strict=True) if count}
    number = sum(bins.values())
    low, high = min(float(v.min()) for _, v in there), max(float(v.max()) for _, v in there)
    total = round(sum(int(count) * float(values.sum()) for count, values in there), SENSORS[METRIC].decimals)
    metric: dict[str, Any] = {"min": low, "max": high, "sum": total, "count": number, "sketch": pack(bins, _STEP)}
    if levelled:
        found = quantiles(bins, (0.5, 0.9, 0.99), _STEP, low, high)
        metric |= {quantile_leaf(100 * q): value for q, value in found.items()}
    return number, metric


def _bodies(rows: Iterable[Row]) -> Iterator[bytes]:
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS_IN_BODY)):
        lines: list[bytes] = []
        for identity, row in some:
            lines += [b'{"index":{"_id":"%s"}}' % identity.encode(), orjson.dumps(row)]
        yield b"\n".join([*lines, b""])
