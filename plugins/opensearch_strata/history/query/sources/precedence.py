"""How a raw day and its rows are related, and which of the two is read. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark, mark_of
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.history.query.sources.existing import RawSource

ReadAs = Literal["raw", "verified", "joined", "history"]
"""How a raw day is read. ``raw``: it is read instead of its rows. ``verified``: its rows are read instead, except for
buckets that are cut. ``joined``: both are read, because they hold different documents of the same day. ``history``:
only its rows are read."""


@dataclass(frozen=True)
class Judged:
    """A raw day and what is read of it.

    :param why: what is not as it should be; empty if all is well
    """

    source: RawSource
    read_as: ReadAs
    why: str = ""


def is_foreign(source: RawSource, rows: DayRows | None, mark: Mark | None) -> bool:
    """Whether rows came from other indices of the same name than the existing one."""
    return source.uuid not in (origins := _origins(rows, mark)) and bool(origins)


def _origins(rows: DayRows | None, mark: Mark | None) -> Collection[str]:
    if rows is None:
        return ()
    return rows.sources or ({mark.uuid} if mark else ())


def judge(dataset: Dataset, source: RawSource, rows: DayRows | None, mark: Mark | None, *, contained: bool) -> Judged:
    """Decide what is read of a raw day. Nothing that exists is left out, and nothing is counted twice.

    :param rows: its rows; None if it has none
    :param mark: mark of its last proof, if there was one
    :param contained: whether the raw day holds everything that foreign rows carry, because it was restored or loaded
        again
    """
    found = source.contents.documents
    if rows is None or not rows.documents:
        return Judged(source, "raw", "is being loaded, so it may be incomplete" if source.loading else "")
    if not found:
        return Judged(source, "history", "is empty, so its history is read")
    if mark and _holds(dataset, mark, source, rows):
        return Judged(source, "verified")
    if is_foreign(source, rows, mark):
        return _foreign(source, rows, contained)
    if found >= rows.documents:
        return Judged(source, "raw")
    return Judged(
        source, "history", f"holds {_documents(found)}, fewer than the {rows.documents:,} that its history carries, "
        f"so its history is read",
    )  # fmt: skip


def _holds(dataset: Dataset, mark: Mark, source: RawSource, rows: DayRows) -> bool:
    """Whether a proof still applies to this raw day, this definition and these rows."""
    proven = mark_of(dataset, source.contents.documents, source.uuid, mark.rows_version)
    return mark == proven and rows.documents == mark.documents and mark.rows_version in ("", rows.version)


def _foreign(source: RawSource, rows: DayRows, contained: bool) -> Judged:
    found = source.contents.documents
    if contained and found > rows.documents:
        return Judged(
            source, "raw", f"was recreated and holds {_documents(found)}, which may include all of the "
            f"{rows.documents:,} that its history carries: only the raw day is read",
        )  # fmt: skip
    if contained:
        return Judged(source, "raw", "was recreated and holds everything that its history carries: the raw day is read")
    if not source.loaded:
        return Judged(
            source, "joined", f"was recreated: its {_documents(found)} and the {rows.documents:,} that its history "
            f"carries are added up",
        )  # fmt: skip
    fuller: ReadAs = "raw" if found > rows.documents else "history"
    return Judged(
        source, fuller, f"was recreated by a load and holds {_documents(found)}, while its history carries "
        f"{rows.documents:,}: the one with more is read ({fuller})",
    )  # fmt: skip


def _documents(number: int) -> str:
    return f"{number:,} document{'' if number == 1 else 's'}"
