"""Archives of raw days as tables. Values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors.amounts import size
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from opensearch_strata.archive.export.day import ArchiveCheck
    from opensearch_strata.workflows.archives import ArchiveState


def archive_table(dataset: str, days: Iterable[Mapping[str, Any]]) -> Table:
    """What became of days, or would.

    :param dataset: its name
    :param days: ``{"day", "outcome", "documents"?, "objects"?, "bytes"?, "stored_bytes"?, "note"?}`` of each
    """
    rows = [
        (
            str(one["day"]),
            one["outcome"],
            one.get("documents", ""),
            one.get("objects", ""),
            size(one["bytes"]) if "bytes" in one else "",
            size(one["stored_bytes"]) if "stored_bytes" in one else "",
        )
        for one in days
    ]
    return Table(f"Archives of {dataset}", ("day", "outcome", "documents", "objects", "lines", "in S3"), rows)


def states_table(dataset: str, states: Sequence[ArchiveState], *, deep: bool = False) -> Table:
    """What is archived of each day.

    :param dataset: its name
    :param states: oldest first
    :param deep: whether every object was read
    """
    fine = "as proven: read again" if deep else "as proven: ETags and sizes"
    rows = [
        (
            str(state.day),
            state.documents,
            state.objects,
            size(state.stored_bytes),
            state.generation,
            f"{state.proven_at:%Y-%m-%d %H:%M}" if state.proven_at else "",
            state.problem or fine,
        )
        for state in states
    ]
    columns = ("day", "documents", "objects", "in S3", "generation", "proven", "state")
    return Table(f"Archives of {dataset}", columns, rows)


def archive_proof_table(index: str, checks: Sequence[ArchiveCheck]) -> Table:
    """The proof of an archive.

    :param index: the raw day
    :param checks: its lines
    """
    rows = [(one.name, one.raw, one.archive, "ok" if one.holds else "DIFFERS") for one in checks]
    return Table(f"{index} and its archive", ("", "index", "archive", ""), rows)
