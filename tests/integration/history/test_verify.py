"""The proof: right rows hold it, and each way of being wrong fails the line that is about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensearch_strata.errors import TransientError
from opensearch_strata.history.verify import verify as verify_module
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.ruler import same
from opensearch_strata.history.verify.verify import verify
from tests.mutations import MUTATIONS, pair_with, set_value
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, measurements

pytestmark = pytest.mark.versions


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
    put_right(condensed, right)


def put_right(stream: Stream, right: dict[str, dict[str, Any]]) -> None:
    """Give a day the rows that it had."""
    left = stream.rows()
    for identity in left.keys() - right.keys():
        stream.drop_row(identity)
    for identity, row in right.items():
        if left.get(identity) != row:
            stream.put_row(identity, row)


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
        *("documents", "documents by _doc_count", "rows under foreign ids", "rows without a document"),
        *("rows that cannot be read", "rows that are missing", "rows that differ"),
        *(f"temperature {stat}" for stat in ("count", "min", "max", "sum", "sketch count")),
        *("load count", "load sum"),
        *("values that searches do not see", "fields without any value"),
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
    assert [check.name for check in proof_of(day).failed] == ["rows that differ", "load sum"]


def test_the_first_row_that_differs_is_named(day: Stream) -> None:
    (_, first), _ = pair_with(day, "temperature", alike=True)
    MUTATIONS["exchange the rows of two devices"][0](day)
    (line,) = proof_of(day).failed
    assert (line.raw, line.history) == (0, 2)
    (named,) = line.named
    hour = datetime.fromtimestamp(first["@timestamp"] / 1000, UTC)
    assert named.startswith(f"device 'd0', no site, {hour:%Y-%m-%d %H:%M} UTC: ")
    assert " in the raw day, " in named


def test_a_corrected_device_is_not_verified(stream: Stream) -> None:
    """Counts, times and values are the same: only the groups tell it."""
    stream.condensed()
    rename = {"script": "ctx._source.device = 'right'", "query": {"term": {"device": "d1"}}}
    stream.client.update_by_query(index=stream.dataset.raw_index(DAY), body=rename, params={"refresh": "true"})
    proof = proof_of(stream)
    assert {check.name for check in proof.failed} >= {"rows that are missing", "rows without a document"}
    assert any("device 'right'" in named for named in proof.named)


def test_values_exchanged_in_the_raw_day_are_not_verified(stream: Stream) -> None:
    head = {"@timestamp": f"{DAY}T01:00:00Z", "site": "s"}
    stream.write([{**head, "device": "a", "temperature": 1.0}, {**head, "device": "b", "temperature": 1000.0}])
    stream.condense()
    swap = "ctx._source.temperature = ctx._source.device == 'a' ? 1000.0 : 1.0"
    index = stream.dataset.raw_index(DAY)
    stream.client.update_by_query(index=index, body={"script": swap}, params={"refresh": "true"})
    proof = proof_of(stream)
    assert [check.name for check in proof.failed] == ["rows that differ"]
    (named,) = proof.named
    assert named.startswith(
        "rows that differ: device 'a', site 's', 2024-05-06 01:00 UTC: temperature min: 1000 in the"
    )


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


def while_it_is_read(stream: Stream, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], times: int) -> None:
    """Let something happen while a day is read, so many times."""
    real, left = verify_module._compare, iter(range(times))

    def compared(*page: Any) -> Any:
        found = real(*page)
        if next(left, None) is not None:
            happens()
        return found

    monkeypatch.setattr(verify_module, "_compare", compared)


def test_a_day_that_moves_while_it_is_read_proves_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed()
    while_it_is_read(stream, monkeypatch, lambda: stream.write(measurements(count=1)), times=1)
    with pytest.raises(TransientError, match=r"changed while it was read \(it had 240 documents before\)"):
        proof_of(stream)


def test_a_document_replaced_by_another_while_it_is_read_proves_nothing(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of documents does not show it, nor does anything that searches see before a refresh."""
    stream.condensed()
    index = stream.dataset.raw_index(DAY)

    def replaced() -> None:
        found = stream.client.search(index=index, body={"size": 1})["hits"]["hits"][0]["_id"]
        stream.client.delete(index=index, id=found)
        stream.client.index(index=index, body={"@timestamp": DAY.isoformat(), "device": "d7"})

    while_it_is_read(stream, monkeypatch, replaced, times=1)
    with pytest.raises(TransientError, match="changed while it was read"):
        proof_of(stream)


def rewritten(stream: Stream) -> Callable[[], None]:
    """Another run writes the day's first row again."""
    return lambda: stream.put_row(*next(iter(stream.rows().items())))


def test_rows_that_another_run_writes_meanwhile_are_read_again(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    while_it_is_read(day, monkeypatch, rewritten(day), times=2)
    assert proof_of(day).state == "verified"


def test_rows_that_never_stand_still_prove_nothing(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    while_it_is_read(day, monkeypatch, rewritten(day), times=99)
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


def test_a_day_of_several_pages_and_slices_is_proven_row_by_row(day: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opensearch_strata.history.buckets.aggregation.PAGE_SIZE", 7)
    assert proof_of(day).failed == []
    MUTATIONS["exchange two sketches"][0](day)
    assert [check.name for check in proof_of(day).failed] == ["rows that differ"]


@given(st.sampled_from(sorted(MUTATIONS)), st.sampled_from([5, 50, 5000]), st.sampled_from([1, 2, 3]))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cut_of_a_day_hides_what_is_wrong(day: Stream, mutation: str, page: int, parallel: int) -> None:
    right = day.rows()
    MUTATIONS[mutation][0](day)
    with (
        patch("opensearch_strata.history.buckets.aggregation.PAGE_SIZE", page),
        patch("opensearch_strata.history.buckets.bucket_pages.searches_at_once", lambda *_: parallel),
    ):
        found = {check.name for check in proof_of(day).failed}
    put_right(day, right)
    assert found >= MUTATIONS[mutation][1]


@pytest.mark.parametrize(
    ("raw", "row", "slack", "holds"),
    [
        (1e-17, 0.0, 1e-9, True),
        (1e-6, 0.0, 1e-9, False),
        (1e9, 1e9 + 0.5, 0.0, True),
        (1e9, 1e9 + 2, 0.0, False),
        (float("inf"), float("inf"), 0.0, True),
        (float("inf"), 1.0, 0.0, False),
        (float("nan"), 1.0, 0.0, False),
    ],
)
def test_what_is_the_same_sum(raw: float, row: float, slack: float, holds: bool) -> None:
    assert same(raw, row, slack) == holds
