"""Distinct counts on the node: both engines write the registers of Python, merged rows are those of all values."""

from __future__ import annotations

import base64
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.history.buckets.aggregation import recall_body
from opensearch_strata.history.buckets.partials import merged_of_states, row_of_states
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.sketches.hyperloglog import Registers, error_of, pack, precision_of, unpack
from tests.script_rows import by_job, by_search, condense_in_segments, refusals
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, assert_verified, dataset_of, definition_of

FIELDS = {"user": "keyword", "address": "ip", "code": "long"}


def distinct(field: str, error: float) -> dict[str, Any]:
    return {"field": field, "stats": ["count"], "distribution": {"distinct": {"error": error}}}


COUNTED: dict[str, Any] = {
    "users": distinct("user", 0.02),
    "coarse": distinct("user", 0.1),
    "addresses": distinct("address", 0.05),
    "codes": distinct("code", 0.02),
}
METRICS = {
    **definition_of("t")["metrics"],
    **COUNTED,
    "names": {"field": "user", "stats": ["count"], "distribution": {"top_values": 3}},
}
ODD = [
    "",
    " ",
    "a;b",
    "seven b",
    "eight by",
    "sixteen bytes ok",
    "seventeen bytes !",
    "é" * 4,
    "€" * 21,
    "\U0001f600" * 9,
]


def documents() -> list[Document]:
    """Devices with a few, some and many users; some of their names are odd, and most are told in lists."""
    rng = random.Random(4)
    found: list[Document] = []
    for device, users, lists in (("few", 20, 1), ("some", 150, 3), ("many", 4000, 100)):
        for number in range(120):
            some = [rng.choice(ODD) if rng.random() < 0.05 else f"user {rng.randrange(users)}" for _ in range(lists)]
            document: Document = {
                "@timestamp": f"{DAY}T{number % 3:02}:00:00Z",
                "device": device,
                "site": "north",
                "user": some,
                "code": [rng.choice((rng.randrange(-9, 9), rng.randrange(-(2**63), 2**63))) for _ in some],
            }
            if rng.random() < 0.8:
                hosts = (f"10.0.{rng.randrange(9)}.1", f"2001:db8::{rng.randrange(1, 9)}", "::ffff:10.0.0.1")
                document["address"] = rng.choice(hosts)
            found.append(document)
    return found


DOCUMENTS = documents()


def values_of(name: str, document: Document) -> list[str]:
    """Values of a document as the node sees them: each text once, numbers as often as they are told."""
    there = document.get(COUNTED[name]["field"], [])
    values = [str(value) for value in (there if isinstance(there, list) else [there])]
    values = [value.removeprefix("::ffff:") for value in values]
    return values if name == "codes" else sorted(set(values))


def row_from(some: Iterable[Document], name: str) -> dict[str, Any]:
    """A metric of a row as Python counts it."""
    values = [value for document in some for value in values_of(name, document)]
    registers = Registers(precision_of(COUNTED[name]["distribution"]["distinct"]["error"]))
    for value in values:
        registers.see(value)
    return {"count": len(values), "registers": pack(registers)}


@pytest.fixture(scope="module", params=["none", "all"], ids=["one slice", "many slices"])
def stream(request: pytest.FixtureRequest, make_stream: StreamFactory) -> Stream:
    """A condensed day in two shards of several segments."""
    stream = make_stream({**TYPES, **FIELDS}, 2, metrics=METRICS)
    condense_in_segments(stream, DOCUMENTS, request.param)
    return stream


def test_rows_are_those_that_python_counts(stream: Stream) -> None:
    found = stream.rows()
    assert len(found) == 9
    forms = set()
    for row in found.values():
        hour = row["@timestamp"] // 3_600_000 % 24
        some = [d for d in DOCUMENTS if d["device"] == row["device"] and int(d["@timestamp"][11:13]) == hour]
        for name in COUNTED:
            expected = row_from(some, name)
            assert row["metrics"][name] == expected
            registers = unpack(expected["registers"])
            forms.add((registers.precision, len(registers.ranks) == 1 << registers.precision))
    assert forms == {(20, False), (12, False), (9, False), (7, False), (7, True)}


def test_both_engines_write_the_same_rows(stream: Stream) -> None:
    assert by_search(stream) == by_job(stream)


def test_states_survive_the_way_from_one_node_to_another(stream: Stream, remote: str) -> None:
    index = f"{remote}:{stream.dataset.raw_index(DAY)}"
    assert by_job(stream, index) == by_job(stream)
    assert by_search(stream, index) == by_search(stream)


def test_rows_merge_on_the_server_to_the_registers_of_all_values(stream: Stream) -> None:
    """Of a device, of an hour, and of everything: the very bytes, whatever was merged before."""
    names = list(METRICS)
    metric = recall_metric(stream.dataset, names, {})
    aggs = {
        "device": {"terms": {"field": "device"}, "aggs": {"m": metric}},
        "hour": {"histogram": {"field": "@timestamp", "interval": 3_600_000}, "aggs": {"m": metric}},
        "all": {"terms": {"field": "transform._id"}, "aggs": {"m": metric}},
    }
    found = stream.client.search(index=stream.dataset.month_index(DAY), body={"size": 0, "aggs": aggs})["aggregations"]
    documents_of: dict[tuple[str, Any], list[Document]] = defaultdict(list)
    for document in DOCUMENTS:
        documents_of["device", document["device"]].append(document)
        documents_of["hour", int(document["@timestamp"][11:13])].append(document)
    seen = 0
    for kind in aggs:
        for bucket in found[kind]["buckets"]:
            key = bucket["key"] // 3_600_000 % 24 if kind == "hour" else bucket["key"]
            some = DOCUMENTS if kind == "all" else documents_of[kind, key]
            row = row_of_states(stream.dataset, names, bucket["m"]["value"])
            assert {name: row[name] for name in COUNTED} == {name: row_from(some, name) for name in COUNTED}
            seen += 1
    assert seen == 7


# The proof


def test_right_rows_are_verified_line_by_line(stream: Stream) -> None:
    dataset = stream.dataset
    sparse = {name: metric.model_copy(update={"sparse": True}) for name, metric in dataset.metrics.items()}
    proof = verify(stream.client, dataset.model_copy(update={"metrics": sparse}), DAY)
    assert (proof.state, proof.failed) == ("verified", [])
    lines = {check.name: (check.raw, check.history) for check in proof.checks}
    for name in COUNTED:
        whole = row_from(DOCUMENTS, name)
        assert lines[f"{name} count"] == lines[f"{name} values in registers"] == (whole["count"], whole["count"])
        assert proof.metrics[name] == whole


Change = Callable[[dict[str, Any]], Any]


def count_one_more(metric: dict[str, Any]) -> None:
    metric["count"] += 1


def forget_the_registers(metric: dict[str, Any]) -> None:
    del metric["registers"]


def raise_one_register(metric: dict[str, Any]) -> None:
    registers = unpack(metric["registers"])
    registers.ranks[min(registers.ranks)] += 1
    metric["registers"] = pack(registers)


def see_one_value_more(metric: dict[str, Any]) -> None:
    registers = unpack(metric["registers"])
    registers.see("somebody else")
    metric["registers"] = pack(registers)


def forget_one_value(metric: dict[str, Any]) -> None:
    registers = unpack(metric["registers"])
    del registers.ranks[max(registers.ranks)]
    metric["registers"] = pack(registers)


def write_a_smaller_precision(metric: dict[str, Any]) -> None:
    registers = unpack(metric["registers"])
    registers.add(Registers(registers.wanted - 1))
    metric["registers"] = pack(registers)


def write_another_version(metric: dict[str, Any]) -> None:
    data = base64.b64decode(metric["registers"])
    metric["registers"] = base64.b64encode(bytes([data[0] ^ 0xC0]) + data[1:]).decode()


def cut_them_off(metric: dict[str, Any]) -> None:
    metric["registers"] = base64.b64encode(base64.b64decode(metric["registers"])[:-2]).decode()


@pytest.fixture
def spoiled(stream: Stream) -> Iterator[Callable[[Change], set[str]]]:
    """Change the users in one row; returns the lines of the proof that then fail."""
    identity, row = min(item for item in stream.rows().items() if item[1]["device"] == "some")

    def spoil(change: Change) -> set[str]:
        metric = dict(row["metrics"]["users"])
        change(metric)
        stream.put_row(identity, {**row, "metrics": {**row["metrics"], "users": metric}})
        failed = {check.name for check in verify(stream.client, stream.dataset, DAY).failed}
        return failed - {"fields without any value"}

    yield spoil
    stream.put_row(identity, row)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (count_one_more, {"rows that differ", "users count", "users values in registers"}),
        (forget_the_registers, {"rows that differ", "users values in registers"}),
        (raise_one_register, {"rows that differ"}),
        (see_one_value_more, {"rows that differ"}),
        (forget_one_value, {"rows that differ"}),
        (write_a_smaller_precision, {"rows that differ"}),
    ],
)
def test_wrong_rows_differ_in_their_line(
    spoiled: Callable[[Change], set[str]], change: Change, lines: set[str]
) -> None:
    assert spoiled(change) == lines


@pytest.mark.parametrize("change", [write_another_version, cut_them_off])
def test_what_cannot_be_read_is_said(spoiled: Callable[[Change], set[str]], change: Change) -> None:
    assert "rows that cannot be read" in spoiled(change)


# The bound, and any texts


NUMBERS = count()


@pytest.fixture(scope="module")
def spare(make_stream: StreamFactory) -> Stream:
    """A stream whose documents are told apart by their device."""
    stream = make_stream({**TYPES, **FIELDS}, 2, metrics=METRICS)
    stream.create()
    return stream


@given(st.lists(st.lists(st.text(max_size=40), max_size=30), min_size=1, max_size=5))
@settings(max_examples=25)
def test_any_texts_give_the_bytes_of_python(spare: Stream, lists: list[list[str]]) -> None:
    device = f"d{next(NUMBERS)}"
    some: list[Document] = [{"@timestamp": DAY.isoformat(), "device": device, "user": texts} for texts in lists]
    spare.write(some)
    aggs = {kind: condense_metric(spare.dataset, finished=kind == "finished") for kind in ("finished", "states")}
    body = {"size": 0, "query": {"term": {"device": device}}, "aggs": aggs}
    found = spare.client.search(index=spare.dataset.raw_index(DAY), body=body)["aggregations"]
    ours = row_of_states(spare.dataset, list(spare.dataset.metrics), found["states"]["value"])
    for name in ("users", "coarse"):
        expected = row_from(some, name) if any(lists) else None
        assert ours.get(name) == found["finished"]["value"].get(name) == expected


@pytest.mark.parametrize("users", [100, 500, 1500])
def test_counts_are_within_the_standard_error(spare: Stream, users: int) -> None:
    """Of 30 groups with users of their own, the root of the mean square of their errors is known to an eighth."""
    groups = [f"{users} {number}" for number in range(30)]
    for group in groups:
        names = [f"{group} {number}" for number in range(users)]
        spare.write(
            {"@timestamp": DAY.isoformat(), "device": group, "user": names[start : start + 500]}
            for start in range(0, users, 500)
        )
    metric = condense_metric(spare.dataset, finished=False)
    body = {
        "size": 0,
        "query": {"terms": {"device": groups}},
        "aggs": {"d": {"terms": {"field": "device", "size": 30}, "aggs": {"m": metric}}},
    }
    found = spare.client.search(index=spare.dataset.raw_index(DAY), body=body)["aggregations"]["d"]["buckets"]
    rows = [merged_of_states(spare.dataset, list(spare.dataset.metrics), bucket["m"]["value"]) for bucket in found]
    for name in ("users", "coarse"):
        precision = precision_of(spare.dataset.distinct[name])
        errors = [row[name]["distinct"].distinct / users - 1 for row in rows]
        assert len(errors) == 30
        assert math.sqrt(sum(error**2 for error in errors) / 30) <= 1.25 * error_of(precision)
        assert max(map(abs, errors)) <= 4 * error_of(precision)


# Rows of other definitions, and rows that are none


def test_rows_of_two_errors_merge_at_the_coarser_one(make_stream: StreamFactory) -> None:
    one = make_stream({**TYPES, **FIELDS}, metrics={"users": distinct("user", 0.05)})
    other = Stream(one.client, dataset_of(one.dataset.name, metrics={"users": distinct("user", 0.01)}), one.types)
    days = (DAY, DAY + timedelta(days=1))
    users = [[f"{day} {number}" for number in range(300)] for day in days]
    for stream, day, names in zip((one, other), days, users, strict=True):
        stream.write([{"@timestamp": day.isoformat(), "device": "d", "user": names}], day)
        stream.condense(day)
        assert_verified(stream, day)
    expected = Registers(9)
    for name in (*users[0], *users[1]):
        expected.see(name)
    for stream in (one, other):
        body = recall_body(stream.dataset, {"match_all": {}})
        found = one.client.search(index=one.dataset.month_index(DAY), body=body)["aggregations"]["totals"]["value"]
        row = row_of_states(stream.dataset, ["users"], found)
        assert row == {"users": {"count": 600, "registers": pack(expected)}}


def test_older_rows_without_registers_leave_a_row_without_them(make_stream: StreamFactory) -> None:
    before = make_stream({**TYPES, **FIELDS}, metrics={"codes": {"field": "code", "stats": ["count"]}})
    after = Stream(before.client, dataset_of(before.dataset.name, metrics={"codes": COUNTED["codes"]}), before.types)
    for stream, day in ((before, DAY), (after, DAY + timedelta(days=1))):
        stream.write([{"@timestamp": day.isoformat(), "device": "d", "code": [4, 4, 5]}], day)
        stream.condense(day)
        assert_verified(stream, day)
    body = recall_body(after.dataset, {"match_all": {}})
    found = after.client.search(index=after.dataset.month_index(DAY), body=body)["aggregations"]["totals"]["value"]
    assert row_of_states(after.dataset, ["codes"], found) == {"codes": {"count": 6}}


def test_damaged_rows_are_refused_or_read_differently(make_stream: StreamFactory) -> None:
    """Whatever the bytes, the node answers soon, and with an error of the request at worst."""
    rng = random.Random(11)
    stream = make_stream({**TYPES, **FIELDS}, metrics={"users": COUNTED["coarse"]})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "user": "u"}])
    stream.condense()
    rows: list[dict[str, Any]] = []
    for _ in range(60):
        registers = Registers(7)
        for user in range(rng.choice((20, 900))):
            registers.see(f"{user}")
        data = bytearray(base64.b64decode(pack(registers)))
        for at in (rng.randrange(3), rng.randrange(len(data))):
            data[at] = rng.randrange(256)
        rows.append({"users": {"count": 40, "registers": base64.b64encode(data).decode()}})
    assert refusals(stream, rows) > 10
