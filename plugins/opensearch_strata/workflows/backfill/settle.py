"""What becomes of raw days that were loaded from archives: kept, condensed, or condensed and dropped again.

This uses the services of the daily cycle and follows their rules: history never gets poorer, and nothing is deleted
without its proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from opensearch_strata.definition.days import day_of, newest_complete, newest_expired, require_complete
from opensearch_strata.definition.loading.post_load import Then
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.workflows.cycle import archived_first, nothing_to_condense, require_proven
from opensearch_strata.workflows.history_copy.cycle_copies import Copies, copy_proven
from opensearch_strata.workflows.retention import retire

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset


@dataclass(frozen=True)
class DayOutcome:
    """What became of one raw day.

    :param outcome: ``condensed``: proven and still present; ``dropped``: proven and deleted, now or earlier;
        ``nothing``: there are no documents to condense; ``failed``: the day is unchanged, and ``note`` says why
    :param documents: number of documents of the raw day, as proven
    :param rows: number of history rows that carry them
    :param note: a sentence, or empty; why the history's second copy could not be written, if it could not
    """

    day: date
    outcome: Literal["condensed", "dropped", "nothing", "failed"]
    documents: int = 0
    rows: int = 0
    note: str = ""


def settle_day(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    then: Then,
    now: datetime,
    s3: Callable[[], BaseClient] | None = None,
) -> DayOutcome:
    """Condense a day, prove it, and drop it if ``then`` says so and the day has left the window. Safe to repeat.

    If the dataset has an archive, the history's second copy is written too, before the day is dropped.

    :param now: a time with its zone
    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    :raises Refused: the day is not over, history would become poorer, the proof does not hold, or retention keeps it
    :raises TransientError: the raw day is still being written to
    :raises ValueError: ``then`` is ``keep``
    """
    if then == "keep":
        raise ValueError("days that are kept are not settled")
    require_complete(day, now, dataset.zone)
    raw = inspect_raw_day(client, dataset, day)
    if raw is None:
        return _without_raw(client, dataset, day)
    if condense(client, dataset, day) is None:
        return DayOutcome(day, "nothing", note=nothing_to_condense(dataset, day, raw))
    proof = prove(client, dataset, day)
    proven = require_proven(proof)
    uncopied = Copies(dataset.name).with_days([copy_proven(client, dataset, proof, s3)]).problem
    uncopied = " ".join(filter(None, [uncopied, proof.without_levels]))
    newest = newest_complete(now, dataset.zone)
    if then == "condense":
        return DayOutcome(day, "condensed", proven.documents, proof.rows, uncopied)
    if day > newest_expired(newest, dataset.raw.window_days):
        window = f"the window of {dataset.raw.window_days} days that ends with {newest}"
        note = f"{proven.index} is inside {window}, so it stays raw. {uncopied}"
        return DayOutcome(day, "condensed", proven.documents, proof.rows, note.rstrip())
    retire(client, dataset, proven, newest, dry_run=False, archive=archived_first(client, dataset, proof, s3))
    # The ledger keeps its rows about the day: another run may still prove them, and a plan sees that the day is gone.
    return DayOutcome(day, "dropped", proven.documents, proof.rows, uncopied)


def _without_raw(client: OpenSearch, dataset: Dataset, day: date) -> DayOutcome:
    """The outcome for a missing raw day: dropped by an earlier attempt or the daily cycle, or never loaded."""
    rows = carried(client, dataset, day)
    index = dataset.raw_index(day)
    if not rows.rows:
        return DayOutcome(day, "nothing", note=f"{index} does not exist: the archive has no events for it.")
    kept = f"{counted(rows.documents, 'document')} in {counted(rows.rows, 'row')}"
    note = f"{index} was deleted earlier; history carries its {kept}."
    return DayOutcome(day, "dropped", rows.documents, rows.rows, note)


def settle_days(
    client: OpenSearch, dataset: Dataset, days: Iterable[date], then: Then, now: datetime
) -> Iterator[DayOutcome]:
    """Settle each day in turn; one that fails does not stop the others.

    :param days: in the order in which they are settled
    """
    from opensearchpy import OpenSearchException

    for day in days:
        try:
            yield settle_day(client, dataset, day, then, now)
        except (StrataError, OpenSearchException) as error:
            yield DayOutcome(day, "failed", note=explain(error))


def require_settleable(dataset: Dataset, last: date, then: Then, now: datetime) -> None:
    """Refuse to start a backfill that could not be settled: days that are not over cannot be condensed.

    :param last: newest day of the backfill
    :param now: a time with its zone
    :raises Refused: a day is not over, or is in the future; the message names the newest day that can be used
    """
    if then != "keep":
        require_complete(last, now, dataset.zone)
    elif last > (today := day_of(now, dataset.zone)):
        raise Refused(f"{last} is in the future; nothing was done. The newest day is {today}, in {dataset.time_zone}.")
