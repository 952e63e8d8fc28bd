"""What a cycle found and did, read back from the cluster afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.consent import consent_of, request
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.verify.coverage import DayCoverage, coverage

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class CycleReport:
    """What the cycle of one day found and did.

    :param verdict: one sentence
    :param raw_bytes: store size of the raw day's primary shards; 0 if it is gone, None if not known
    :param history_bytes: the share of the day's rows in the primary shards of their month; None if not known
    :param verified: whether this cycle proved the day
    :param deleted: raw days that were deleted
    :param would_delete: raw days that a run that deletes would delete
    :param kept: raw days that have left the window but were kept -> why
    :param waiting: how many more have left the window and wait for another run
    :param uncondensed: raw days inside the window, older than the day, whose rows do not carry all of them
    :param raw_days: how many days of the window are raw, with the day itself
    :param overtaken: whether a later day is condensed, so that this does not say how the dataset stands now
    :param asks: what a person must do before anything is deleted; empty if nothing has left the window, or if what
        has left it may be deleted
    """

    day: date
    verdict: str
    raw_documents: int = 0
    rows: int = 0
    raw_bytes: int | None = 0
    history_bytes: int | None = 0
    verified: bool = False
    deleted: list[str] = field(default_factory=list)
    would_delete: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    waiting: int = 0
    uncondensed: list[str] = field(default_factory=list)
    raw_days: int = 0
    overtaken: bool = False
    asks: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the report as a small JSON object."""
        return {**asdict(self), "day": self.day.isoformat()}


WOULD_GO = "would be deleted"
"""How the outcome begins for a day that was kept only because the run was dry."""


def report_cycle(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    *,
    verified: bool,
    retired: Mapping[str, str],
    wanted: Mapping[str, str] = MappingProxyType({}),
    waiting: int = 0,
    failed: Sequence[str] = (),
    problem: str = "",
) -> CycleReport:
    """Sum up a cycle from what the cluster holds now.

    :param verified: the day's rows are proven
    :param retired: raw day that has left the window -> ``deleted``, ``gone``, :data:`WOULD_GO` and an explanation, or
        why it was kept
    :param wanted: restored raw day that has left the window -> why it stays for now
    :param waiting: how many more have left the window
    :param failed: names of tasks that failed
    :param problem: why the day could not be condensed or proven, or another one not archived, if the caller knows it
    """
    days, unknown = _days(client, dataset)
    this = days.get(day, DayCoverage(day))
    oldest = newest_expired(day, dataset.raw.window_days)
    deleted = [index for index, outcome in retired.items() if outcome in ("deleted", "gone")]
    would_delete = [index for index, outcome in retired.items() if outcome.startswith(WOULD_GO)]
    kept = {index: outcome for index, outcome in retired.items() if index not in {*deleted, *would_delete}}
    kept |= wanted
    uncondensed = [
        dataset.raw_index(found.day)
        for found in days.values()
        if oldest < found.day < day and found.place in ("raw", "differs")
    ]
    if failed:
        verdict = f"{day} FAILED in {', '.join(failed)}. Nothing was lost; look at the log of the first failed task."
    elif problem:
        verdict = (
            f"{day} is verified, but not all is well: {problem}" if verified else f"{day} is not verified: {problem}"
        )
    else:
        state = "has nothing to condense"
        if verified:
            state = f"verified, {counted(this.carried, 'document')} in {counted(this.rows, 'row')}"
        if verified and unknown:
            state = f"verified ({unknown})"
        would = f"{len(would_delete)} would be, " if would_delete else ""
        later = f", {waiting} waiting for another run" if waiting else ""
        days_deleted = f"{counted(len(deleted), 'raw day')} deleted"
        verdict = f"{day} {state}; {days_deleted}, {would}{len(kept)} kept beyond the window{later}."
    return CycleReport(
        day=day,
        verdict=verdict,
        raw_documents=this.raw_documents or 0,
        rows=this.rows,
        raw_bytes=this.raw_bytes,
        history_bytes=this.history_bytes,
        verified=verified,
        deleted=deleted,
        would_delete=would_delete,
        kept=kept,
        waiting=waiting,
        uncondensed=uncondensed,
        raw_days=sum(oldest < found.day <= day and bool(found.raw_documents) for found in days.values()),
        overtaken=any(found.rows and found.day > day for found in days.values()),
        asks=question(dataset, any_expired=bool(retired or waiting), shown=bool(retired), deleted=bool(deleted)),
    )


def question(dataset: Dataset, *, any_expired: bool, shown: bool, deleted: bool = False) -> str:
    """Ask a person for confirmation before any raw day of a dataset is deleted; empty if there is nothing to ask.

    :param any_expired: whether any raw day has left the window
    :param shown: whether the run looked at such days, so that there is a table to confirm
    :param deleted: whether the run deleted some of them before the confirmation was withdrawn
    """
    consent = consent_of(dataset)
    if consent.given or not any_expired:
        return ""
    if deleted:
        return (
            f"The confirmation of deletions was changed after this run had deleted the days that the table shows. "
            f"{consent.sentence}"
        )
    return request(dataset) if shown else consent.sentence


def _days(client: OpenSearch, dataset: Dataset) -> tuple[dict[date, DayCoverage], str]:
    """Return where each day is, and why this is unknown, if it is: another, broken index must not abort a report."""
    from opensearchpy import OpenSearchException

    try:
        return {found.day: found for found in coverage(client, dataset)}, ""
    except (StrataError, OpenSearchException) as error:
        return {}, f"its numbers, and the state of other days, could not be read: {explain(error).rstrip('.')}"
