"""One way each in which a day's rows can be wrong, and the lines of its proof that must then fail."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date
from typing import Any

from opensearch_strata.history.month.row_ids import RAW_UUID, row_id
from opensearch_strata.sketches.ddsketch import pack, unpack
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


def pair_with(stream: Stream, metric: str, *, alike: bool) -> tuple[tuple[str, Row], tuple[str, Row]]:
    """Two rows of one hour and different devices that have a metric.

    :param alike: with as many values of it each, so that nothing that adds up tells them apart
    """
    rows = rows_with(stream, metric)
    for one in rows:
        for other in rows:
            same_hour = one[1]["@timestamp"] == other[1]["@timestamp"] and one[1]["device"] < other[1]["device"]
            counts = [row["metrics"][metric]["count"] for _, row in (one, other)]
            if same_hour and (counts[0] == counts[1]) is alike and one[1]["metrics"] != other[1]["metrics"]:
                return one, other
    raise AssertionError("no such pair")


def exchange(*path: str) -> Callable[[Stream], None]:
    """Exchange what two devices have within an hour; no total of the day changes."""

    def mutate(stream: Stream) -> None:
        (first, one), (second, other) = pair_with(stream, "temperature", alike=True)
        place, beside = one, other
        for part in path[:-1]:
            place, beside = place[part], beside[part]
        place[path[-1]], beside[path[-1]] = beside[path[-1]], place[path[-1]]
        stream.put_row(first, one)
        stream.put_row(second, other)

    return mutate


def shift(*leaves: str) -> Callable[[Stream], None]:
    """Let a row stand for one document more, and its neighbour for one less."""

    def mutate(stream: Stream) -> None:
        (first, one), (second, other) = pair_with(stream, "temperature", alike=True)
        for leaf in leaves:
            one[leaf], other[leaf] = one[leaf] + 1, other[leaf] - 1
        stream.put_row(first, one)
        stream.put_row(second, other)

    return mutate


def lower_a_min_that_is_not_the_least(stream: Stream) -> None:
    rows = sorted(rows_with(stream, "temperature"), key=lambda item: item[1]["metrics"]["temperature"]["min"])
    least = rows[0][1]["metrics"]["temperature"]["min"]
    identity, row = rows[-1]
    row["metrics"]["temperature"]["min"] = (row["metrics"]["temperature"]["min"] + least) / 2
    stream.put_row(identity, row)


def rename_a_device(stream: Stream) -> None:
    """All rows of a device under another name, by the ids that they had."""
    for identity, row in stream.rows().items():
        if row["device"] == "d1":
            stream.put_row(identity, {**row, "device": "d9"})


def let_one_row_claim_everything(stream: Stream) -> None:
    rows = stream.rows()
    total = sum(row["_doc_count"] for row in rows.values())
    keep, row = next(iter(rows.items()))
    for identity in rows.keys() - {keep}:
        stream.drop_row(identity)
    stream.put_row(keep, {**row, "_doc_count": total, "transform._doc_count": total})


def replace_a_row(stream: Stream) -> None:
    """By one of another hour, device and id that stands for as many documents."""
    identity, row = rows_with(stream, "temperature")[0]
    stream.drop_row(identity)
    stream.put_row("another-id", {**row, "device": "d9", "@timestamp": row["@timestamp"] + 60 * 86_400_000})


def add_a_row_of_nothing(stream: Stream) -> None:
    _, row = rows_with(stream, "temperature")[0]
    keys = ["d9", row["site"], row["@timestamp"]]
    row = {**row, "device": "d9", "_doc_count": 1, "transform._doc_count": 0, "metrics": {}}
    stream.put_row(row_id(stream.dataset.transform_id(DAY), keys), row)


def come_from_another_index(stream: Stream) -> None:
    identity, row = rows_with(stream, "temperature")[0]
    stream.put_row(identity, {**row, RAW_UUID: "an-index-of-before"})


MUTATIONS: dict[str, tuple[Callable[[Stream], None], set[str]]] = {
    "drop a row": (drop_a_row, {"documents", "temperature count", "rows that are missing"}),
    "double a row": (double_a_row, {"documents", "rows under foreign ids", "temperature sum"}),
    "move a row to another hour": (move_a_row_to_another_hour, {"rows that differ"}),
    "move a row to another group": (move_a_row_to_another_group, {"rows that differ"}),
    "rename a device": (rename_a_device, {"rows that differ"}),
    "exchange the rows of two devices": (exchange("metrics"), {"rows that differ"}),
    "exchange two sketches": (exchange("metrics", "temperature", "sketch"), {"rows that differ"}),
    "exchange two sums": (exchange("metrics", "temperature", "sum"), {"rows that differ"}),
    "exchange two averages": (exchange("metrics", "temperature", "avg"), {"rows that differ"}),
    "shift documents between rows": (shift("transform._doc_count", "_doc_count"), {"rows that differ"}),
    "shift documents of aggregations between rows": (shift("_doc_count"), {"rows that differ"}),
    "lower a min that is not the least": (lower_a_min_that_is_not_the_least, {"rows that differ"}),
    "let one row claim everything": (let_one_row_claim_everything, {"rows that are missing", "rows that differ"}),
    "replace a row": (replace_a_row, {"rows that are missing", "rows under foreign ids"}),
    "add a row of nothing": (add_a_row_of_nothing, {"rows without a document"}),
    "come from another index": (come_from_another_index, {"rows that differ"}),
    "change a sum": (change_a_sum, {"load sum", "rows that differ"}),
    "change a count": (set_value("metrics", "load", "count", change=lambda n: n + 1), {"load count"}),
    "change a min": (lower_the_least, {"temperature min", "rows that differ"}),
    "change a max": (lower_the_greatest, {"temperature max", "rows that differ"}),
    "change a sum by a millionth": (
        set_value("metrics", "temperature", "sum", change=lambda x: x + 1e-5),
        {"temperature sum", "rows that differ"},
    ),
    "change one bin's count": (change_sketch(count_one_more), {"temperature sketch count", "rows that differ"}),
    "move one bin": (change_sketch(move_one_bin), {"rows that differ"}),
    "change transform._doc_count": (
        set_value("transform._doc_count", change=lambda n: n - 1),
        {"documents", "rows that differ"},
    ),
    "change _doc_count": (set_value("_doc_count", change=lambda n: n + 1), {"documents by _doc_count"}),
    "cut a sketch short": (cut_a_sketch_short, {"rows that cannot be read", "temperature sketch count"}),
    "forget the metrics": (forget_the_metrics, {"temperature count", "temperature sketch count", "rows that differ"}),
}
