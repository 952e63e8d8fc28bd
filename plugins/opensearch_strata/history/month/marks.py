"""Marks of verified days in the month index: which raw days a reader may take from history.

A mark is a note that accompanies the rows, ``_meta.strata.verified.<day>`` in the month's mapping. It is valid as long
as the raw day, its number of documents, the definition and the rows are those of the proof. Every row that is written
or deleted changes the version of the rows, so a mark that comes back from an older state of the mapping is not valid. A
lost mark only costs time, because raw is read instead; so marks are never locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.connections.decisive.states import count_of_index
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.noting import change_notes
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


RAW_STATES = "raw_states"
"""Key in ``_meta.strata`` of a month: the state of each raw day after its proof."""

_MARKED = ("documents", "uuid", "fingerprint", "rows_version")


@dataclass(frozen=True)
class Mark:
    """What was proven about a day.

    :param documents: how many raw documents there were at the time of the proof
    :param uuid: UUID of the raw index
    :param fingerprint: fingerprint of the definition
    :param rows_version: version of the day's rows, see :func:`rows_version`; empty in marks of earlier releases
    """

    documents: int
    uuid: str
    fingerprint: str
    rows_version: str = ""

    def is_of(self, documents: int, rows_version: str) -> bool:
        """Whether these are the very rows that were proven.

        :param documents: that the rows stand for
        :param rows_version: of the rows, see :func:`rows_version`
        """
        return (self.documents, self.rows_version) == (documents, rows_version)


def rows_version(month: str, rows: int, seq_no_sum: int, seq_no_max: int) -> str:
    """The version of a day's rows, which changes whenever one of them is written or deleted.

    :param month: UUID of the month index
    :param rows: how many rows the day has
    :param seq_no_sum: sum of their sequence numbers
    :param seq_no_max: highest of their sequence numbers
    """
    return f"{month}/{rows}/{seq_no_sum}/{seq_no_max}"


class VersionParts(NamedTuple):
    """What a version of rows was made of, see :func:`rows_version`."""

    uuid: str
    rows: int
    seq_no_sum: int
    newest: int


@lru_cache(4096)
def parts_of_version(version: str) -> VersionParts | None:
    """The parts of a version of rows; None if it has none, as in marks of earlier releases.

    :param version: see :func:`rows_version`
    """
    uuid, *numbers = version.split("/")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    return VersionParts(uuid, *map(int, numbers))


def mark_of(dataset: Dataset, documents: int, uuid: str, rows_version: str = "") -> Mark:
    """The mark that a proof of this raw day and these rows would leave.

    :param documents: how many documents the raw day has
    :param uuid: UUID of the raw index
    :param rows_version: see :func:`rows_version`
    """
    return Mark(documents, uuid, dataset.fingerprint, rows_version)


def marks_in(meta: Mapping[str, Any]) -> dict[date, Mark]:
    """All marks of a month. Anyone may write to a mapping: what is not a mark is left out, as if it were lost.

    :param meta: ``_meta.strata`` of the month index
    """
    found = {}
    for day, mark in noted_in(meta, "verified").items():
        said = [mark.get(key, "") for key in _MARKED] if isinstance(mark, Mapping) else []
        match said:
            case [int() as documents, str() as uuid, str() as fingerprint, str() as version]:
                found[day] = Mark(documents, uuid, fingerprint, version)
    return found


def same_rows_in(meta: Mapping[str, Any]) -> dict[date, list[str]]:
    """Of each day of a month that was rewritten: versions of its rows in the indices that it was copied through.

    All of them are of the very same rows; the last one is of this index. What is not a list of versions is left out.

    :param meta: ``_meta.strata`` of the month index
    """
    return {
        day: list(versions)
        for day, versions in noted_in(meta, "same_rows").items()
        if isinstance(versions, list) and versions and all(isinstance(version, str) for version in versions)
    }


def noted_in(meta: Mapping[str, Any], name: str) -> dict[date, Any]:
    """Day -> what a month notes of it under a name.

    :param meta: ``_meta.strata`` of the month index
    :param name: its key there
    """
    noted = meta.get(name)
    found = {}
    for day, said in noted.items() if isinstance(noted, Mapping) else ():
        with suppress(ValueError):
            found[date.fromisoformat(day)] = said
    return found


def raw_states_in(meta: Mapping[str, Any]) -> dict[date, Removals]:
    """Of each marked day, the state of its raw index after the proof; what is not a state is left out.

    :param meta: ``_meta.strata`` of the month index
    """
    found = {}
    for day, said in noted_in(meta, RAW_STATES).items():
        match said:
            case [str() as uuid, int() as removed, str() as history, int() as operations]:
                found[day] = Removals(uuid, removed, history, operations)
            case [str() as uuid, int() as removed, str() as history]:  # of an earlier release
                found[day] = Removals(uuid, removed, history)
    return found


def remember(client: OpenSearch, dataset: Dataset, raw: RawDay, rows_version: str) -> None:
    """Mark a day whose proof holds, and note the state of its raw index.

    The state is read after the proof. So whatever was created before it, and is unbroken in it, was there during the
    proof; also when the raw day is long gone.

    :param rows_version: version of the rows that were proven, see :func:`rows_version`
    :raises TransientError: the state of the raw day cannot be read right now
    """
    state = count_of_index(client, raw.index)
    day = f"{raw.day}"

    def marked(strata: dict[str, Any]) -> dict[str, Any]:
        marks = {f"{one}": asdict(mark) for one, mark in marks_in(strata).items()}
        states = {f"{one}": list(noted) for one, noted in raw_states_in(strata).items() if f"{one}" != day}
        marks[day] = asdict(mark_of(dataset, raw.documents, raw.uuid, rows_version))
        if state and (state.uuid, state.documents) == (raw.uuid, raw.documents):
            states[day] = list(state.removals)
        return {**strata, "verified": marks, RAW_STATES: dict(sorted(states.items()))}

    change_notes(client, dataset.month_index(raw.day), marked)
