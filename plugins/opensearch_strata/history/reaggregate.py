"""History after a change of the definition: rows rebuilt from the raw days that still exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.definition.days import days_between
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Outcome = Literal["rebuilt", "raw is gone", "nothing there", "kept as it was"]


@dataclass(frozen=True)
class Rebuilt:
    """The outcome of one day.

    :param outcome: ``rebuilt``: and proven; ``raw is gone``: its rows stay as the older definition made them;
        ``nothing there``: there is neither a raw day nor rows; ``kept as it was``: for the reason in ``note``
    :param documents: documents of the raw day, or those that its old rows carry
    """

    day: date
    outcome: Outcome
    documents: int = 0
    rows: int = 0
    note: str = ""


def reaggregate(
    client: OpenSearch,
    dataset: Dataset,
    first: date,
    last: date,
    *,
    engine: EngineName | None = None,
) -> Iterator[Rebuilt]:
    """Condense and prove every day of a span again, into the months that hold its rows.

    Rows are overwritten under their own ids, so readers find each row at any time, old or new. A day that fails is kept
    as it was and never holds up the others.

    :param first: first day, inclusive
    :param last: last day, inclusive
    :raises Refused: the span is empty
    """
    from opensearchpy import OpenSearchException

    if last < first:
        raise Refused(f"The span from {first} to {last} is empty; let it end on its first day or later.")
    for day in days_between(first, last):
        try:
            yield _rebuild(client, dataset, day, engine)
        except (StrataError, OpenSearchException) as error:
            yield Rebuilt(day, "kept as it was", note=explain(error))


def _rebuild(client: OpenSearch, dataset: Dataset, day: date, engine: EngineName | None) -> Rebuilt:
    raw = inspect_raw_day(client, dataset, day)
    if raw is None or not raw.documents:
        return _without_raw(client, dataset, day, raw)
    condense(client, dataset, day, engine=engine, redefine=True)
    proof = prove(client, dataset, day, engine=engine)
    if proof.state != "verified":
        lines = ", ".join(check.name for check in proof.failed)
        return Rebuilt(day, "kept as it was", raw.documents, proof.rows, f"not proven: {lines or proof.state}")
    return Rebuilt(day, "rebuilt", raw.documents, proof.rows, proof.without_levels)


def _without_raw(client: OpenSearch, dataset: Dataset, day: date, raw: RawDay | None) -> Rebuilt:
    there = carried(client, dataset, day)
    if there.rows:
        empty = "" if raw is None else f"{raw.index} is empty"
        return Rebuilt(day, "raw is gone", there.documents, there.rows, empty)
    return Rebuilt(day, "nothing there")
