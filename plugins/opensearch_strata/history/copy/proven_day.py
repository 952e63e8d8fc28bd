"""The rows of a day that may be copied: proven, and read as they were proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.copy.day_file import DayCopy
from opensearch_strata.history.copy.layout import RowLayout
from opensearch_strata.history.copy.reading import read_rows
from opensearch_strata.history.month.level_notes import CONTENTS, OF_DAYS, OF_MONTH
from opensearch_strata.history.month.marks import RAW_STATES, Mark, mark_of, marks_in
from opensearch_strata.history.month.rows_of_day import Carried, carried, of_day
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

OWN_NOTES = ("verified", "same_rows", RAW_STATES, OF_DAYS, OF_MONTH, CONTENTS)
"""Keys of ``_meta.strata`` that speak of the rows of one index, and say nothing of a copy."""


class NoRowsError(Refused):
    """A day has no rows that could be copied."""


def proven_rows(client: OpenSearch, dataset: Dataset, day: date) -> tuple[Carried, Mark | None]:
    """What the rows of a day carry, if they are proven: by their mark, or by reading the raw day where it is there.

    :returns: and the mark, None for a day that is held
    :raises NoRowsError: it has no rows
    :raises Refused: they are not, with the reason
    """
    there = carried(client, dataset, day)
    if not there.rows:
        raise NoRowsError(f"History has no rows of {day}.")
    mark = _mark(client, dataset, day)
    raw = inspect_raw_day(client, dataset, day)
    if raw is None or not raw.documents:
        if mark is None:
            raise Refused(f"The raw day of {day} is gone, and no proof of its rows is noted.")
        if not mark.is_of(there.documents, there.rows_version):
            raise Refused(f"The raw day of {day} is gone, and its rows are not those that were proven.")
        return there, mark
    if mark == mark_of(dataset, raw.documents, raw.uuid, there.rows_version) and there.documents == raw.documents:
        return there, mark
    return by_proof(dataset, verify(client, dataset, day))


def by_proof(dataset: Dataset, proof: Proof) -> tuple[Carried, Mark | None]:
    """See :func:`proven_rows`, of a proof that was just made.

    :raises Refused: it does not hold
    """
    if proof.raw is None or proof.state not in ("verified", "held"):
        lines = ", ".join(check.name for check in proof.failed) or proof.state
        raise Refused(f"The rows of {proof.day} are not proven: {lines}. Condense and verify the day.")
    if proof.state == "held":
        return proof.carried, None
    return proof.carried, mark_of(dataset, proof.raw.documents, proof.raw.uuid, proof.carried.rows_version)


def _mark(client: OpenSearch, dataset: Dataset, day: date) -> Mark | None:
    return marks_in(_mapping(client, dataset.month_index(day)).get("_meta", {}).get("strata", {})).get(day)


def _mapping(client: OpenSearch, index: str) -> dict[str, Any]:
    found: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]
    return found


def read_day(client: OpenSearch, dataset: Dataset, day: date, proven: Carried, mark: Mark | None) -> DayCopy:
    """The rows of a day, which must be those that were proven, before and after they are read.

    :param proven: what they carried then
    :param mark: of the proof
    :raises Refused: a row holds what no row of ours holds
    :raises TransientError: rows were written or deleted since
    """
    index = dataset.month_index(day)
    mapping = _mapping(client, index)
    meta = mapping.get("_meta", {}).get("strata", {})
    layout = RowLayout.of_month(index, mapping.get("properties", {}), meta)
    rows = read_rows(client, index, layout, of_day(dataset, day))
    if carried(client, dataset, day) != proven:
        raise TransientError(
            f"Rows of {day} in {index} were written or deleted since they were proven. Nothing was copied; run again."
        )
    kept = {key: value for key, value in meta.items() if key not in OWN_NOTES}
    noted = mark and replace(mark, rows_version="")
    return DayCopy(dataset.name, day, rows, mapping["properties"], kept, noted, index)
