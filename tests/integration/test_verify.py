"""The proof: right rows hold it, and each way of being wrong fails the line that is about it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from opensearch_strata import decisive
from opensearch_strata.errors import TransientError
from opensearch_strata.history import verify as verify_module
from opensearch_strata.history.stored_rows import StoredRow
from opensearch_strata.history.verify import Proof, Totals, compare, verify
from tests.mutations import MUTATIONS, set_value
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, dataset_of, measurements


@pytest.fixture(scope="module")
def condensed(make_stream: StreamFactory) -> Stream:
    stream = make_stream()
    stream.condensed()
    return stream


@pytest.fixture
def day(condensed: Stream) -> Iterator[Stream]:
    """A condensed day, whose rows are put right again afterwards."""
    right = condensed.rows()
    yield condensed
    left = condensed.rows()
    for identity in left.keys() - right.keys():
        condensed.drop_row(identity)
    for identity, row in right.items():
        if left.get(identity) != row:
            condensed.put_row(identity, row)


def proof_of(stream: Stream) -> Proof:
    return verify(stream.client, stream.dataset, DAY)


def test_right_rows_are_verified_line_by_line(day: Stream) -> None:
    proof = proof_of(day)
    assert (proof.state, proof.failed) == ("verified", [])
    assert proof.index == day.dataset.raw_index(DAY)
    assert proof.raw is not None
    assert (proof.raw.documents, proof.genuine_documents, proof.rows) == (240, 240, len(day.rows()))
    assert proof.null_rows == sum(row["site"] is None for row in day.rows().values()) > 0
    lines = {check.name: (check.raw, check.history) for check in proof.checks}
    assert lines["documents"] == (240, 240)
    assert lines["temperature min"][0] == lines["temperature min"][1] < 0
    assert set(lines) == {
        *("documents", "documents by _doc_count", "rows under foreign ids", "rows that cannot be read"),
        "time buckets that differ",
        *(f"temperature {stat}" for stat in ("count", "min", "max", "sum", "sketch count")),
        "temperature sketch bins that differ",
        *("load count", "load sum"),
    }


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_wrong_rows_differ_in_their_line(day: Stream, mutation: str) -> None:
    mutate, lines = MUTATIONS[mutation]
    mutate(day)
    proof = proof_of(day)
    assert proof.state == "differs"
    assert lines <= {check.name for check in proof.failed}


def test_a_mutation_of_one_line_fails_that_line_alone(day: Stream) -> None:
    MUTATIONS["change a sum"][0](day)
    assert [check.name for check in proof_of(day).failed] == ["load sum"]


def test_verifying_changes_nothing(day: Stream) -> None:
    MUTATIONS["drop a row"][0](day)
    rows, blocks = day.rows(), day.blocks()
    proof_of(day)
    assert (day.rows(), day.blocks()) == (rows, blocks)


def test_the_last_digits_of_a_sum_may_differ(day: Stream) -> None:
    set_value("metrics", "temperature", "sum", change=lambda x: x * (1 + 1e-12))(day)
    assert proof_of(day).state == "verified"


def test_late_documents_differ(stream: Stream) -> None:
    stream.condensed(count=60)
    stream.write(measurements(count=5, seed=8))
    proof = proof_of(stream)
    assert proof.state == "differs"
    lines = {check.name: (check.raw, check.history) for check in proof.failed}
    assert lines["documents"] == (65, 60)


def test_a_day_that_was_never_condensed_differs(stream: Stream) -> None:
    stream.fill(count=30)
    proof = proof_of(stream)
    assert (proof.state, proof.rows, proof.genuine_documents) == ("differs", 0, 0)


def test_a_missing_day_is_not_verified(stream: Stream) -> None:
    stream.condensed(count=30)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    proof = proof_of(stream)
    assert (proof.state, proof.raw, proof.genuine_documents) == ("missing", None, 30)


def test_an_empty_day_is_not_verified(stream: Stream) -> None:
    stream.create()
    proof = proof_of(stream)
    assert (proof.state, proof.rows) == ("empty", 0)


def test_a_day_that_moves_while_it_is_read_proves_nothing(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    real = decisive.count

    def producer_was_here(client: object, index: str) -> int:
        return real(day.client, index) + 1

    monkeypatch.setattr(decisive, "count", producer_was_here)
    with pytest.raises(TransientError, match=r"changed while it was read \(240 documents before, 241 after\)"):
        proof_of(day)


def rewriting(stream: Stream, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let another run write the day's first row again while the rows are read, so many times."""
    real, left = verify_module.stream_rows, iter(range(times))

    def read(*day: Any) -> Iterator[StoredRow]:
        yield from real(*day)
        if next(left, None) is not None:
            stream.put_row(*next(iter(stream.rows().items())))

    monkeypatch.setattr(verify_module, "stream_rows", read)


def test_rows_that_another_run_writes_meanwhile_are_read_again(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    rewriting(day, monkeypatch, times=2)
    assert proof_of(day).state == "verified"


def test_rows_that_never_stand_still_prove_nothing(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    rewriting(day, monkeypatch, times=99)
    with pytest.raises(TransientError, match="were written while they were read, 5 times; verify it again"):
        proof_of(day)


def test_rows_of_the_days_beside_are_not_counted(stream: Stream) -> None:
    for offset in (0, 1, 2):
        stream.condensed(DAY.replace(day=DAY.day + offset), count=30)
    proof = verify(stream.client, stream.dataset, DAY.replace(day=DAY.day + 1))
    assert (proof.state, proof.genuine_documents) == ("verified", 30)


def test_sums_that_cancel_out_are_equal(make_stream: StreamFactory) -> None:
    """Two ways of adding up leave other last digits, which are all that is left of such a sum."""
    rng = random.Random(5)
    metrics = {"load": {"field": "load", "stats": ["sum", "count"]}}
    stream = make_stream({**TYPES, "load": "double"}, metrics=metrics)
    documents: list[Document] = measurements(count=400)
    for document, other in zip(documents[:200], documents[200:], strict=True):
        document["load"] = rng.uniform(0, 1000)
        other["load"] = -document["load"]
    stream.write(documents)
    stream.condense()
    assert proof_of(stream).failed == []


@pytest.mark.parametrize(
    ("raw", "history", "holds"),
    [
        ({"sum": 1e-17, "count": 3, "min": -1.0, "max": 1.0}, {"sum": 0.0, "count": 3}, True),
        ({"sum": 1e-6, "count": 3, "min": -1.0, "max": 1.0}, {"sum": 0.0, "count": 3}, False),
        ({"sum": 1e9, "count": 3, "min": 0.0, "max": 1e9}, {"sum": 1e9 + 0.5, "count": 3}, True),
        ({"sum": 1e9, "count": 3, "min": 0.0, "max": 1e9}, {"sum": 1e9 + 2, "count": 3}, False),
        ({}, {}, True),
        ({"sum": 1.0, "count": 1, "min": 1.0, "max": 1.0}, {}, False),
        ({}, {"sum": 1.0, "count": 1}, False),
    ],
)
def test_what_is_the_same_sum(raw: dict[str, float], history: dict[str, float], holds: bool) -> None:
    dataset = dataset_of("t", metrics={"load": {"field": "load", "stats": ["sum", "count"]}})
    raw_side, rows = ({"load": stats} if stats else {} for stats in (raw, history))
    checks = {check.name: check.holds for check in compare(dataset, Totals(server=raw_side), Totals(metrics=rows))}
    assert checks["load sum"] == holds
