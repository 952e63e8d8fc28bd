"""Which source answers which part of a question. Pure: decided from what exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from opensearch_strata.dataset import Dataset, Distribution
from opensearch_strata.days import day_of
from opensearch_strata.errors import Refused
from opensearch_strata.history.marks import Mark, mark_of, marks_in
from opensearch_strata.history.reading.question import Question, moment_of
from opensearch_strata.history.reading.sources import Contents, MonthSource, RawSource, Sources
from opensearch_strata.history.sketch import VERSION, step_of


@dataclass(frozen=True)
class Plan:
    """Where the answer comes from. Each raw day is read from one of the two sources, whatever the time of its events.

    :param raw: days to read from raw: they are there and not verified
    :param verified: days that are raw, but read from history, for whole buckets
    :param months: history months; rows of the days in ``raw`` are left out
    :param steps: metric -> step of the sketches to merge; empty if no percentile is asked for
    :param types: field path -> mapping type, of groups
    """

    question: Question
    raw: Sequence[RawSource]
    verified: Sequence[RawSource]
    months: Sequence[MonthSource]
    steps: Mapping[str, int]
    types: Mapping[str, str]

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset as the scripts must see it: the metrics asked for, with sketches of the steps to merge."""
        metrics = {}
        for name in self.question.metrics:
            metrics[name] = self.question.dataset.metrics[name]
            if name in self.question.dataset.top_values:
                continue
            step = self.steps.get(name)
            distribution = Distribution(relative_error=step / 1000) if step else None
            stats = [stat for stat in metrics[name].stats if stat in ("count", *self.question.leaves)]
            metrics[name] = metrics[name].model_copy(update={"distribution": distribution, "stats": stats})
        return self.question.dataset.model_copy(update={"metrics": metrics})

    @property
    def ends(self) -> tuple[int, int]:
        """Earliest and latest event of all, epoch milliseconds."""
        return _ends([*self.raw, *self.verified, *self.months])

    @property
    def excluded(self) -> list[str]:
        """Transform ids of the days that are read from raw."""
        return self.ids(self.raw)

    def ids(self, days: Iterable[RawSource]) -> list[str]:
        """Transform ids of raw days, by which rows know theirs."""
        return [self.question.dataset.transform_id(source.day) for source in days]

    def mark(self, source: RawSource) -> Mark:
        """The mark that says that history stands for a raw day as it was found."""
        return mark_of(self.question.dataset, source.contents.documents, source.uuid)


def make_plan(question: Question, sources: Sources) -> Plan:
    """Decide where each raw day is read from.

    :raises Refused: nothing of the span is known, an index that may hold a part of it cannot be read, or its sketches
        cannot be merged
    """
    _refuse_unreadable(question, sources)
    _refuse_unknown(question, sources)
    found = {day: mark for month in sources.months for day, mark in marks_in(month.meta).items()}
    marks = {day: replace(mark, rows_version="") for day, mark in found.items()}
    there = [source for source in sources.raw if source.contents.documents]
    dataset = question.dataset
    verified = [s for s in there if marks.get(s.day) == mark_of(dataset, s.contents.documents, s.uuid)]
    raw = [source for source in there if source not in verified]
    months = [month for month in sources.months if month.contents.touches(question.start, question.end)]
    for month in months:
        _refuse_foreign(question, month)
    types = {**dataset.raw.fields, **{field: kind for month in months for field, kind in month.types.items()}}
    return Plan(question, raw, verified, months, _steps(question, months), types)


def _refuse_unreadable(question: Question, sources: Sources) -> None:
    """Late events of the span may lie in any raw day from its first one on."""
    first = day_of(moment_of(question.start), question.dataset.zone)
    for day, sentence in sources.unreadable:
        if day >= first:
            raise Refused(f"{sentence} It may hold events from {first} on.")


def _refuse_unknown(question: Question, sources: Sources) -> None:
    dataset = question.dataset
    first, last = _ends([*sources.raw, *sources.months])
    if first > last:
        raise Refused(
            f"Nothing is known of {dataset.name!r} yet: there is no event in {dataset.raw.index} nor in "
            f"{dataset.history.index}."
        )
    if not Contents(0, first, last).touches(question.start, question.end):
        raise Refused(
            f"Nothing is known of {dataset.name!r} from {_local(question, question.start)} to "
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
            f"ask for other months."
        )
    for key, wanted in (("dataset", dataset.name), ("bucket", dataset.history.bucket), ("sketch_version", VERSION)):
        if month.meta.get(key) != wanted:
            raise Refused(
                f"{month.index} holds rows of {key} {month.meta.get(key)!r}, the definition of {dataset.name!r} says "
                f"{wanted!r}; they cannot be read by it. Ask for other months, or undo the change."
            )
    for group in (*question.by, *question.where):
        if group not in month.meta["group_by"]:
            raise Refused(
                f"Rows of {month.index} are not grouped by {group!r}: they were condensed before the definition asked "
                f"for it. Ask for other months, or without it."
            )


def _steps(question: Question, months: Sequence[MonthSource]) -> dict[str, int]:
    """Metric -> the coarsest step of its sketches; raw days are condensed at it."""
    steps = {}
    for metric in question.metrics if question.quantiles else ():
        stated = {month.index: _relative_errors(month, metric) for month in months}
        found = {step_of(error) for errors in stated.values() for error in errors}
        step = max(found, default=step_of(question.dataset.sketches[metric]))
        if any(step % other for other in found):
            listed = "; ".join(f"{index}: {', '.join(map(str, errors))}" for index, errors in stated.items() if errors)
            raise Refused(
                f"The sketches of {metric!r} cannot be merged: the largest of their relative errors is no multiple of "
                f"the others ({listed}). Ask for these months one by one, or for min, max, sum, count and avg."
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
