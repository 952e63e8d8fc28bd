"""Notes of complete levels in the month index: which levels a reader may take instead of the rows of a day.

Rows of levels are in an index of their own, one for each year, and are merged from the base rows of a proven day. The
note of a day stands beside its mark, ``_meta.strata.levels.<day>`` in the month's mapping, and names the version of the
base rows that the levels were merged from. So it holds exactly as long as the mark of the very same rows does: rows
that are written anew have another version, whatever became of their levels. It is written with the levels' own
versions, after all of them were compared with the base rows; a level that it does not name is missing or incomplete.

Rows of a month cover all proven days of it. Their note, ``_meta.strata.month_levels``, names the version of all marks.
A lost note only costs time, because the base rows are read instead.

A definition may gain metrics, statistics and distributions after levels were built. So a note also says what the rows
carry: by a digest, since the days of a month are mostly alike; ``_meta.strata.level_contents.<digest>`` spells it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark, marks_in, noted_in
from opensearch_strata.history.month.noting import change_notes
from opensearch_strata.sketches.ddsketch import step_of

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

LEVEL = "metrics._level"
"""Field of a row of a level that holds the level's name; no metric can have this name, and base rows have no value."""

OF_DAYS, OF_MONTH, CONTENTS = "levels", "month_levels", "level_contents"
"""Keys in ``_meta.strata`` of a month."""

Contents = Mapping[str, Sequence[str]]
"""Metric -> what rows carry of it, such as ``sum`` or ``sketch/20``, which is a sketch of the step 20."""


@dataclass(frozen=True)
class LevelNote:
    """Which levels are complete.

    :param of: version of the base rows that they were merged from: of a day, see
        :func:`opensearch_strata.history.month.marks.rows_version`; of a month, see :func:`marks_version`
    :param versions: level -> version of its rows, as :func:`opensearch_strata.history.month.marks.rows_version` gives
        it for the index that they are in
    :param quantiles: percentages of the quantiles that the rows carry, in ascending order
    :param contents: what else they carry, see :func:`contents_of`
    """

    of: str
    versions: Mapping[str, str] = field(default_factory=dict)
    quantiles: tuple[float, ...] = ()
    contents: Contents = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The note as the mapping holds it."""
        return {
            "of": self.of,
            "versions": dict(self.versions),
            "quantiles": list(self.quantiles),
            "contents": _digest(self.contents),
        }


def contents_of(dataset: Dataset) -> dict[str, list[str]]:
    """What rows carry that are merged by a definition.

    :param dataset: as the base rows are, see :func:`opensearch_strata.history.levels.merge.definitions.as_stored`
    """
    steps = {name: f"/{step_of(error)}" for name, error in dataset.sketches.items()}
    return {
        name: sorted({*metric.stats, *(f"{leaf}{steps.get(name, '')}" for leaf in dataset.distribution_leaf(name))})
        for name, metric in dataset.metrics.items()
    }


def _digest(contents: Contents) -> str:
    text = json.dumps({name: list(leaves) for name, leaves in contents.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def quantiles_of(dataset: Dataset) -> tuple[float, ...]:
    """The quantiles that rows of levels are to carry, as notes name them."""
    return tuple(sorted(dataset.history.quantiles))


def marks_version(marks: Mapping[date, Mark]) -> str:
    """The version of all proven rows of a month, which changes whenever those of one of its days do.

    :param marks: all marks of the month
    """
    text = json.dumps(sorted((f"{day}", mark.rows_version, mark.documents) for day, mark in marks.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def complete_levels(meta: Mapping[str, Any]) -> dict[date, LevelNote]:
    """Of each marked day, the levels that were merged from the very rows that the mark names.

    They may be read wherever the rows of the day may be read by that mark. A day without a complete level is left out.
    The mark of an earlier release does not know which rows it is of; then the note alone says it.

    :param meta: ``_meta.strata`` of the month index
    """
    marks, notes = marks_in(meta), _days_in(meta)
    return {day: note for day, note in notes.items() if day in marks and marks[day].rows_version in ("", note.of)}


def complete_month(meta: Mapping[str, Any]) -> LevelNote | None:
    """The levels of a month that cover all of its marked days as they are marked; None if no such level is complete.

    They may be read in place of base rows only if all days with rows in the month are marked, and all of them are read
    from history.

    :param meta: ``_meta.strata`` of the month index
    """
    note = _note(meta.get(OF_MONTH), _spelled_in(meta))
    return note if note and note.of == marks_version(marks_in(meta)) else None


def noted(meta: Mapping[str, Any], notes: Mapping[date, LevelNote], month: LevelNote | None) -> dict[str, Any]:
    """``_meta.strata`` of a month with these notes, and no others. Pure.

    :param meta: as it is
    :param notes: of its days
    :param month: of the month as a whole; None if no level of it is complete
    """
    rest = {key: value for key, value in meta.items() if key not in (OF_DAYS, OF_MONTH, CONTENTS)}
    days = {OF_DAYS: {f"{day}": note.as_json() for day, note in sorted(notes.items())}} if notes else {}
    every = {_digest(note.contents): note.contents for note in [*notes.values(), *([month] if month else [])]}
    contents = {CONTENTS: {key: {name: list(leaves) for name, leaves in of.items()} for key, of in every.items()}}
    return {**rest, **days, **({OF_MONTH: month.as_json()} if month else {}), **(contents if every else {})}


def noted_anew(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """``_meta.strata`` of an index to which the very rows of another one were copied: levels that are complete stay so.

    :param before: of the index that they were copied from
    :param after: of the new index, with marks that speak of it
    """
    marks, month = marks_in(after), complete_month(before)
    days = {
        day: replace(note, of=marks[day].rows_version)
        for day, note in complete_levels(before).items()
        if marks[day].rows_version
    }
    return noted(after, days, month and replace(month, of=marks_version(marks)))


def forget_levels(client: OpenSearch, index: str, day: date, strata: Mapping[str, Any]) -> None:
    """Take the levels of a day, and those of its month, out of the notes, before the rows of the day are written anew.

    :param index: name of the month
    :param strata: its ``_meta.strata``
    """
    if day in complete_levels(strata) or complete_month(strata):
        note_levels(client, index, {day: LevelNote("")}, LevelNote(""))


def note_levels(
    client: OpenSearch, index: str, notes: Mapping[date, LevelNote], month: LevelNote | None = None
) -> None:
    """Note levels as complete. What is noted of other days stays.

    :param index: name of the month
    :param notes: day -> its levels; one without levels removes the note of its day
    :param month: of the levels that cover the month; one without levels removes their note; None: as before
    """

    def changed(strata: dict[str, Any]) -> dict[str, Any]:
        days = {day: note for day, note in {**complete_levels(strata), **notes}.items() if note.versions}
        whole = month or complete_month(strata)
        return noted(strata, days, whole if whole and whole.versions else None)

    change_notes(client, index, changed)


def _days_in(meta: Mapping[str, Any]) -> dict[date, LevelNote]:
    """Anyone may write to a mapping: what is not a note is left out, as if it were lost."""
    spelled = _spelled_in(meta)
    found = {day: _note(said, spelled) for day, said in noted_in(meta, OF_DAYS).items()}
    return {day: note for day, note in found.items() if note}


def _note(said: Any, spelled: Mapping[str, Contents]) -> LevelNote | None:
    """A note; None if it is not one, or if what its rows carry is lost.

    :param spelled: digest -> what it stands for
    """
    match said:
        case {"of": str() as of, "versions": Mapping() as versions, "quantiles": list() as quantiles}:
            digest = said.get("contents")
            contents = spelled.get(digest) if isinstance(digest, str) else None
            is_sound = of and versions and all(isinstance(version, str) for version in versions.values())
            if is_sound and contents is not None and all(isinstance(percent, int | float) for percent in quantiles):
                return LevelNote(of, dict(versions), tuple(quantiles), contents)
    return None


def _spelled_in(meta: Mapping[str, Any]) -> dict[str, Contents]:
    """Digest -> what it stands for, each checked once for all days; what is not what it was is left out."""
    spelled = meta.get(CONTENTS)
    found: dict[str, Contents] = {}
    for digest, contents in spelled.items() if isinstance(spelled, Mapping) else ():
        is_sound = isinstance(contents, Mapping) and all(isinstance(leaves, list) for leaves in contents.values())
        if is_sound and _digest(contents) == digest:
            found[digest] = dict(contents)
    return found
