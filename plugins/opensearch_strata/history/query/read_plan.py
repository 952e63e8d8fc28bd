"""Which source answers which part of a question. Pure: decides from what exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_of
from opensearch_strata.definition.levels import Level
from opensearch_strata.definition.sections.metric import Distribution
from opensearch_strata.errors import Refused
from opensearch_strata.history.query.borders import Span
from opensearch_strata.history.query.level_choice.cover import PartOfRows, parts_of
from opensearch_strata.history.query.level_choice.usable import has_others, usable_levels
from opensearch_strata.history.query.notes import notes_of
from opensearch_strata.history.query.question import Question, moment_of
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.history.query.sources.existing import Contents, MonthSource, RawSource, Sources
from opensearch_strata.history.query.sources.level_indices import LevelIndex
from opensearch_strata.history.query.sources.precedence import is_foreign, judge
from opensearch_strata.sketches.ddsketch import VERSION, step_of


@dataclass(frozen=True)
class ReadPlan:
    """Where the answer comes from.

    Each raw day is read from one of the two sources, whatever the time of its events, or from both if they hold
    different documents.

    :param raw: days to read from raw
    :param verified: days that are still raw, but are read from history for whole buckets
    :param joined: days among ``raw`` whose rows are read as well
    :param months: history months; rows of days in ``raw`` that are not joined are left out
    :param steps: metric -> step of the sketches to merge; empty if no percentile is wanted
    :param types: field path -> mapping type, for the groups
    :param trusted: rows that are read instead of a raw day or together with it, as they were found; no other rows may
        be read in their place
    :param notes: what the person who asks has to know about the answer, one sentence for each note
    :param levels: levels that answer the question -> the raw days that may be read from them and how many rows each
        has; the level with the fewest rows a day comes first
    :param level_indices: year -> index with its rows of levels
    :param elsewhere: if records are rows of the first level: spans of the rows of raw days that it lacks
    """

    question: Question
    raw: Sequence[RawSource]
    verified: Sequence[RawSource]
    months: Sequence[MonthSource]
    steps: Mapping[str, int]
    types: Mapping[str, str]
    joined: Collection[date] = frozenset()
    trusted: Mapping[date, DayRows] = field(default_factory=dict)
    notes: Sequence[str] = ()
    levels: Mapping[Level, Mapping[date, int]] = field(default_factory=dict)
    level_indices: Mapping[int, LevelIndex] = field(default_factory=dict)
    elsewhere: Sequence[Span] = ()

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset as the scripts must see it: only the wanted metrics, with sketches of the steps to merge."""
        metrics = {}
        for name in self.question.metrics:
            metrics[name] = self.question.dataset.metrics[name]
            if name in self.question.dataset.counted:
                continue
            step = self.steps.get(name)
            distribution = Distribution(relative_error=step / 1000) if step else None
            stats = [stat for stat in metrics[name].stats if stat in ("count", *self.question.leaves)]
            metrics[name] = metrics[name].model_copy(update={"distribution": distribution, "stats": stats})
        return self.question.dataset.model_copy(update={"metrics": metrics})

    @property
    def distinct_errors(self) -> dict[str, float]:
        """Metric -> standard error of its distinct counts: the largest of those that its registers may have."""
        own = self.question.dataset.distinct
        found = {name: [own[name]] for name in self.question.metrics if name in own}
        for name, errors in found.items():
            for month in self.months:
                errors += month.meta.get("metrics", {}).get(name, {}).get("distinct_errors", [])
        return {name: max(errors) for name, errors in found.items()}

    @property
    def ends(self) -> tuple[int, int]:
        """Start of the earliest event's bucket and end of the latest event's bucket, epoch milliseconds."""
        first, last = _ends([*self.raw, *self.verified, *self.months])
        bucket = self.question.bucket
        return first // bucket * bucket, last // bucket * bucket + bucket - 1

    @property
    def excluded(self) -> list[str]:
        """Transform ids of the days that are read from raw instead of their rows."""
        return self._ids(source for source in self.raw if source.day not in self.joined)

    @property
    def cut_from_raw(self) -> list[str]:
        """Transform ids of the days whose part of a cut bucket is read from raw documents."""
        return [*self.excluded, *self._ids(self.verified)]

    def parts(self, start: int, end: int) -> list[PartOfRows]:
        """The rows of history that count for a span, in parts that are found by one query each.

        :param start: a border of records, or the start of the question; epoch milliseconds
        :param end: the same at the other end, exclusive
        """
        return list(parts_of(self.question, self.levels, start, end))

    def indices_of(self, part: PartOfRows) -> list[str]:
        """The indices that may hold rows of a part."""
        if part.level:
            years = {day.year for day in part.days}
            return [index.name for year, index in self.level_indices.items() if year in years]
        there = (month for month in self.months if month.contents.touches_any(part.rows.buckets))
        return [month.index for month in there if not part.days or has_others(month, part.days)]

    def _ids(self, days: Iterable[RawSource]) -> list[str]:
        return [self.question.dataset.transform_id(source.day) for source in days]


def doubtful_days(sources: Sources) -> list[RawSource]:
    """Raw days that may be recreations of those that foreign rows came from, so that the two must be compared."""
    days = []
    for source in sources.raw:
        rows, mark = sources.rows.get(source.day), sources.marks.get(source.day)
        if rows and is_foreign(source, rows, mark) and source.contents.documents >= rows.documents:
            days.append(source)
    return days


def make_read_plan(question: Question, sources: Sources, contained: Collection[date] = frozenset()) -> ReadPlan:
    """Decide from where each raw day is read.

    :param contained: those of the doubtful days, see :func:`doubtful_days`, that hold everything that their rows carry
    :raises Refused: nothing is known about the span, an index that may hold a part of it cannot be read, or its
        sketches cannot be merged
    """
    _refuse_unreadable(question, sources)
    _refuse_unknown(question, sources)
    dataset = question.dataset
    judged = [
        judge(dataset, source, sources.rows.get(source.day), sources.marks.get(source.day),
              contained=source.day in contained)
        for source in sources.raw
    ]  # fmt: skip
    months = [month for month in sources.months if month.contents.touches(*question.of_rows)]
    for month in months:
        _refuse_foreign(question, month)
    types = {**dataset.raw.fields, **{field: kind for month in months for field, kind in month.types.items()}}
    verified = [one.source for one in judged if one.read_as == "verified"]
    from_raw, from_both = ({one.source.day for one in judged if one.read_as == how} for how in ("raw", "verified"))
    steps = _steps(question, months)
    return ReadPlan(
        question=question,
        raw=[one.source for one in judged if one.read_as in ("raw", "joined") and one.source.contents.documents],
        verified=verified,
        months=months,
        steps=steps,
        types=types,
        joined=frozenset(one.source.day for one in judged if one.read_as == "joined"),
        trusted={one.source.day: sources.rows[one.source.day] for one in judged if one.read_as != "raw"},
        notes=notes_of(question, sources, judged),
        levels=usable_levels(question, months, sources.levels, from_raw, from_both, steps),
        level_indices=sources.levels,
    )


def _refuse_unreadable(question: Question, sources: Sources) -> None:
    """Refuse unreadable indices: late events of the span may lie in any raw day from its first day on."""
    first = day_of(moment_of(question.start), question.dataset.zone)
    for day, sentence in sources.unreadable:
        if day >= first:
            raise Refused(f"{sentence} It may hold events from {first} on.")


def _refuse_unknown(question: Question, sources: Sources) -> None:
    dataset = question.dataset
    first, last = _ends([*sources.raw, *sources.months])
    if first > last:
        raise Refused(
            f"Nothing is known about {dataset.name!r} yet: there is no event in {dataset.raw.index} or in "
            f"{dataset.history.index}."
        )
    if not Contents(0, first, last).touches(*question.of_rows):
        raise Refused(
            f"Nothing is known about {dataset.name!r} from {_local(question, question.start)} to "
            f"{_local(question, question.end)}. Its events are from {_local(question, first)} to "
            f"{_local(question, last)}; {_extent(sources)}."
        )


def _extent(sources: Sources) -> str:
    raw = [f"{source.day}" for source in sources.raw]
    months = [f"{source.month:%Y-%m}" for source in sources.months]
    return " and ".join(
        f"its {what} are {found[0]} to {found[-1]}" if found else f"it has no {what}"
        for what, found in (("raw days", raw), ("months of history", months))
    )


def _local(question: Question, ms: int) -> str:
    moment: datetime = moment_of(ms).astimezone(question.dataset.zone)
    return moment.isoformat(" ", "minutes")


def _refuse_foreign(question: Question, month: MonthSource) -> None:
    dataset = question.dataset
    if not month.meta:
        raise Refused(
            f"{month.index} was not created by Strata (no _meta.strata), so its rows cannot be read. Move it away, or "
            f"ask about other months."
        )
    for key, wanted in (("dataset", dataset.name), ("bucket", dataset.history.bucket), ("sketch_version", VERSION)):
        if month.meta.get(key) != wanted:
            raise Refused(
                f"{month.index} holds rows with {key} {month.meta.get(key)!r}, but the definition of {dataset.name!r} "
                f"has {wanted!r}, so they cannot be read. Ask about other months, or undo the change."
            )
    for group in (*question.by, *question.where):
        if group not in month.meta["group_by"]:
            raise Refused(
                f"Rows of {month.index} are not grouped by {group!r}: they were condensed before the definition asked "
                f"for it. Ask about other months, or leave the group out."
            )


def _steps(question: Question, months: Sequence[MonthSource]) -> dict[str, int]:
    """Metric -> the coarsest step of its sketches, at which raw days are condensed as well."""
    steps = {}
    for metric in question.metrics if question.quantiles else ():
        stated = {month.index: _relative_errors(month, metric) for month in months}
        found = {step_of(error) for errors in stated.values() for error in errors}
        step = max(found, default=step_of(question.dataset.sketches[metric]))
        if any(step % other for other in found):
            listed = "; ".join(f"{index}: {', '.join(map(str, errors))}" for index, errors in stated.items() if errors)
            raise Refused(
                f"The sketches of {metric!r} cannot be merged: the largest of their relative errors is not a multiple "
                f"of the others ({listed}). Ask about these months one by one, or for min, max, sum, count and avg."
            )
        steps[metric] = step
    return steps


def _relative_errors(month: MonthSource, metric: str) -> list[float]:
    errors: list[float] = month.meta.get("metrics", {}).get(metric, {}).get("relative_errors", [])
    return errors


def _ends(sources: Sequence[RawSource | MonthSource]) -> tuple[int, int]:
    """Earliest and latest event; crossed if there is none."""
    firsts = [source.contents.first for source in sources if source.contents.first is not None]
    lasts = [source.contents.last for source in sources if source.contents.last is not None]
    return min(firsts, default=1), max(lasts, default=0)
