"""Mending: wrong rows are rebuilt while the raw day is held, and a day that cannot be proven is never deleted."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from opensearchpy import AuthorizationException, OpenSearch

from opensearch_strata.cycle import require_proven, retire_expired, unproven
from opensearch_strata.errors import Refused
from opensearch_strata.history import prove as prove_module
from opensearch_strata.history.prove import held, prove
from opensearch_strata.history.raw_day import RawDay, inspect_raw_day
from opensearch_strata.history.rows import row_of_bucket
from opensearch_strata.history.verify import Proof, verify
from opensearch_strata.retention import Expired, Proven, retire
from opensearch_strata.tables import proof_table
from tests.mutations import MUTATIONS, drop_a_row, set_value
from tests.streams import DAY, Stream, StreamFactory, measurements

PROJECT = Path(__file__).parents[2]
LONG_AFTER = DAY + timedelta(days=100)


@pytest.fixture(scope="module")
def condensed(make_stream: StreamFactory) -> Stream:
    """A condensed day that every test leaves as it found it, by mending it."""
    stream = make_stream()
    stream.condensed()
    return stream


def proof_of(stream: Stream) -> Proof:
    return prove(stream.client, stream.dataset, DAY, engine="search")


def raw_of(stream: Stream) -> RawDay:
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw is not None
    return raw


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_wrong_rows_are_mended(condensed: Stream, mutation: str) -> None:
    right = condensed.rows()
    MUTATIONS[mutation][0](condensed)
    assert (
        "_doc_count" in mutation or "of aggregations" in mutation or condensed.rows() != right
    )  # that one field cannot be read back
    assert verify(condensed.client, condensed.dataset, DAY).state == "differs"
    proof = proof_of(condensed)
    assert (proof.state, proof.failed) == ("verified", [])
    assert condensed.rows() == right
    assert condensed.blocks() == set()


def test_right_rows_are_left_alone(condensed: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    for touching in ("condense", "delete_rows", "held"):
        monkeypatch.setattr(prove_module, touching, pytest.fail)
    assert proof_of(condensed).state == "verified"


def test_late_documents_are_condensed_on_top(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    stream.write(measurements(count=5, seed=8))
    monkeypatch.setattr(prove_module, "delete_rows", pytest.fail)
    proof = proof_of(stream)
    assert (proof.state, proof.genuine_documents) == ("verified", 65)


def test_late_documents_and_wrong_rows(stream: Stream) -> None:
    stream.condensed(count=60)
    MUTATIONS["double a row"][0](stream)
    stream.write(measurements(count=5, seed=8))
    proof = proof_of(stream)
    assert (proof.state, proof.genuine_documents) == ("verified", 65)


def test_a_day_that_was_never_condensed_is_condensed(stream: Stream) -> None:
    stream.fill(count=30)
    assert proof_of(stream).state == "verified"


def test_rows_that_stay_wrong_are_shown_line_by_line(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    MUTATIONS["change a sum"][0](stream)

    def loses(dataset, transform_id, bucket, raw_uuid):
        identity, source = row_of_bucket(dataset, transform_id, bucket, raw_uuid)
        for name in source["metrics"].keys() - {"_raw"}:
            source["metrics"][name]["sum"] += 1
        return identity, source

    monkeypatch.setattr("opensearch_strata.history.engines.search.row_of_bucket", loses)
    proof = proof_of(stream)
    assert proof.state == "differs"
    assert {check.name for check in proof.failed} == {"rows that differ", "temperature sum", "load sum"}
    assert "temperature sum" in str(proof_table(proof))
    with pytest.raises(
        Refused, match=r"differs from its \d+ rows in: rows that differ, .* First, rows that differ: device"
    ):
        require_proven(proof)
    assert stream.blocks() == set()


def test_rows_that_carry_more_are_never_rebuilt_from_less(stream: Stream) -> None:
    stream.condensed(count=60)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write(measurements(count=50))
    before = stream.rows()
    with pytest.raises(Refused, match=r"holds 50 documents, but its \d+ rows carry 60; rows are not rebuilt from less"):
        proof_of(stream)
    assert stream.rows() == before
    assert stream.blocks() == set()


def test_rows_that_claim_more_are_for_a_person_to_judge(stream: Stream) -> None:
    """A count that was tampered with looks like raw documents that were lost."""
    stream.condensed(count=60)
    right = stream.rows()
    set_value("transform._doc_count", change=lambda n: n + 1)(stream)
    with pytest.raises(Refused, match=r"carry 61; rows are not rebuilt from less.*allow_poorer"):
        proof_of(stream)
    stream.condense(allow_poorer=True)
    assert stream.rows() == right


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_no_documents_prove_nothing(stream: Stream, state: str) -> None:
    stream.condensed(count=20)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    if state == "empty":
        stream.create()
    before = stream.rows()
    proof = proof_of(stream)
    assert (proof.state, stream.rows()) == (state, before)
    with pytest.raises(Refused) as refused:
        require_proven(proof)
    assert str(refused.value) == unproven(proof)


def test_a_held_day_cannot_be_deleted_by_anybody(condensed: Stream) -> None:
    raw = raw_of(condensed)
    with held(condensed.client, condensed.dataset, raw):
        assert condensed.blocks() == {"read_only"}
        with pytest.raises(AuthorizationException, match="cluster_block_exception"):
            condensed.client.indices.delete(index=raw.index)
        proven = Proven(raw.index, DAY, raw.uuid, raw.documents)
        with pytest.raises(Refused, match="is read-only: another run rebuilds its rows"):
            retire(condensed.client, condensed.dataset, proven, LONG_AFTER, dry_run=False)
    assert condensed.blocks() == set()
    assert condensed.exists()


def test_a_day_that_is_held_is_not_rebuilt_by_a_second_run(condensed: Stream) -> None:
    """It would lose the hold when the first run lets go, with its own rebuild half done."""
    drop_a_row(condensed)
    wrong = condensed.rows()
    first, second = raw_of(condensed), raw_of(condensed)
    with held(condensed.client, condensed.dataset, first):
        with (
            pytest.raises(Refused, match="is read-only: another run rebuilds its rows, or somebody holds it"),
            held(condensed.client, condensed.dataset, second),
        ):
            pytest.fail("the rows would have been deleted")
        assert condensed.blocks() == {"read_only"}
    assert condensed.rows() == wrong
    assert proof_of(condensed).state == "verified"


def test_a_failing_rebuild_lets_go(condensed: Stream) -> None:
    right = condensed.rows()
    with pytest.raises(ZeroDivisionError), held(condensed.client, condensed.dataset, raw_of(condensed)):
        1 / 0  # noqa: B018
    assert condensed.blocks() == set()
    assert condensed.rows() == right


def test_a_day_recreated_meanwhile_is_not_rebuilt(stream: Stream) -> None:
    stream.condensed(count=20)
    raw = raw_of(stream)
    stream.client.indices.delete(index=raw.index)
    stream.create()
    with (
        pytest.raises(Refused, match="was deleted or recreated while it was proven; its rows were kept"),
        held(stream.client, stream.dataset, raw),
    ):
        pytest.fail("the rows would have been deleted")
    assert stream.blocks() == set()


def test_a_day_deleted_meanwhile_is_not_rebuilt(stream: Stream) -> None:
    stream.condensed(count=20)
    raw = raw_of(stream)
    stream.client.indices.delete(index=raw.index)
    with (
        pytest.raises(Refused, match="was deleted or recreated while it was proven; its rows were kept"),
        held(stream.client, stream.dataset, raw),
    ):
        pytest.fail("the rows would have been deleted")


KILLED = """
import os, signal, sys
from datetime import date
from opensearch_strata.client import ClientSettings, build_client
from opensearch_strata.dataset import Dataset
from opensearch_strata.history.prove import prove

client = build_client(ClientSettings.from_url(sys.argv[1]))
dataset = Dataset.model_validate_json(sys.argv[2])
prove(client, dataset, date.fromisoformat(sys.argv[3]), engine="search",
      on_documents=lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_rebuild_leaves_the_day_undeletable(stream: Stream, opensearch_url: str) -> None:
    documents = len(stream.condensed(count=60))
    MUTATIONS["change a sum"][0](stream)
    raw = raw_of(stream)
    definition = stream.dataset.model_dump_json()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, opensearch_url, definition, DAY.isoformat()],
        env={"PYTHONPATH": str(PROJECT / "plugins"), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert stream.blocks() == {"read_only"}
    with pytest.raises(AuthorizationException, match="cluster_block_exception"):
        stream.client.indices.delete(index=raw.index)

    proof = proof_of(stream)  # the next run brings the rows back
    assert (proof.state, proof.genuine_documents) == ("verified", documents)
    expired = Expired({raw.index: DAY})
    (kept,) = retire_expired(stream.client, stream.dataset, expired, LONG_AFTER, apply=True, engine="search")
    assert kept.outcome == "kept"
    assert "set index.blocks.read_only to null on it and run again" in kept.note
    stream.set_block("read_only", on=None)  # a person did
    (deleted,) = retire_expired(stream.client, stream.dataset, expired, LONG_AFTER, apply=True, engine="search")
    assert deleted.outcome == "deleted"
    assert not stream.exists()


def test_a_dry_run_mends_nothing(stream: Stream, client: OpenSearch) -> None:
    stream.condensed(count=30)
    MUTATIONS["drop a row"][0](stream)
    before = stream.rows()
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (shown,) = retire_expired(client, stream.dataset, expired, LONG_AFTER, apply=False)
    assert (shown.outcome, stream.rows(), stream.blocks()) == ("dry_run", before, set())
    assert verify(client, stream.dataset, DAY).state == "differs"
