"""What a person who asks has to know about an answer, one sentence for each note. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from opensearch_strata.definition.days import day_of
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.month.marks import marks_in
from opensearch_strata.history.query.intervals import borders_notes
from opensearch_strata.history.query.question import Question, moment_of
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.history.query.sources.existing import Contents, Sources
from opensearch_strata.history.query.sources.precedence import Judged

_NAMED = 3  # how many days a note lists individually


def notes_of(question: Question, sources: Sources, judged: Sequence[Judged]) -> list[str]:
    """Sentences about anything in an answer that is not as it should be, or not as it seems.

    :param judged: every raw day and what is read of it
    """
    notes = [*_at_odds(question, sources, judged), *_incomplete(question, sources, judged)]
    if any(month.contents.touches(*question.of_rows) for month in sources.months):
        start, end = moment_of(question.start), moment_of(question.end)
        notes += borders_notes(question.dataset, question.interval, start, end)
    return notes


def _at_odds(question: Question, sources: Sources, judged: Sequence[Judged]) -> Iterator[str]:
    """Raw days that are not what their rows came from."""
    odd = [
        one
        for one in judged
        if one.why
        and (
            one.source.contents.touches(question.start, question.end)
            or _touches(question, sources.rows.get(one.source.day))
        )
    ]
    yield from (f"{one.source.index} {one.why}." for one in odd[:_NAMED])
    if more := odd[_NAMED:]:
        span = f"{more[0].source.day} to {more[-1].source.day}"
        yield f"History is at odds with {counted(len(more), 'more raw day')}, {span}."


def _incomplete(question: Question, sources: Sources, judged: Sequence[Judged]) -> Iterator[str]:
    """Days that have only history, which may be incomplete."""
    first, last = (day_of(moment_of(ms), question.dataset.zone) for ms in (question.start, question.end - 1))
    there = {one.source.day for one in judged} | {day for day, _ in sources.unreadable}
    unproven = []
    for month in sources.months:
        if month.days is None:
            continue
        marks = marks_in(month.meta)
        for day in sorted((month.days.documents.keys() | marks.keys()) - there):
            carried = month.days.documents.get(day, 0)
            if day not in marks:
                unproven += [day] if _touches(question, month.days.rows.get(day)) else []
            elif carried < marks[day].documents and first <= day <= last:
                yield (
                    f"The history of {day} carries {carried:,} of {counted(marks[day].documents, 'proven document')}, "
                    f"and its raw day is gone."
                )
    if unproven:
        gone = "its raw day is" if len(unproven) == 1 else "their raw days are"
        yield (f"No proof is recorded that the history of {_listed(unproven)} is complete, and {gone} gone.")


def _touches(question: Question, rows: DayRows | None) -> bool:
    if rows is None:
        return False
    return Contents(1, rows.first, rows.last).touches(*question.of_rows)


def _listed(days: Sequence[date]) -> str:
    named = ", ".join(f"{day}" for day in days[:_NAMED])
    return named if len(days) <= _NAMED else f"{named} and {counted(len(days) - _NAMED, 'more day')}"
