"""Verify a day, and mend its rows once if they differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused
from opensearch_strata.history.condense import condense
from opensearch_strata.history.engines.run import OnDocuments
from opensearch_strata.history.marks import remember
from opensearch_strata.history.raw_day import RawDay, inspect_raw_day
from opensearch_strata.history.stored_rows import delete_rows
from opensearch_strata.history.verify import Proof, verify

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
    """The proof of a day, after mending what can be mended. The last proof is returned, whatever it says.

    Late documents are condensed on top of the rows. Rows that are wrong are deleted by transform id and condensed
    once more, while the raw day is held. A day that is verified is marked as such, for readers.

    :raises Refused: the rows carry more documents than the raw day holds
    """
    proof = _mended(client, dataset, day, engine, on_documents)
    if proof.state == "verified" and proof.raw:
        remember(client, dataset, proof.raw, proof.carried.rows_version)
    return proof


def _mended(
    client: OpenSearch, dataset: Dataset, day: date, engine: EngineName | None, on_documents: OnDocuments
) -> Proof:
    proof = verify(client, dataset, day)
    raw = proof.raw
    if raw and proof.state == "differs" and raw.documents > proof.genuine_documents:
        condense(client, dataset, day, engine=engine, on_documents=on_documents)
        proof = verify(client, dataset, day)
        raw = proof.raw
    if raw is None or proof.state != "differs":
        return proof
    if raw.documents < proof.genuine_documents:
        raise Refused(
            f"{raw.index} holds {raw.documents} documents, but its {proof.rows} rows carry "
            f"{proof.genuine_documents}; rows are not rebuilt from less. Restore the raw day, or condense it with "
            f"allow_poorer if what is left is the truth."
        )
    with held(client, dataset, raw):
        delete_rows(client, dataset, day)
        condense(client, dataset, day, engine=engine, on_documents=on_documents)
    return verify(client, dataset, day)


@contextmanager
def held(client: OpenSearch, dataset: Dataset, raw: RawDay) -> Iterator[None]:
    """Keep a raw day from being deleted while its rows are rebuilt.

    ``index.blocks.read_only`` makes the server itself refuse a deletion, whoever asks for it, so no other run can
    delete the day between the loss of its rows and their return. If this process dies meanwhile the block stays:
    the day is then kept until somebody lifts it.

    :raises Refused: the raw day is held already, gone, or another index bears its name
    """
    if "read_only" in _unchanged(client, dataset, raw).blocked:
        raise Refused(
            f"{raw.index} is read-only: another run rebuilds its rows, or somebody holds it. Its rows were kept as "
            f"they are. If nobody does, set index.blocks.read_only to null on it and run again."
        )
    _set_read_only(client, raw.index, True)
    try:
        _unchanged(client, dataset, raw)
        yield
    finally:
        _set_read_only(client, raw.index, None)


def _unchanged(client: OpenSearch, dataset: Dataset, raw: RawDay) -> RawDay:
    now = inspect_raw_day(client, dataset, raw.day)
    if now is None or now.uuid != raw.uuid:
        raise Refused(f"{raw.index} was deleted or recreated while it was proven; its rows were kept as they are.")
    return now


def _set_read_only(client: OpenSearch, index: str, on: bool | None) -> None:
    from opensearchpy import NotFoundError

    # Alone in its request: beside any other setting the server refuses to lift it.
    with suppress(NotFoundError):
        client.indices.put_settings(index=index, body={"index.blocks.read_only": on})
