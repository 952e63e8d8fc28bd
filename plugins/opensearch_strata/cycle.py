"""The daily cycle without Airflow: condense a day, prove it, retire what has left the window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from opensearch_strata.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.history.prove import prove
from opensearch_strata.history.verify import Proof, verify
from opensearch_strata.retention import Expired, Outcome, Proven, retire

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Retirement:
    """What became of one raw day that has left the window.

    :param outcome: ``kept`` with the reason in ``note``, or what :func:`retire` did
    """

    index: str
    day: date
    outcome: Outcome | Literal["kept"]
    documents: int = 0
    rows: int = 0
    note: str = ""


def require_proven(proof: Proof) -> Proven:
    """What retention needs of a proof.

    :raises Refused: the day is not verified; a missing or empty raw day is never taken for it
    """
    if proof.state == "verified" and proof.raw:
        return Proven(proof.index, proof.day, proof.raw.uuid, proof.raw.documents)
    raise Refused(unproven(proof))


def unproven(proof: Proof) -> str:
    """Sentence for a day whose proof does not hold."""
    match proof.state:
        case "missing":
            return f"{proof.index} does not exist; its {proof.rows} rows of history were kept as they are."
        case "empty":
            return (
                f"{proof.index} is empty, which proves nothing; it was kept. Delete it by hand if it was meant to be "
                f"empty, or restore it."
            )
    lines = ", ".join(check.name for check in proof.failed)
    return f"{proof.index} differs from its {proof.rows} rows in: {lines}. Nothing was deleted; see the table."


def retire_expired(
    client: OpenSearch,
    dataset: Dataset,
    expired: Expired,
    day: date,
    *,
    apply: bool,
    engine: EngineName | None = None,
) -> Iterator[Retirement]:
    """Prove and delete each expired raw day; one that cannot go never keeps the others.

    Without ``apply`` nothing is changed at all: days are verified, not mended.
    """
    for index, old in expired.indices.items():
        try:
            proof = prove(client, dataset, old, engine=engine) if apply else verify(client, dataset, old)
            proven = require_proven(proof)
            outcome = retire(client, dataset, proven, day, dry_run=not apply)
        except StrataError as error:
            yield Retirement(index, old, "kept", note=str(error))
        else:
            yield Retirement(index, old, outcome, proven.documents, proof.rows)
