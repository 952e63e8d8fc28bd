"""Marks of verified days in the month index: which raw days a reader may take from history.

A mark is a note beside the rows, ``_meta.strata.verified.<day>`` of the month's mapping. It holds as long as raw day,
number of its documents, definition and the rows themselves are those of the proof: a row that is written or deleted
makes another version of them, so that a mark that comes back from an older state of the mapping says nothing. A mark
that is lost costs time, because raw is read; so marks are never locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Mark:
    """What was proven of a day.

    :param documents: raw documents at the time of the proof
    :param uuid: of the raw index
    :param fingerprint: of the definition
    :param rows_version: of the day's rows, see :func:`rows_version`; empty in marks of before
    """

    documents: int
    uuid: str
    fingerprint: str
    rows_version: str = ""


def rows_version(month: str, rows: int, seq_no_sum: int, seq_no_max: int) -> str:
    """What changes with every row of a day that is written or deleted.

    :param month: UUID of the month index
    :param rows: of the day
    :param seq_no_sum: sum of their sequence numbers
    :param seq_no_max: the highest of them
    """
    return f"{month}/{rows}/{seq_no_sum}/{seq_no_max}"


def mark_of(dataset: Dataset, documents: int, uuid: str, rows_version: str = "") -> Mark:
    """The mark that a proof of such a raw day and such rows leaves.

    :param documents: how many the raw day has
    :param uuid: of the raw index
    :param rows_version: see :func:`rows_version`
    """
    return Mark(documents, uuid, dataset.fingerprint, rows_version)


def marks_in(meta: Mapping[str, Any]) -> dict[date, Mark]:
    """Every mark of a month.

    :param meta: ``_meta.strata`` of the month index
    """
    return {
        date.fromisoformat(day): Mark(
            mark["documents"], mark["uuid"], mark["fingerprint"], mark.get("rows_version", "")
        )
        for day, mark in meta.get("verified", {}).items()
    }


def remember(client: OpenSearch, dataset: Dataset, raw: RawDay, rows_version: str) -> None:
    """Mark a day whose proof holds.

    :param rows_version: of the rows that were proven, see :func:`rows_version`
    """
    index = dataset.month_index(raw.day)
    meta = client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
    strata = meta.get("strata", {})
    before = strata.get("verified", {})
    after = {**before, f"{raw.day}": asdict(mark_of(dataset, raw.documents, raw.uuid, rows_version))}
    if after != before:  # read, change, write: the server replaces `_meta` as a whole
        client.indices.put_mapping(index=index, body={"_meta": {**meta, "strata": {**strata, "verified": after}}})
