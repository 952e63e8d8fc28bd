"""Condenses a raw day to rows. History never gets poorer, and a source that changes meanwhile is condensed again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.carriable.preflight import require_carriable
from opensearch_strata.history.condense.engines.base import Engine, EngineRun, OnDocuments, choose_engine
from opensearch_strata.history.condense.engines.row_writer import gone_or_recreated
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.condense.engines.transform_job import condense_by_job
from opensearch_strata.history.condense.leftovers import delete_leftovers
from opensearch_strata.history.condense.replaceable import persons_word, require_contained
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.month.rows_of_day import Carried, carried, genuine_documents
from opensearch_strata.history.raw_day.hold import release_dead
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

MAX_PASSES = 3


def admit(
    client: OpenSearch, dataset: Dataset, day: date, allow_poorer: bool = False, *, redefine: bool = False
) -> RawDay | None:
    """The raw day, if condensing it cannot make history poorer; None if there is neither a raw day nor rows.

    An empty raw day without rows is returned as well. If a killed run of Strata still holds the day, it is released.

    :param allow_poorer: a person's explicit confirmation that the raw day is right and its rows are not
    :param redefine: the rows may be from a definition whose metrics had a different meaning
    :raises Refused: the raw day is gone but has rows, holds fewer documents than its rows carry, or is a different
        index from the one that they came from and does not hold everything that they carry; or it has documents that
        no row can carry
    """
    raw = inspect_raw_day(client, dataset, day)
    if raw:
        release_dead(client, raw)
        require_carriable(client, dataset, raw)
    there = carried(client, dataset, day)
    documents = raw.documents if raw else 0
    # Rows under foreign ids inflate the sum; verify deals with them, so they are not a reason to refuse.
    poorer = there.documents > documents and (not raw or genuine_documents(client, dataset, day) > documents)
    if poorer and not (raw and allow_poorer):
        raise Refused(_poorer(dataset, day, raw, there))
    if raw and raw.documents and there.sources - {raw.uuid} and not allow_poorer:
        require_contained(client, dataset, raw, there, redefine=redefine)
    return raw


def _poorer(dataset: Dataset, day: date, raw: RawDay | None, there: Carried) -> str:
    index = dataset.raw_index(day)
    has = f"{index} holds {counted(raw.documents, 'document')}" if raw else f"{index} is gone (0 documents)"
    cure = (
        f"Restore the raw day. Or, if what is left is right, {persons_word(dataset, day)}"
        if raw
        else "Restore the raw day first if its history must be rebuilt"
    )
    return (
        f"{has}, but its history in {dataset.month_index(day)} carries {counted(there.documents, 'document')} in "
        f"{counted(there.rows, 'row')}: condensing it would make history poorer. The rows were kept as they are. "
        f"{cure}."
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
    """Condense a raw day into its month; None if the day is missing or empty. Safe to repeat.

    Every condition is checked before the first row is written. Rows that the raw day no longer produces are deleted at
    the very end.

    :param engine: overrides the dataset's engine
    :param allow_poorer: see :func:`admit`
    :param redefine: the month may hold rows from a definition whose metrics had a different meaning
    :param on_documents: called with the number of documents of each step
    :raises Refused: history would become poorer, or the month belongs to another definition
    :raises TransientError: see :func:`condense_admitted`
    """
    raw = admit(client, dataset, day, allow_poorer, redefine=redefine)
    if raw is None or raw.documents == 0:
        return None
    chosen = choose_engine(client, dataset, raw, engine)
    ensure_month(client, dataset, day, raw.types, redefine=redefine)
    return condense_admitted(client, dataset, raw, chosen, on_documents)


def condense_admitted(
    client: OpenSearch, dataset: Dataset, raw: RawDay, engine: Engine, on_documents: OnDocuments
) -> EngineRun:
    """Condense a raw day that was admitted, and repeat this if the day changes meanwhile.

    :raises Refused: the raw day was deleted or recreated meanwhile
    :raises TransientError: it was still changing after three passes, or its month was deleted meanwhile
    """
    from opensearchpy import NotFoundError

    run_engine = condense_by_job if engine == "transform_job" else condense_by_search
    for _ in range(MAX_PASSES):
        try:
            run = run_engine(client, dataset, raw, on_documents)
        except NotFoundError:
            _require_there(client, dataset, raw)
            raise
        after = moved_since(client, dataset, raw, run)
        if after is None:
            return run
        raw = after
    raise TransientError(still_moving(raw))


def moved_since(client: OpenSearch, dataset: Dataset, raw: RawDay, run: EngineRun) -> RawDay | None:
    """None if a pass saw the day as it is now and its rows exist; otherwise the current day, to be condensed again.

    Rows that the day no longer produces are deleted: only now is it certain that other rows carry their documents.

    :param raw: the raw day as it was inspected before the pass
    :raises Refused: the raw day was deleted or recreated meanwhile
    :raises TransientError: the rows that were written are missing
    """
    now = _require_there(client, dataset, raw)
    if not raw.documents == now.documents == run.documents or raw.sequence != now.sequence:
        return now
    there = carried(client, dataset, raw.day)
    if there.documents < run.documents:
        raise TransientError(
            f"The rows of {raw.index} carry {there.documents:,} of its {counted(run.documents, 'document')} right "
            f"after they were written: {dataset.month_index(raw.day)} was deleted or changed meanwhile. The raw day "
            f"was kept; run again."
        )
    if (there.rows, there.documents) != (run.rows, run.documents):
        delete_leftovers(client, dataset, raw)
    return None


def _require_there(client: OpenSearch, dataset: Dataset, raw: RawDay) -> RawDay:
    """The raw day as it is now, if it is still the index that was condensed."""
    now = inspect_raw_day(client, dataset, raw.day)
    if now is None or now.uuid != raw.uuid:
        raise Refused(gone_or_recreated(raw))
    return now


def still_moving(raw: RawDay) -> str:
    """Sentence for a source that never stopped changing."""
    return (
        f"{raw.index} was still changing after {MAX_PASSES} passes (now {counted(raw.documents, 'document')}), so its "
        f"rows are incomplete. Run it again when its producers are done. (Documents with a _doc_count of their own, "
        f"which count more than once, would look the same.)"
    )
