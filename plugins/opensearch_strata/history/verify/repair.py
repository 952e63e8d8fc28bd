"""Verify a day, and repair its rows once if they differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.base import OnDocuments
from opensearch_strata.history.condense.replaceable import persons_word
from opensearch_strata.history.month.marks import remember
from opensearch_strata.history.raw_day.hold import release_dead
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def prove(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    *,
    engine: EngineName | None = None,
    on_documents: OnDocuments = lambda _: None,
) -> Proof:
    """Prove a day after repairing what can be repaired. Returns the last proof, whatever its verdict.

    If there are late documents or wrong rows, the day is condensed again: each row is overwritten under its own id, and
    rows that the raw day does not produce are deleted at the end. Rows of another raw index that held the same become
    rows of this one. A verified day is marked as such for readers.

    :param on_documents: called with the number of documents of each step, of comparing as well as of condensing
    :raises Refused: the rows carry more documents than the raw day holds, or it cannot be condensed
    """
    proof = verify(client, dataset, day, on_documents)
    if proof.raw:
        release_dead(client, proof.raw)
        if proof.state == "differs" or (proof.state == "verified" and proof.carried.sources - {proof.raw.uuid}):
            proof = _mended(client, dataset, proof, engine, on_documents)
    if proof.state == "verified" and proof.raw:
        remember(client, dataset, proof.raw, proof.carried.rows_version)
    return proof


def _mended(
    client: OpenSearch, dataset: Dataset, proof: Proof, engine: EngineName | None, on_documents: OnDocuments
) -> Proof:
    raw = proof.raw
    if raw and raw.documents < proof.genuine_documents:
        raise Refused(
            f"{raw.index} holds {counted(raw.documents, 'document')}, but its history carries "
            f"{proof.genuine_documents:,} in {counted(proof.rows, 'row')}; rows are not rebuilt from fewer documents. "
            f"Restore the raw day. Or, if what is left is right, {persons_word(dataset, proof.day)}."
        )
    condense(client, dataset, proof.day, engine=engine, on_documents=on_documents)
    return replace(verify(client, dataset, proof.day, on_documents), mended=True)
