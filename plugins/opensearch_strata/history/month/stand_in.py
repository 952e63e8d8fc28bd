"""An index that stands in for a history month while the month is replaced by another index of the same name.

OpenSearch cannot rename an index. So a month that is imported or rewritten is built under the name of its stand-in.
From the moment its note says that it stands, readers take the rows of the month from there, whatever bears the month's
own name: the old index, nothing, or a new one whose shards are not started yet. Each change from one to the other is
one change of the cluster's state: the note, and later the deletion of the stand-in. Whoever writes rows waits until
the stand-in is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.errors import TransientError
from opensearch_strata.history.raw_day.hold import hold_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

NOTE = "strata_stand_in"
"""Key in ``_meta`` of a stand-in's mapping."""

_SUFFIX = "-stand-in"


@dataclass(frozen=True)
class StandIn:
    """What a stand-in says of itself.

    :param month: name of the month index that it is for
    :param replaces: UUID of the index that bore that name; empty if there was none
    :param stands: whether readers take its rows
    :param blocked: whether somebody had blocked writes to the month, who will find it so again
    """

    month: str
    replaces: str
    stands: bool = False
    blocked: bool = False

    def noted(self) -> dict[str, Any]:
        """The note, as an entry of ``_meta``."""
        return {NOTE: asdict(self)}


def stand_in_names(dataset: Dataset) -> IndexTemplate:
    """Names of the stand-ins of months. The wildcard of the months finds them too, and takes none for a month."""
    names = dataset.history.names
    return replace(names, template=names.template.replace("{month}", "{month}" + _SUFFIX))


def stand_in_name(dataset: Dataset, day: date) -> str:
    """Name of the stand-in of a month.

    :param day: of the month
    """
    return stand_in_names(dataset).name(day)


def stand_in_of(meta: Mapping[str, Any]) -> StandIn | None:
    """What the ``_meta`` of a mapping says of a stand-in; None if it is not one of ours.

    :param meta: a JSON object, parsed; empty where the mapping has none
    """
    note = meta.get(NOTE)
    if not isinstance(note, Mapping):
        return None
    stands, blocked = (note.get(key) is True for key in ("stands", "blocked"))
    return StandIn(str(note.get("month")), str(note.get("replaces")), stands, blocked)


def months_in(dataset: Dataset, indices: Mapping[str, Mapping[str, Any]]) -> dict[str, date]:
    """The index of each month that counts, and the first day of the month: the stand-in if it stands.

    :param indices: name -> what the server says of it, with ``mappings._meta``
    """
    months = {name: month for name in indices if (month := dataset.history.names.date_in(name))}
    for name, body in indices.items():
        note = stand_in_of(body.get("mappings", {}).get("_meta", {}))
        month = dataset.history.names.date_in(note.month) if note and note.stands else None
        if note and month and name == stand_in_name(dataset, month):
            months.pop(note.month, None)
            months[name] = month
    return months


def require_none(name: str, meta: Mapping[str, Any] | None) -> None:
    """Make sure that a month is not about to be replaced. A stand-in that a killed run left, and that does not stand,
    is no obstacle.

    :param name: of the stand-in
    :param meta: ``_meta`` of its mapping; None if there is no such index
    :raises TransientError: it stands, or its run goes on
    """
    note = stand_in_of(meta or {})
    if meta is None or note is None:
        return
    hold = hold_in(meta)
    if note.stands or (hold and not hold.over):
        raise TransientError(
            f"{note.month} is being replaced by an import or a rewrite ({name} stands in for it). Nothing was written; "
            f"try again when that is done. If it was interrupted, run the same `strata history` command again."
        )


def require_not_replaced(client: OpenSearch, dataset: Dataset, day: date) -> None:
    """See :func:`require_none`; asks the cluster.

    :param day: of the month
    :raises TransientError: the month is about to be replaced
    """
    name = stand_in_name(dataset, day)
    found = client.indices.get(index=name, params={"ignore_unavailable": "true"})
    require_none(name, found[name]["mappings"].get("_meta", {}) if name in found else None)
