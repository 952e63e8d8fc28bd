"""Top values on the node: both engines write the rows that Python counts, the proof sees what is wrong with them."""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opensearch_strata.history.buckets.aggregation import recall_body
from opensearch_strata.history.buckets.partials import counts_of_states
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.sketches import top_values
from opensearch_strata.sketches.top_values import ValueCounts, pack, unpack
from tests.script_rows import by_job, by_search, condense_in_segments
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, assert_verified, definition_of

LIMIT = 3
FLOOD = 5000
FIELDS = {"status": "short", "firmware": "keyword", "ok": "boolean", "address": "ip", "trace": "keyword"}
COUNTED: dict[str, Any] = {
    name: {"field": name, "stats": ["count"], "distribution": {"top_values": LIMIT}} for name in FIELDS
}
METRICS = {**definition_of("t")["metrics"], **COUNTED}
ODD = [
    "2.1.0",
    "a;b",
    "100 %",
    "%3B",
    "",
    " two  words ",
    'line\n"break"',
    "\u00e4\u20ac",
    "\uffee",
    "\U0001f600",
    "\\n",
]


def documents() -> list[Document]:
    """A day of ordinary devices, and one whose traces are as many as its documents."""
    rng = random.Random(4)
    found: list[Document] = []
    for number in range(FLOOD + 1200):
        flood = number < FLOOD
        document: Document = {
            "@timestamp": f"{DAY}T{5 if flood else number % 24:02}:00:00Z",
            "device": "flood" if flood else f"d{number % 3}",
            "site": "north",
            "temperature": rng.gauss(0, 5),
            "status": rng.choice([200, 200, 200, 404, 500, [200, 200, 503], [404, 200]]),
            "ok": rng.choice([True, True, False, [True, False, True]]),
            "address": rng.choice(["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "10.0.0.2"]),
            "trace": rng.choice(["often", f"t{number}", f"t{number}"]),
        }
        if rng.random() < 0.8:
            document["firmware"] = rng.choice([*ODD, [*ODD[:2], ODD[0]]])
        found.append(document)
    return found


DOCUMENTS = documents()


def values_of(name: str, document: Document) -> set[str]:
    """Different values of a document, as they are named."""
    there = document.get(name, [])
    names = {True: "true", False: "false"} if name == "ok" else {"::ffff:10.0.0.1": "10.0.0.1"}
    return {str(names.get(value, value)) for value in (there if isinstance(there, list) else [there])}


def counts_of(name: str, some: list[Document]) -> ValueCounts:
    counts = ValueCounts()
    for document in some:
        for value in values_of(name, document):
            counts.see(value)
    return counts


@pytest.fixture(scope="module", params=["none", "all"], ids=["one slice", "many slices"])
def stream(request: pytest.FixtureRequest, make_stream: StreamFactory) -> Stream:
    """A condensed day in two shards of several segments."""
    stream = make_stream({**TYPES, **FIELDS}, 2, metrics=METRICS)
    condense_in_segments(stream, DOCUMENTS, request.param)
    return stream


def counted_only(rows: list[Any]) -> list[Any]:
    return [{name: row[name] for name in COUNTED if name in row} for row in rows]


def test_rows_are_those_that_python_counts(stream: Stream) -> None:
    found = stream.rows()
    assert len(found) == 25
    for row in found.values():
        hour = row["@timestamp"] // 3_600_000 % 24
        some = [d for d in DOCUMENTS if d["device"] == row["device"] and int(d["@timestamp"][11:13]) == hour]
        for name in COUNTED:
            counts = counts_of(name, some)
            if name == "trace" and row["device"] == "flood":
                continue
            assert row["metrics"].get(name) == {"count": counts.count, "top": pack(counts.top(LIMIT))}


def test_both_engines_write_the_same_rows(stream: Stream) -> None:
    searched, job = counted_only(by_search(stream)), counted_only(by_job(stream))
    assert len(searched) == 25
    for one, other in zip(searched, job, strict=True):
        assert one == other


def test_more_values_than_are_counted_at_once_stay_within_the_bound(stream: Stream) -> None:
    truth = Counter(d["trace"] for d in DOCUMENTS if d["device"] == "flood")
    assert len(truth) > 3 * top_values.LIMIT
    for rows in (by_search(stream), by_job(stream)):
        (row,) = (row for row in rows if row["trace"]["count"] == FLOOD)
        top = unpack(row["trace"]["top"])
        assert top.count == FLOOD
        assert top.listed[0].value == "often"
        assert all(low <= truth[value] <= high for value, low, high in top.listed)
        assert 0 < top.missed <= top.bound <= FLOOD / top_values.LIMIT + 2


def test_rows_merge_on_the_server_within_their_bound(stream: Stream) -> None:
    body = recall_body(stream.dataset, {"match_all": {}})
    states = stream.client.search(index=stream.dataset.month_index(DAY), body=body)["aggregations"]["totals"]["value"]
    merged = counts_of_states(stream.dataset, list(METRICS), states)
    rows = stream.rows().values()
    for name in COUNTED:
        expected = ValueCounts()
        for row in rows:
            expected.add_row(row["metrics"][name]["count"], unpack(row["metrics"][name]["top"]))
        assert merged[name].top() == expected.top()
        truth = Counter(value for document in DOCUMENTS for value in values_of(name, document))
        top = merged[name].top(20)
        assert top.count == truth.total()
        assert all(low <= truth[value] <= high for value, low, high in top.listed)
    assert merged["ok"].top().bound == 0


def test_right_rows_are_verified_line_by_line(stream: Stream) -> None:
    assert_verified(stream)
    lines = {check.name: (check.raw, check.history) for check in verify(stream.client, stream.dataset, DAY).checks}
    total = sum(len(values_of("status", document)) for document in DOCUMENTS)
    assert lines["status count"] == lines["status counted values"] == (total, total)
    assert lines["status values that differ"] == (0, 0)


Change = Callable[[dict[str, Any]], Any]


def written(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def count_one_more(metric: dict[str, Any]) -> None:
    metric["count"] += 1


def forget_the_values(metric: dict[str, Any]) -> None:
    del metric["top"]


def name_another_value(metric: dict[str, Any]) -> None:
    metric["top"] = written(base64.b64decode(metric["top"]).decode().replace("true", "yes"))


def swap_two_counts(metric: dict[str, Any]) -> None:
    top = unpack(metric["top"])
    (one, other) = top.listed
    metric["top"] = written(f"1;{other.low} {one.value};{one.low} {other.value}")


def write_no_wire_form(metric: dict[str, Any]) -> None:
    metric["top"] = written("1;no")


def write_another_version(metric: dict[str, Any]) -> None:
    metric["top"] = written("2;4 true")


@pytest.fixture
def spoiled(stream: Stream) -> Iterator[Callable[[Change], set[str]]]:
    """Change the values of `ok` in one row; returns the lines of the proof that then fail."""
    identity, row = min(stream.rows().items())

    def spoil(change: Change) -> set[str]:
        metric = dict(row["metrics"]["ok"])
        change(metric)
        stream.put_row(identity, {**row, "metrics": {**row["metrics"], "ok": metric}})
        return {check.name for check in verify(stream.client, stream.dataset, DAY).failed}

    yield spoil
    stream.put_row(identity, row)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (count_one_more, {"rows that differ", "ok count"}),
        (forget_the_values, {"rows that differ", "ok counted values"}),
        (name_another_value, {"rows that differ", "ok values that differ"}),
        (swap_two_counts, {"rows that differ", "ok values that differ"}),
    ],
)
def test_wrong_rows_differ_in_their_line(
    spoiled: Callable[[Change], set[str]], change: Change, lines: set[str]
) -> None:
    assert spoiled(change) == lines


@pytest.mark.parametrize("change", [write_no_wire_form, write_another_version])
def test_what_cannot_be_read_is_said(spoiled: Callable[[Change], set[str]], change: Change) -> None:
    assert "rows that cannot be read" in spoiled(change)


def test_states_survive_the_way_from_one_node_to_another(stream: Stream, remote: str) -> None:
    index = f"{remote}:{stream.dataset.raw_index(DAY)}"
    assert by_job(stream, index) == by_job(stream)
    assert by_search(stream, index) == by_search(stream)


def test_a_dataset_may_have_nothing_but_top_values(make_stream: StreamFactory) -> None:
    stream = make_stream(
        {**TYPES, **FIELDS}, metrics={"status": COUNTED["status"], "trace": {**COUNTED["trace"], "sparse": True}}
    )
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "status": 200}])
    stream.condense()
    assert_verified(stream)
    (row,) = stream.rows().values()
    assert row["metrics"] == {"status": {"count": 1, "top": written("1;1 200")}}


def test_a_month_takes_them_up_and_older_rows_hide_what_they_did_not_count(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, **FIELDS}, metrics={"status": {"field": "status", "stats": ["count"]}})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "status": 200}] * 4)
    stream.condense()
    grown = make_stream({**TYPES, **FIELDS}, metrics={"status": COUNTED["status"]})
    dataset = grown.dataset.model_copy(update={"raw": stream.dataset.raw, "history": stream.dataset.history})
    stream.dataset = dataset.model_copy(update={"name": stream.dataset.name})
    next_day = DAY.replace(day=DAY.day + 1)
    stream.write([{"@timestamp": next_day.isoformat(), "device": "d", "status": 404}] * 3, next_day)
    stream.condense(next_day)
    assert_verified(stream, next_day)
    body = recall_body(stream.dataset, {"match_all": {}})
    states = stream.client.search(index=stream.dataset.month_index(DAY), body=body)["aggregations"]["totals"]["value"]
    top = counts_of_states(stream.dataset, ["status"], states)["status"].top()
    assert (top.listed, top.rest, top.bound) == ((("404", 3, 7),), 4, 4)
