"""The daily cycle without Airflow: condense a day, prove it, retire what has left the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.dataset import Dataset, EngineName
from opensearch_strata.days import newest_expired
from opensearch_strata.errors import Refused, StrataError, explain
from opensearch_strata.history.condense import condense
from opensearch_strata.history.coverage import DayCoverage, coverage
from opensearch_strata.history.engines.run import OnDocuments
from opensearch_strata.history.prove import prove
from opensearch_strata.history.raw_day import RawDay, inspect_raw_day
from opensearch_strata.history.verify import Proof, verify
from opensearch_strata.retention import Expired, Outcome, Proven, list_expired, retire

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


Lot = Outcome | Literal["kept"]


@dataclass(frozen=True)
class Retirement:
    """What became of one raw day that has left the window.

    :param outcome: ``kept`` with the reason in ``note``, or what :func:`retire` did
    """

    index: str
    day: date
    outcome: Lot
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
            if not proof.rows:
                return f"{proof.index} does not exist, and history has no rows of it."
            return f"{proof.index} does not exist; its {proof.rows} rows of history were kept as they are."
        case "empty":
            return (
                f"{proof.index} is empty, which proves nothing; it was kept. Delete it by hand if it was meant to be "
                f"empty, or restore it."
            )
    if not proof.rows:
        return f"{proof.index} is not condensed, history has no rows of it. Nothing was deleted; condense it first."
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
    from opensearchpy import OpenSearchException

    for index, old in expired.indices.items():
        proof = None
        try:
            proof = prove(client, dataset, old, engine=engine) if apply else verify(client, dataset, old)
            if not apply and proof.mendable:
                yield _described(index, old, "dry_run", proof, WOULD_MEND)
                continue
            proven = require_proven(proof)
            outcome = retire(client, dataset, proven, day, dry_run=not apply)
        except (StrataError, OpenSearchException) as error:
            yield _described(index, old, "kept", proof, explain(error))
        else:
            yield Retirement(index, old, outcome, proven.documents, proof.rows)


WOULD_MEND = "A run that deletes would condense it first and prove it again."


def _described(index: str, day: date, outcome: Lot, proof: Proof | None, note: str) -> Retirement:
    documents = proof.raw.documents if proof and proof.raw else 0
    return Retirement(index, day, outcome, documents, proof.rows if proof else 0, note)


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
    problem: str = "",
) -> CycleReport:
    """Sum up a cycle from what the cluster holds now.

    :param retired: raw day that has left the window -> ``deleted``, or why it is still there
    :param failed: names of tasks that failed
    :param problem: why the day could not be condensed or proven, where the caller knows it
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
    elif problem:
        verdict = f"{day} is not verified: {problem}"
    else:
        state = f"verified, {this.carried:,} documents in {this.rows:,} rows" if verified else "has nothing to condense"
        days_deleted = f"{len(deleted)} raw day{'' if len(deleted) == 1 else 's'} deleted"
        verdict = f"{day} {state}; {days_deleted}, {len(kept)} kept beyond the window."
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


@dataclass(frozen=True)
class CycleRun:
    """A whole cycle that ran in one process.

    :param retirements: what became of each raw day that has left the window, oldest first
    :param expired: what had left the window, with what must wait and what is never touched
    :param problem: why the day could not be condensed or proven, empty if it was or has nothing to condense
    """

    report: CycleReport
    retirements: list[Retirement]
    expired: Expired
    problem: str = ""

    @property
    def failed(self) -> bool:
        """Whether a person has to look: the day is not proven, or an expired day had to be kept."""
        return bool(self.problem) or any(retired.outcome == "kept" for retired in self.retirements)


def run_cycle(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    now: datetime,
    *,
    apply: bool,
    engine: EngineName | None = None,
    on_documents: OnDocuments = lambda _: None,
    on_retired: Callable[[Retirement], None] = lambda _: None,
) -> CycleRun:
    """Condense a day, prove it, and retire what has left the window: the DAG's steps in one process.

    A day that cannot be condensed or proven never keeps expired days from leaving, each demands its own proof.

    :param now: aware; the day must be over at that moment
    :param apply: delete what is proven; without it the deletions alone are left out
    :param on_retired: called with each expired day when its lot is known
    :raises Refused: the day is not over
    """
    from opensearchpy import OpenSearchException

    expired = list_expired(client, dataset, day, now)
    problem, verified = "", False
    try:
        verified = _condense_and_prove(client, dataset, day, engine, on_documents)
    except (StrataError, OpenSearchException) as error:
        problem = explain(error)
    retirements = []
    for retired in retire_expired(client, dataset, expired, day, apply=apply, engine=engine):
        retirements.append(retired)
        on_retired(retired)
    lots = {retired.index: _lot(retired) for retired in retirements}
    report = report_cycle(client, dataset, day, verified=verified, retired=lots, problem=problem)
    return CycleRun(report, retirements, expired, problem)


def _condense_and_prove(
    client: OpenSearch, dataset: Dataset, day: date, engine: EngineName | None, on_documents: OnDocuments
) -> bool:
    """True if the day is proven, False if there is nothing to condense."""
    raw = inspect_raw_day(client, dataset, day)
    if condense(client, dataset, day, engine=engine, on_documents=on_documents) is None:
        nothing_to_condense(dataset, day, raw)
        return False
    require_proven(prove(client, dataset, day, engine=engine))
    return True


def _lot(retired: Retirement) -> str:
    proven = "proven; a dry run deletes nothing" if retired.outcome == "dry_run" else retired.outcome
    return retired.note or proven


def nothing_to_condense(dataset: Dataset, day: date, raw: RawDay | None) -> str:
    """Sentence for a day without raw documents.

    :raises Refused: the dataset demands every day
    """
    finding = f"{dataset.raw_index(day)} {'is empty' if raw else 'does not exist'}"
    if dataset.raw.required_daily:
        raise Refused(
            f"{finding}, and {dataset.name!r} requires every day (raw.required_daily). Nothing was changed; look at "
            f"its producers and run the day again."
        )
    return f"{finding}; there is nothing to condense."
