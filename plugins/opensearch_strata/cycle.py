"""The daily cycle without Airflow: condense a day, prove it, retire what has left the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.dataset import Dataset, EngineName
from opensearch_strata.days import newest_expired
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.history.coverage import DayCoverage, coverage
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


@dataclass(frozen=True)
class CycleReport:
    """What a cycle found and did, for the day it was about.

    :param verdict: one sentence
    :param raw_bytes: store size of the raw day's primary shards, 0 if it is gone
    :param history_bytes: the share of the day's rows in their month's primary shards
    :param verified: whether this cycle proved the day
    :param deleted: raw days that were deleted
    :param kept: raw days that left the window and stayed -> why
    :param uncondensed: raw days inside the window, older than the day, whose rows do not carry them
    """

    day: date
    verdict: str
    raw_documents: int = 0
    rows: int = 0
    raw_bytes: int = 0
    history_bytes: int = 0
    verified: bool = False
    deleted: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    uncondensed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as a small JSON object."""
        return {**asdict(self), "day": self.day.isoformat()}


def report_cycle(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    *,
    verified: bool,
    retired: Mapping[str, str],
    failed: Sequence[str] = (),
) -> CycleReport:
    """Sum up a cycle from what the cluster holds now.

    :param retired: raw day that has left the window -> ``deleted``, or why it is still there
    :param failed: names of steps that failed
    """
    days = {found.day: found for found in coverage(client, dataset)}
    this = days.get(day, DayCoverage(day))
    oldest = newest_expired(day, dataset.raw.window_days)
    deleted = [index for index, outcome in retired.items() if outcome in ("deleted", "gone")]
    kept = {index: outcome for index, outcome in retired.items() if index not in deleted}
    uncondensed = [
        dataset.raw_index(found.day)
        for found in days.values()
        if oldest < found.day < day and found.place in ("raw", "differs")
    ]
    if failed:
        verdict = f"{day} FAILED in {', '.join(failed)}; nothing was lost, look at the log of the first of them."
    else:
        state = f"verified, {this.carried:,} documents in {this.rows:,} rows" if verified else "has nothing to condense"
        verdict = f"{day} {state}; {len(deleted)} raw days deleted, {len(kept)} kept beyond the window."
    return CycleReport(
        day=day,
        verdict=verdict,
        raw_documents=this.raw_documents or 0,
        rows=this.rows,
        raw_bytes=this.raw_bytes,
        history_bytes=this.history_bytes,
        verified=verified,
        deleted=deleted,
        kept=kept,
        uncondensed=uncondensed,
    )
