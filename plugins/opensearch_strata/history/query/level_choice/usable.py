"""Which levels answer a question, and for which raw days each of them may be read. Pure: decides from what exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta

from opensearch_strata.definition.levels import Level
from opensearch_strata.history.month.level_notes import Contents, LevelNote, complete_month
from opensearch_strata.history.month.marks import marks_in, parts_of_version
from opensearch_strata.history.query.intervals import days_cut_buckets
from opensearch_strata.history.query.level_choice.cover import answers
from opensearch_strata.history.query.question import Question, moment_of
from opensearch_strata.history.query.sources.existing import MonthSource
from opensearch_strata.history.query.sources.level_indices import LevelIndex

_DAY = timedelta(days=1)


def usable_levels(
    question: Question,
    months: Iterable[MonthSource],
    indices: Mapping[int, LevelIndex],
    not_from_rows: Collection[date],
    verified: Collection[date],
    steps: Mapping[str, int],
) -> dict[Level, dict[date, int]]:
    """Levels that answer a question -> the raw days that may be read from them, with the number of rows of each day.

    The level with the fewest rows a day comes first.

    :param months: the months that the question touches
    :param indices: year -> index with the rows of levels
    :param not_from_rows: raw days that are read from raw documents
    :param verified: raw days whose documents are read where a midnight cuts a bucket of base rows
    :param steps: metric -> step of the sketches to merge; empty if no percentile is wanted
    """
    bucket = question.dataset.history.bucket_length
    is_cut = days_cut_buckets(question.dataset, moment_of(question.start), moment_of(question.end))
    found: dict[Level, dict[date, int]] = {}
    for level in question.dataset.levels:
        is_longer = level.length != bucket
        # Midnights may cut buckets, because rows know their raw day; other borders may not.
        if not answers(question, level) or (is_cut and is_longer and level.length not in (None, _DAY)):
            continue
        without = {*not_from_rows, *(verified if is_cut and is_longer else ())}
        days: dict[date, int] = {}
        for month in months:
            if index := indices.get(month.month.year):
                days |= _days_of(question, level, month, index, without, steps)
        if days:
            found[level] = days
    return dict(sorted(found.items(), key=lambda item: sum(item[1].values()) / len(item[1])))


def _days_of(
    question: Question,
    level: Level,
    month: MonthSource,
    index: LevelIndex,
    without: Collection[date],
    steps: Mapping[str, int],
) -> dict[date, int]:
    days = month.days
    if days is None or _has_other_registers(question, month):
        return {}
    if not level.is_of_months:
        noted = [(day, note) for day, note in month.levels.items() if _carries(question, note.contents, steps)]
        proven = {day: note for day, note in noted if day not in without and _are_of(month, day, note.of)}
        return {day: rows for day, note in proven.items() if (rows := _rows(question, level, day, note, index))}
    marked, whole = marks_in(month.meta), complete_month(month.meta)
    if whole is None or not _carries(question, whole.contents, steps):
        return {}
    if days.foreign or not days.documents.keys() <= marked.keys():
        return {}
    if any(day in without or not _are_of(month, day, mark.rows_version) for day, mark in marked.items()):
        return {}
    rows = _rows(question, level, month.month, whole, index)
    return dict.fromkeys(marked, -(-rows // len(marked))) if rows else {}


def _carries(question: Question, contents: Contents, steps: Mapping[str, int]) -> bool:
    """Whether rows have what a question needs of each metric; sketches must be mergeable to the step of the answer."""
    for metric in question.metrics:
        leaves = dict(leaf.partition("/")[::2] for leaf in contents.get(metric, ()))
        if metric not in contents or not {*question.leaves} <= leaves.keys():
            return False
        if metric in steps and not _divides(leaves["sketch"], steps[metric]):
            return False
    return True


def _divides(text: str, step: int) -> bool:
    return text.isdecimal() and int(text) > 0 and step % int(text) == 0


def _has_other_registers(question: Question, month: MonthSource) -> bool:
    """Whether registers of another precision are in a month: rows of levels have none then, and base rows are read."""
    if "distinct" not in question.stats:
        return False
    own = question.dataset.distinct
    stated = {name: month.meta.get("metrics", {}).get(name, {}).get("distinct_errors") for name in question.metrics}
    return any(name in own and errors != [own[name]] for name, errors in stated.items())


def _rows(question: Question, level: Level, day: date, note: LevelNote, index: LevelIndex) -> int:
    """How many rows of a level a day or month has; 0 if they are not there as noted."""
    version = note.versions.get(level.name, "")
    parts = parts_of_version(version)
    return parts.rows if parts and index.has(question.dataset, level, day, version) else 0


def _are_of(month: MonthSource, day: date, version: str) -> bool:
    """Whether the base rows of a marked day are still those that its levels were merged from."""
    if month.days is None or month.days.as_marked:
        return month.days is not None
    rows = month.days.rows.get(day)
    return rows is not None and rows.version == version


def has_others(month: MonthSource, days: Collection[date]) -> bool:
    """Whether a month has, or may have, rows of other raw days than these."""
    return month.days is None or month.days.foreign or not month.days.documents.keys() <= set(days)
