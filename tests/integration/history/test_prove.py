"""Mending: wrong rows are overwritten where they are, and a day that cannot be proven is never deleted."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.places import PROJECT
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.history.condense import leftovers
from opensearch_strata.history.condense.engines import search
from opensearch_strata.history.condense.engines.row_writer import write_rows
from opensearch_strata.history.month.row_ids import row_of_bucket
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify import repair as prove_module
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.presentation.tables import proof_table
from opensearch_strata.workflows.cycle import require_proven, retire_expired, unproven
from opensearch_strata.workflows.expired import Expired
from tests.mutations import MUTATIONS, set_value
from tests.streams import DAY, Document, Stream, StreamFactory, dataset_of, definition_of, measurements

LONG_AFTER = DAY + timedelta(days=100)


@pytest.fixture(scope="module")
def condensed(make_stream: StreamFactory) -> Stream:
    """A condensed day that every test leaves as it found it, by mending it."""
    stream = make_stream()
    stream.condensed()
    return stream


def proof_of(stream: Stream) -> Proof:
    return prove(stream.client, stream.dataset, DAY, engine="search")


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
    monkeypatch.setattr(prove_module, "condense", pytest.fail)
    assert proof_of(condensed).state == "verified"


def test_late_documents_are_condensed_on_top(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    stream.write(measurements(count=5, seed=8))
    monkeypatch.setattr("opensearch_strata.history.condense.condense.delete_leftovers", pytest.fail)
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

    def loses(dataset: Dataset, transform_id: str, bucket: dict[str, Any], raw_uuid: str) -> tuple[str, Document]:
        identity, source = row_of_bucket(dataset, transform_id, bucket, raw_uuid)
        for name in source["metrics"].keys() - {"_raw"}:
            source["metrics"][name]["sum"] += 1
        return identity, source

    monkeypatch.setattr("opensearch_strata.history.condense.engines.search.row_of_bucket", loses)
    proof = proof_of(stream)
    assert proof.state == "differs"
    assert {check.name for check in proof.failed} == {"rows that differ", "temperature sum", "load sum"}
    assert "temperature sum" in str(proof_table(proof))
    with pytest.raises(
        Refused, match=r"differs from its \d+ rows in: rows that differ, .* First case of rows that differ: device"
    ):
        require_proven(proof)
    assert stream.blocks() == set()


def test_rows_that_carry_more_are_never_rebuilt_from_less(stream: Stream) -> None:
    stream.condensed(count=60)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write(measurements(count=50))
    before = stream.rows()
    with pytest.raises(Refused, match=r"holds 50 documents, but its history carries 60 in \d+ rows; rows are not"):
        proof_of(stream)
    assert stream.rows() == before
    assert stream.blocks() == set()


def test_rows_that_claim_more_are_for_a_person_to_judge(stream: Stream) -> None:
    """A count that was tampered with looks like raw documents that were lost."""
    stream.condensed(count=60)
    right = stream.rows()
    set_value("transform._doc_count", change=lambda n: n + 1)(stream)
    with pytest.raises(Refused, match=r"carries 61 in \d+ rows; rows are not rebuilt from fewer doc.*--allow-poorer"):
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


def rename_a_device(stream: Stream) -> None:
    query = {"query": {"term": {"device": "d1"}}, "script": {"source": "ctx._source.device = 'renamed'"}}
    stream.client.update_by_query(index=stream.dataset.raw_index(DAY), body=query, params={"refresh": "true"})


def test_a_device_that_was_renamed_is_renamed_in_its_rows(stream: Stream) -> None:
    stream.condensed(count=60)
    rename_a_device(stream)
    stream.condense()
    proof = proof_of(stream)
    assert (proof.state, proof.genuine_documents) == ("verified", 60)
    assert {row["device"] for row in stream.rows().values()} == {"d0", "renamed", "d2"}
    assert stream.blocks() == set()


def test_rows_are_never_missing_while_they_are_made_anew(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    right, seen, real = stream.rows(), [], search._write
    MUTATIONS["change a sum"][0](stream)

    def looking(*arguments: Any) -> None:
        seen.append(stream.rows().keys())
        real(*arguments)
        seen.append(stream.rows().keys())

    monkeypatch.setattr(search, "_write", looking)
    assert proof_of(stream).state == "verified"
    assert len(seen) > 1
    assert all(rows == right.keys() for rows in seen)


def test_a_changed_definition_is_refused_before_a_row_is_touched(stream: Stream) -> None:
    """Somebody edits the field of a metric; the same night the proof finds that the rows differ."""
    stream.condensed(count=60)
    before = carried(stream.client, stream.dataset, DAY)
    metrics = {**definition_of("t")["metrics"], "load": {"field": "temperature", "stats": ["sum", "count"]}}
    other = Stream(stream.client, dataset_of(stream.dataset.name, metrics=metrics))
    with pytest.raises(Refused, match=r"metrics\.load\.field: 'load' in the index.*Nothing was written"):
        proof_of(other)
    for allow_poorer in (False, True):
        with pytest.raises(Refused, match="Nothing was written"):
            other.condense(allow_poorer=allow_poorer)
    assert carried(stream.client, stream.dataset, DAY) == before


def test_less_is_refused_before_a_row_is_touched_where_its_definition_is_another(stream: Stream) -> None:
    stream.condensed(count=60)
    before = carried(stream.client, stream.dataset, DAY)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write(measurements(count=5))
    fewer = Stream(
        stream.client, dataset_of(stream.dataset.name, metrics={"load": {"field": "load", "stats": ["sum", "count"]}})
    )
    with pytest.raises(Refused, match=r"metrics\.temperature: in the index, not in the.*Nothing was written"):
        fewer.condense(allow_poorer=True)
    assert carried(stream.client, stream.dataset, DAY) == before


KILLED = """
import os, signal, sys
from datetime import date
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.condense import leftovers
from opensearch_strata.history.verify.repair import prove

client = build_client(ClientSettings.from_url(sys.argv[1]))
dataset = Dataset.model_validate_json(sys.argv[2])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[4] == "deleting":
    leftovers.write_rows = die
prove(client, dataset, date.fromisoformat(sys.argv[3]), engine="search",
      on_documents=die if sys.argv[4] == "writing" else lambda _: None)
"""


@pytest.mark.parametrize("moment", ["writing", "deleting"])
def test_a_killed_repair_loses_no_row_and_the_next_run_ends_it(
    stream: Stream, opensearch_url: str, moment: str
) -> None:
    documents = len(stream.condensed(count=60))
    right = stream.rows()
    MUTATIONS["double a row"][0](stream)
    definition = stream.dataset.model_dump_json()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, opensearch_url, definition, DAY.isoformat(), moment],
        env={"PYTHONPATH": str(PROJECT / "plugins"), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert stream.rows().keys() >= right.keys()
    assert stream.blocks() == ({"write"} if moment == "deleting" else set())

    proof = proof_of(stream)
    assert (proof.state, proof.genuine_documents) == ("verified", documents)
    assert (stream.rows(), stream.blocks()) == (right, set())
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (deleted,) = retire_expired(stream.client, stream.dataset, expired, LONG_AFTER, apply=True, engine="search")
    assert deleted.outcome == "deleted"


def test_a_persons_hold_outlives_a_repair(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed(count=60)
    MUTATIONS["double a row"][0](stream)
    real = write_rows

    def somebody_holds(*arguments: Any) -> None:
        stream.set_block("read_only", on=True)
        real(*arguments)

    monkeypatch.setattr(leftovers, "write_rows", somebody_holds)
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (kept,) = retire_expired(stream.client, stream.dataset, expired, LONG_AFTER, apply=True, engine="search")
    assert (kept.outcome, "it is read-only, so somebody holds it" in kept.note) == ("kept", True)
    assert "read_only" in stream.blocks()


def test_a_dry_run_mends_nothing(stream: Stream, client: OpenSearch) -> None:
    stream.condensed(count=30)
    MUTATIONS["drop a row"][0](stream)
    before = stream.rows()
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (shown,) = retire_expired(client, stream.dataset, expired, LONG_AFTER, apply=False)
    assert (shown.outcome, stream.rows(), stream.blocks()) == ("dry_run", before, set())
    assert verify(client, stream.dataset, DAY).state == "differs"
