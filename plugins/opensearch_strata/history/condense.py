"""Raw day -> rows. History never gets poorer, and a source that moves meanwhile is condensed again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.engines.run import Engine, EngineRun, OnDocuments, choose_engine
from opensearch_strata.history.engines.search import condense_by_search
from opensearch_strata.history.engines.transform_job import condense_by_job
from opensearch_strata.history.month import ensure_month
from opensearch_strata.history.raw_day import (
    RawDay,
    fields_with_several_values,
    inspect_raw_day,
)
from opensearch_strata.history.stored_rows import Carried, carried, delete_rows, genuine_documents

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

MAX_PASSES = 3


def admit(client: OpenSearch, dataset: Dataset, day: date, allow_poorer: bool = False) -> RawDay | None:
    """The raw day, if condensing it cannot make history poorer; None if there is neither raw day nor rows.

    An empty raw day without rows is returned as it is.

    :param allow_poorer: a person's explicit word that the raw day is right and its rows are not; they are deleted
    :raises Refused: the raw day is gone or holds fewer documents than its rows carry, or has documents that no row
        can carry
    """
    raw = inspect_raw_day(client, dataset, day)
    if raw and (fields := fields_with_several_values(client, dataset, raw)):
        raise Refused(
            f"{raw.index} has documents with several values of {', '.join(fields)}, by which {dataset.name!r} makes "
            f"rows: such a document would count once for each. Nothing was written. Let its producers send one "
            f"value, or group by another field."
        )
    there = carried(client, dataset, day)
    documents = raw.documents if raw else 0
    if there.documents <= documents:
        return raw
    # Rows under foreign ids inflate the sum; they are verify's affair, not a reason to refuse.
    if raw and genuine_documents(client, dataset, day) <= documents:
        return raw
    if not (raw and allow_poorer):
        raise Refused(_poorer(dataset, day, raw, there))
    delete_rows(client, dataset, day)
    return raw


def _poorer(dataset: Dataset, day: date, raw: RawDay | None, there: Carried) -> str:
    index = dataset.raw_index(day)
    has = f"{index} holds {raw.documents} documents" if raw else f"{index} is gone (0 documents)"
    cure = (
        "Restore the raw day, or condense again with allow_poorer if what is left is the truth"
        if raw
        else "Restore the raw day first if its history must be made again"
    )
    return (
        f"{has}, but its {there.rows} rows in {dataset.month_index(day)} carry {there.documents} documents: "
        f"condensing it would make history poorer. The rows were kept as they are. {cure}."
    )


def condense(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    *,
    engine: EngineName | None = None,
    allow_poorer: bool = False,
    redefine: bool = False,
    on_documents: OnDocuments = lambda _: None,
) -> EngineRun | None:
    """Condense a raw day into its month; None if it is missing or empty. Safe to repeat.

    :param engine: overrides the dataset's engine
    :param redefine: the month may hold rows by a definition whose metrics meant something else
    :param on_documents: called with the number of documents of each step
    :raises Refused: history would become poorer
    :raises TransientError: the raw day was still moving after three passes
    """
    raw = admit(client, dataset, day, allow_poorer)
    if raw is None or raw.documents == 0:
        return None
    ensure_month(client, dataset, day, raw.types, redefine=redefine)
    return condense_admitted(client, dataset, raw, choose_engine(client, dataset, raw, engine), on_documents)


def condense_admitted(
    client: OpenSearch, dataset: Dataset, raw: RawDay, engine: Engine, on_documents: OnDocuments
) -> EngineRun:
    """Condense a raw day that was admitted, as often as it moves meanwhile.

    :raises TransientError: it was still moving after three passes
    """
    run_engine = condense_by_job if engine == "transform_job" else condense_by_search
    for _ in range(MAX_PASSES):
        run = run_engine(client, dataset, raw, on_documents)
        after = settled(client, raw, run)
        if after is None:
            decisive.refresh(client, dataset.month_index(raw.day))  # whoever asks next sees the rows
            return run
        raw = after
    raise TransientError(still_moving(raw))


def settled(client: OpenSearch, raw: RawDay, run: EngineRun) -> RawDay | None:
    """None if a pass saw the day as it is now, else the day with its new count, to be condensed again."""
    after = decisive.count(client, raw.index)
    if raw.documents == after == run.documents:
        return None
    return RawDay(raw.index, raw.day, raw.uuid, after, raw.types, raw.blocked)


def still_moving(raw: RawDay) -> str:
    """Sentence for a source that never stood still."""
    return (
        f"{raw.index} did not come to rest in {MAX_PASSES} passes (now {raw.documents} documents); its rows are "
        f"not complete. Run it again when its producers are done. (Documents with a _doc_count of their own, which "
        f"count more than once, would look the same.)"
    )
