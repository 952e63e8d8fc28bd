"""The daily cycle without Airflow: condense a day, prove it, retire the days that have left the window."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.definition.consent import consent_of
from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.base import OnDocuments
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.archives import days_due
from opensearch_strata.workflows.archiving import archive_day, require_archived
from opensearch_strata.workflows.cycle_report import WOULD_GO, CycleReport, report_cycle
from opensearch_strata.workflows.expired import Expired, list_expired
from opensearch_strata.workflows.history_copy.cycle_copies import Copies, copy_proven, copy_window
from opensearch_strata.workflows.history_copy.export import CopiedDay
from opensearch_strata.workflows.retention import Outcome, Proven, RequireArchive, retire

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

Lot = Outcome | Literal["kept"]


@dataclass(frozen=True)
class Retirement:
    """What became of one raw day that has left the window.

    :param outcome: ``kept`` with the reason in ``note``, or what :func:`retire` did
    :param copy: what became of the history's second copy of the day; None in a dry run and without an archive
    """

    index: str
    day: date
    outcome: Lot
    documents: int = 0
    rows: int = 0
    note: str = ""
    copy: CopiedDay | None = None


def require_proven(proof: Proof) -> Proven:
    """Return what retention needs from a proof.

    :raises Refused: the day is not verified; a missing or empty raw day never counts as verified
    """
    if proof.state == "verified" and proof.raw:
        raw = proof.raw
        return Proven(proof.index, proof.day, raw.uuid, raw.documents, raw.sequence, proof.carried, raw.history)
    raise Refused(unproven(proof))


def unproven(proof: Proof) -> str:
    """Explain why the proof of a day does not hold."""
    rows = counted(proof.rows, "row")
    match proof.state:
        case "missing":
            if not proof.rows:
                return f"{proof.index} does not exist, and history has no rows for it."
            return f"{proof.index} does not exist; history keeps its {rows} unchanged."
        case "empty":
            return (
                f"{proof.index} is empty, which proves nothing, so it was kept. If it is meant to be empty, delete it "
                f"by hand; otherwise restore it."
            )
        case "held":
            but = "; ".join(proof.told)
            return f"{proof.index} is kept: everything that searches see is in its {rows}, but {but}."
    if not proof.rows:
        return f"{proof.index} is not condensed: history has no rows for it. Nothing was deleted; condense it first."
    lines = ", ".join(check.name for check in proof.failed)
    first = f" First case of {proof.named[0]}." if proof.named else ""
    return f"{proof.index} differs from its {rows} in: {lines}.{first} Nothing was deleted; see the table."


def retire_expired(
    client: OpenSearch,
    dataset: Dataset,
    expired: Expired,
    window_end: date,
    *,
    apply: bool,
    s3: Callable[[], BaseClient] | None = None,
    engine: EngineName | None = None,
) -> Iterator[Retirement]:
    """Prove and delete expired raw days, oldest first, up to the number that one run may delete.

    A day that has to stay never holds back the others. The history's second copy of a day is written before the day
    goes; if that fails, the day goes all the same. Without ``apply``, or without a person's confirmation (see
    :mod:`consent`), nothing is changed at all: days are verified but not repaired, up to the same number.

    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    """
    deletes = apply and consent_of(dataset).given
    leaving = 0
    for index, old in expired.indices.items():
        if leaving >= dataset.cycle.max_deletes_per_run:
            return
        proof = copied = None
        try:
            proof = prove(client, dataset, old, engine=engine) if deletes else verify(client, dataset, old)
            if not deletes and proof.mendable:
                retired = _described(index, old, "dry_run", proof, would_mend(proof))
            else:
                proven = require_proven(proof)
                if proof.without_levels:
                    _log.warning("%s", proof.without_levels)
                copied = copy_proven(client, dataset, proof, s3) if deletes else None
                archive = archived_first(client, dataset, proof, s3) if deletes else None
                outcome = retire(client, dataset, proven, window_end, dry_run=not deletes, archive=archive)
                note = would_archive(dataset, old) if outcome == "dry_run" else ""
                retired = Retirement(index, old, outcome, proven.documents, proof.rows, note)
        except Exception as error:  # noqa: BLE001 - whatever it is, it keeps this day only
            retired = _described(index, old, "kept", proof, _told(error))
        leaving += retired.outcome in ("deleted", "dry_run")
        yield replace(retired, copy=copied)


def archived_first(
    client: OpenSearch, dataset: Dataset, proof: Proof, s3: Callable[[], BaseClient] | None
) -> RequireArchive | None:
    """Archive a day that must be archived before it is deleted.

    :param proof: of the day's rows
    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    :returns: the check that the deletion makes; None if the dataset does not demand an archive
    :raises Refused: the archive could not be proven; nothing of it counts
    """
    if not dataset.archive or not dataset.archive.before_delete:
        return None
    store = (s3 or build_s3)()
    done = archive_day(client, store, dataset, proof)
    return partial(require_archived, store, dataset, done.proven)


def would_archive(dataset: Dataset, day: date) -> str:
    """What a dry run says of a proven day that a run which deletes archives first; empty where it does not.

    :param day: the raw day
    """
    if not dataset.archive or not dataset.archive.before_delete:
        return ""
    url = f"s3://{dataset.archive.bucket}/{dataset.archive.folder(day)}"
    return f"it is proven; a run that deletes archives it to {url} first, unless it is there, and proves the archive."


def would_mend(proof: Proof) -> str:
    """Describe, for a dry run, a day that a run that deletes would condense first."""
    rows = counted(proof.rows, "row")
    found = f"not all of it is in its {rows}" if proof.rows else "it was never condensed"
    return f"a run that deletes would first condense it ({found}), and delete it only if the proof then holds."


def _described(index: str, day: date, outcome: Lot, proof: Proof | None, note: str) -> Retirement:
    documents = proof.raw.documents if proof and proof.raw else 0
    return Retirement(index, day, outcome, documents, proof.rows if proof else 0, note)


@dataclass(frozen=True)
class CycleRun:
    """A whole cycle that ran in one process.

    :param retirements: what became of each raw day that was tried, oldest first
    :param expired: raw days that had left the window, and indices that are never touched
    :param problem: why the day could not be condensed or proven; empty if it was, or if nothing was to be condensed
    :param applied: whether deletions were requested
    :param copies: what became of the history's second copy of each proven day
    """

    report: CycleReport
    retirements: list[Retirement]
    expired: Expired
    problem: str = ""
    applied: bool = False
    copies: Copies = field(default_factory=Copies)

    @property
    def failed(self) -> bool:
        """Whether a person must look: the day is not proven, an expired day was kept, a confirmation or a copy is
        missing."""
        unsaid = self.applied and bool(self.report.asks)
        problem = self.problem or self.copies.problem
        return bool(problem) or unsaid or any(retired.outcome == "kept" for retired in self.retirements)


def run_cycle(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    now: datetime,
    *,
    apply: bool,
    s3: Callable[[], BaseClient] | None = None,
    engine: EngineName | None = None,
    on_documents: OnDocuments = lambda _: None,
    on_retired: Callable[[Retirement], None] = lambda _: None,
) -> CycleRun:
    """Condense a day, prove it, and retire the days that have left the window: the DAG's steps in one process.

    Expired days leave even if the day cannot be condensed or proven, since each of them needs its own proof. At the
    end, the history's second copy is brought up to date.

    :param now: timezone-aware; the day must have ended by then
    :param apply: delete what is proven, if the dataset allows it too; without it, only the deletions are left out
    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    :param on_retired: called with each expired day as soon as its outcome is known
    :raises Refused: the day has not ended yet
    """
    expired = list_expired(client, dataset, day, now)
    problem, verified = "", False
    try:
        proof = _condense_and_prove(client, dataset, day, engine, on_documents)
        verified, problem = proof is not None, proof.without_levels if proof else ""
    except Exception as error:  # noqa: BLE001 - whatever it is, expired days leave all the same
        problem = _told(error)
    problem = "; ".join(filter(None, [problem, *_archive_due(client, dataset, day, s3)]))
    retirements = []
    for retired in retire_expired(client, dataset, expired, day, apply=apply, s3=s3, engine=engine):
        retirements.append(retired)
        on_retired(retired)
    lots = {retired.index: _lot(retired) for retired in retirements}
    waiting = len(expired.indices) - len(retirements)
    report = report_cycle(
        client, dataset, day, verified=verified, retired=lots, wanted=expired.wanted, waiting=waiting, problem=problem
    )
    copies = copy_window(client, dataset, day, s3=s3).with_days(retired.copy for retired in retirements)
    return CycleRun(report, retirements, expired, problem, apply, copies)


def _archive_due(client: OpenSearch, dataset: Dataset, day: date, s3: Callable[[], BaseClient] | None) -> Iterator[str]:
    """Archive the days that are old enough. Yields why one could not be; it does not keep others from it."""
    if not dataset.archive or not dataset.archive.after_days:
        return
    try:
        store = (s3 or build_s3)()
        days = list(days_due(client, store, dataset, day))
    except Exception as error:  # noqa: BLE001 - whatever it is, expired days leave all the same
        yield f"No raw day was archived before it leaves the window: {_told(error)}"
        return
    for due in days:
        try:
            archive_day(client, store, dataset, prove(client, dataset, due))
        except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no other day
            yield f"{dataset.raw_index(due)} was not archived: {_told(error)}"


def _told(error: Exception) -> str:
    """A sentence about an error; that of a fault in Strata goes to the log as a whole."""
    from opensearchpy import OpenSearchException

    if not isinstance(error, (StrataError, OpenSearchException)):
        _log.error("This should not happen.", exc_info=error)
    return explain(error)


def _condense_and_prove(
    client: OpenSearch, dataset: Dataset, day: date, engine: EngineName | None, on_documents: OnDocuments
) -> Proof | None:
    """The proof of the day, which holds; None if there is nothing to condense."""
    raw = inspect_raw_day(client, dataset, day)
    if condense(client, dataset, day, engine=engine, on_documents=on_documents) is None:
        nothing_to_condense(dataset, day, raw)
        return None
    proof = prove(client, dataset, day, engine=engine)
    require_proven(proof)
    return proof


def _lot(retired: Retirement) -> str:
    if retired.outcome == "dry_run":
        return f"{WOULD_GO}: {retired.note or 'it is proven'}"
    return retired.note or retired.outcome


def nothing_to_condense(dataset: Dataset, day: date, raw: RawDay | None) -> str:
    """Describe a day without raw documents.

    :raises Refused: the dataset requires every day
    """
    finding = f"{dataset.raw_index(day)} {'is empty' if raw else 'does not exist'}"
    if dataset.raw.required_daily:
        raise Refused(
            f"{finding}, but {dataset.name!r} requires every day (raw.required_daily). Nothing was changed; check its "
            f"producers and run the day again."
        )
    return f"{finding}; there is nothing to condense."
