"""One way each in which a day's rows can be wrong, and the lines of its proof that must then fail."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date
from typing import Any

from opensearch_strata.history.sketch import pack, unpack
from tests.streams import DAY, Stream

Row = dict[str, Any]


def rows_with(stream: Stream, metric: str, day: date = DAY) -> list[tuple[str, Row]]:
    """The rows that have a metric and more than one document, ordered by device and time."""
    rows = [(identity, row) for identity, row in stream.rows(day).items() if metric in row["metrics"]]
    return sorted(rows, key=lambda item: (item[1]["_doc_count"] < 2, item[1]["device"], item[1]["@timestamp"]))


def drop_a_row(stream: Stream) -> None:
    stream.drop_row(rows_with(stream, "temperature")[0][0])


def double_a_row(stream: Stream) -> None:
    stream.put_row("another-id", rows_with(stream, "temperature")[0][1])


def move_a_row_to_another_hour(stream: Stream) -> None:
    identity, row = rows_with(stream, "temperature")[0]
    stream.put_row(identity, {**row, "@timestamp": row["@timestamp"] + 3_600_000})


def move_a_row_to_another_group(stream: Stream) -> None:
    identity, row = rows_with(stream, "temperature")[0]
    stream.put_row(identity, {**row, "site": "elsewhere"})


def change_a_sum(stream: Stream, day: date = DAY) -> None:
    transform = stream.dataset.transform_id(day)
    rows = (item for item in rows_with(stream, "load", day) if item[1]["transform._id"] == transform)
    identity, row = next(rows)
    row["metrics"]["load"]["sum"] += 1
    stream.put_row(identity, row, day)


def set_value(*path: str, change: Callable[[Any], Any]) -> Callable[[Stream], None]:
    """Change one value of one row."""

    def mutate(stream: Stream) -> None:
        identity, row = rows_with(stream, path[1] if path[0] == "metrics" else "load")[0]
        place = row
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = change(place[path[-1]])
        stream.put_row(identity, row)

    return mutate


def lower_the_least(stream: Stream) -> None:
    identity, row = min(rows_with(stream, "temperature"), key=lambda item: item[1]["metrics"]["temperature"]["min"])
    row["metrics"]["temperature"]["min"] -= 0.001
    stream.put_row(identity, row)


def lower_the_greatest(stream: Stream) -> None:
    identity, row = max(rows_with(stream, "temperature"), key=lambda item: item[1]["metrics"]["temperature"]["max"])
    row["metrics"]["temperature"]["max"] -= 0.001
    stream.put_row(identity, row)


def change_sketch(change: Callable[[dict[int, int]], None]) -> Callable[[Stream], None]:
    """Change the bins of one row."""

    def mutate(stream: Stream) -> None:
        identity, row = rows_with(stream, "temperature")[0]
        metric = row["metrics"]["temperature"]
        bins, step = unpack(metric["sketch"])
        change(bins)
        metric["sketch"] = pack(bins, step)
        stream.put_row(identity, row)

    return mutate


def count_one_more(bins: dict[int, int]) -> None:
    bins[max(bins)] += 1


def move_one_bin(bins: dict[int, int]) -> None:
    largest = max(bins)
    bins[largest + 1] = bins.pop(largest)


def cut_a_sketch_short(stream: Stream) -> None:
    identity, row = rows_with(stream, "temperature")[0]
    row["metrics"]["temperature"]["sketch"] = base64.b64encode(b"\x81").decode()
    stream.put_row(identity, row)


def forget_the_metrics(stream: Stream) -> None:
    identity, row = rows_with(stream, "temperature")[0]
    stream.put_row(identity, {key: value for key, value in row.items() if key != "metrics"})


MUTATIONS: dict[str, tuple[Callable[[Stream], None], set[str]]] = {
    "drop a row": (drop_a_row, {"documents", "temperature count", "time buckets that differ"}),
    "double a row": (double_a_row, {"documents", "rows under foreign ids", "temperature sum"}),
    "move a row to another hour": (
        move_a_row_to_another_hour,
        {"time buckets that differ", "rows under foreign ids"},
    ),
    "move a row to another group": (move_a_row_to_another_group, {"rows under foreign ids"}),
    "change a sum": (change_a_sum, {"load sum"}),
    "change a count": (set_value("metrics", "load", "count", change=lambda n: n + 1), {"load count"}),
    "change a min": (lower_the_least, {"temperature min"}),
    "change a max": (lower_the_greatest, {"temperature max"}),
    "change a sum by a millionth": (
        set_value("metrics", "temperature", "sum", change=lambda x: x + 1e-5),
        {"temperature sum"},
    ),
    "change one bin's count": (
        change_sketch(count_one_more),
        {"temperature sketch count", "temperature sketch bins that differ"},
    ),
    "move one bin": (change_sketch(move_one_bin), {"temperature sketch bins that differ"}),
    "change transform._doc_count": (
        set_value("transform._doc_count", change=lambda n: n - 1),
        {"documents", "time buckets that differ"},
    ),
    "change _doc_count": (set_value("_doc_count", change=lambda n: n + 1), {"documents by _doc_count"}),
    "cut a sketch short": (cut_a_sketch_short, {"rows that cannot be read", "temperature sketch count"}),
    "forget the metrics": (forget_the_metrics, {"temperature count", "temperature sketch count"}),
}
