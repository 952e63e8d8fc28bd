"""What a raw day and its rows are to one another, and which of the two is read. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark, mark_of
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.history.query.sources.existing import RawSource

Standing = Literal["raw", "verified", "joined", "history"]
"""Of a raw day: ``raw`` is read instead of its rows; ``verified`` rows are read instead of it, except for buckets that
are cut; ``joined``, they are different documents of one day and both are read; ``history`` alone is read."""


@dataclass(frozen=True)
class Judged:
    """A raw day and what is read of it.

    :param why: why it is not as it should be; empty if it is
    """

    source: RawSource
    standing: Standing
    why: str = ""


def is_foreign(source: RawSource, rows: DayRows | None, mark: Mark | None) -> bool:
    """Whether rows came from other indices of that name than the one that is there."""
    return source.uuid not in (origins := _origins(rows, mark)) and bool(origins)


def _origins(rows: DayRows | None, mark: Mark | None) -> Collection[str]:
    if rows is None:
        return ()
    return rows.sources or ({mark.uuid} if mark else ())


def judge(dataset: Dataset, source: RawSource, rows: DayRows | None, mark: Mark | None, *, contained: bool) -> Judged:
    """Decide what is read of a raw day. Nothing that is there is left out, and nothing counted twice.

    :param rows: None if it has none
    :param mark: of its last proof, if there was one
    :param contained: whether the raw day holds all that foreign rows carry: it was restored, or loaded again
    """
    found = source.contents.documents
    if rows is None or not rows.documents:
        return Judged(source, "raw", "is being loaded: what is read of it may not be all" if source.loading else "")
    if not found:
        return Judged(source, "history", "is empty, and its history is read")
    if mark and _holds(dataset, mark, source, rows):
        return Judged(source, "verified")
    if is_foreign(source, rows, mark):
        return _foreign(source, rows, contained)
    if found >= rows.documents:
        return Judged(source, "raw")
    return Judged(
        source, "history", f"holds {_documents(found)}, fewer than the {rows.documents:,} that its history carries, "
        f"which is read",
    )  # fmt: skip


def _holds(dataset: Dataset, mark: Mark, source: RawSource, rows: DayRows) -> bool:
    """Whether a proof still speaks of this raw day, this definition and these rows."""
    proven = mark_of(dataset, source.contents.documents, source.uuid, mark.rows_version)
    return mark == proven and rows.documents == mark.documents and mark.rows_version in ("", rows.version)


def _foreign(source: RawSource, rows: DayRows, contained: bool) -> Judged:
    found = source.contents.documents
    if contained and found > rows.documents:
        return Judged(
            source, "raw", f"was made anew and holds {_documents(found)}, which may include all of the "
            f"{rows.documents:,} that its history carries: the raw day alone is read",
        )  # fmt: skip
    if contained:
        return Judged(source, "raw", "was made anew and holds all that its history carries: the raw day is read")
    if not source.loaded:
        return Judged(
            source, "joined", f"was made anew: its {_documents(found)} and the {rows.documents:,} that its history "
            f"carries are added up",
        )  # fmt: skip
    fuller: Standing = "raw" if found > rows.documents else "history"
    return Judged(
        source, fuller, f"was made anew by a load and holds {_documents(found)}, its history carries "
        f"{rows.documents:,}: the one with more is read ({fuller})",
    )  # fmt: skip


def _documents(number: int) -> str:
    return f"{number:,} document{'' if number == 1 else 's'}"
