"""Checks before and after a question is answered: what exists, and what could be misread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import expand
from opensearch_strata.connections.retrying import past_changes
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.month.level_notes import complete_month
from opensearch_strata.history.month.marks import same_rows_in
from opensearch_strata.history.month.stand_in import months_in
from opensearch_strata.history.query.borders import RowsOfSpan, Span, edges, midnight_in, rows_of_span
from opensearch_strata.history.query.level_choice.cover import PartOfRows
from opensearch_strata.history.query.level_choice.usable import has_others
from opensearch_strata.history.query.question import Question, moment_of
from opensearch_strata.history.query.read_plan import ReadPlan, doubtful_days, make_read_plan
from opensearch_strata.history.query.search_bodies import cut_rows_body, ends_body, lacking_body
from opensearch_strata.history.query.single_rows.fetching import single_rows
from opensearch_strata.history.query.sources.carried import DayRows, rows_of_days
from opensearch_strata.history.query.sources.containment import contains_rows
from opensearch_strata.history.query.sources.existing import find_sources, with_days
from opensearch_strata.history.query.sources.level_indices import looked_at
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def plan_read(client: OpenSearch, question: Question) -> ReadPlan:
    """Find out where the answer is, and make sure that it is complete. If an index is deleted meanwhile, look again.

    :raises Refused: the question cannot be answered from what exists; the message has the reason
    :raises TransientError: indices were deleted or created all the time
    """
    return past_changes(lambda: _plan_read(client, question), repr(question.dataset.name))


def _plan_read(client: OpenSearch, question: Question) -> ReadPlan:
    dataset = question.dataset
    sources = with_days(client, dataset, find_sources(client, dataset), *question.of_rows)
    contained = {
        source.day
        for source in doubtful_days(sources)
        if contains_rows(client, dataset, source, sources.rows[source.day], sources.month_index(dataset, source.day))
    }
    plan = make_read_plan(question, sources, contained)
    if any(group not in plan.types for group in question.by):
        plan = replace(plan, types={**plan.types, **_types(client, plan.raw[-1].index)})
    _refuse_cut_buckets(client, plan)
    _refuse_lacking(client, plan)
    return replace(plan, elsewhere=_elsewhere(client, plan))


def _elsewhere(client: OpenSearch, plan: ReadPlan) -> list[Span]:
    """If records are rows of a level: first and last bucket of the rows of each raw day that the level lacks."""
    rows, spans = single_rows(plan), list[Span]()
    if rows is None or rows.level is None:
        return spans
    question, days = plan.question, frozenset(plan.levels[rows.level])
    base_rows = PartOfRows(None, RowsOfSpan(question.of_rows, []), days)
    for month in plan.months:
        if has_others(month, days):
            found = decisive.search(client, month.index, ends_body(plan, base_rows))["aggregations"]["days"]["buckets"]
            spans += [(int(day["first"]["value"]), int(day["last"]["value"])) for day in found]
    return spans


def refuse_moved(client: OpenSearch, plan: ReadPlan) -> None:
    """Refuse what was read if it may be a mixture, because rows or raw days of the plan were recreated meanwhile.

    :raises TransientError: they were; the message names the days
    """
    if changed := _changed_levels(client, plan):
        raise TransientError(
            f"Rows of levels in {', '.join(changed)} were written while they were read, so the answer may be "
            f"incomplete. Ask again."
        )
    if not plan.trusted and not plan.raw:
        return

    def look() -> list[str]:
        return _recreated(client, plan) + _with_other_rows(client, plan)

    def looked() -> list[str]:
        return past_changes(look, repr(plan.question.dataset.name))

    # A name may go to another index between two requests of a look. Two looks hardly meet that.
    if (moved := looked()) and (moved := looked()):
        raise TransientError(
            f"{', '.join(moved)} or {'its' if len(moved) == 1 else 'their'} rows were recreated while they were read, "
            f"so the answer may be incomplete. Ask again."
        )


def _changed_levels(client: OpenSearch, plan: ReadPlan) -> list[str]:
    """Indices of levels some of whose rows that were read are not those of the notes any more."""
    dataset = plan.question.dataset
    changed = []
    for year, index in plan.level_indices.items() if plan.levels else ():
        months = [month for month in plan.months if month.month.year == year]
        now = looked_at(client, dataset, index, [month.month for month in months])
        if now is None:
            changed.append(index.name)
        elif now.stored is not None:
            notes = {day: note.versions for month in months for day, note in month.levels.items()}
            for month in months:
                if whole := complete_month(month.meta):  # beside the levels of its first day
                    notes[month.month] = {**notes.get(month.month, {}), **whole.versions}
            read = [(level, day) for level, days in plan.levels.items() for day in days if day.year == year]
            named = ((level, day.replace(day=1) if level.is_of_months else day) for level, day in read)
            if not all(now.has(dataset, level, day, notes.get(day, {}).get(level.name, "")) for level, day in named):
                changed.append(index.name)
    return changed


def _recreated(client: OpenSearch, plan: ReadPlan) -> list[str]:
    """Raw days whose name belongs to another index now."""
    found = expand(client, plan.question.dataset.raw.names.expression, "*.settings.index.uuid").indices
    uuids = {name: body["settings"]["index"]["uuid"] for name, body in found.items()}
    return [
        source.index for source in [*plan.raw, *plan.verified] if uuids.get(source.index, source.uuid) != source.uuid
    ]


def _with_other_rows(client: OpenSearch, plan: ReadPlan) -> list[str]:
    """Raw days whose rows were trusted and are not the same now, in whatever index their month is."""
    if not plan.trusted:
        return []
    dataset = plan.question.dataset
    found = expand(client, dataset.history.names.expression, "*.settings.index.uuid,*.mappings._meta").indices
    months = {month: name for name, month in months_in(dataset, found).items()}
    others: list[str] = []
    for source in plan.months:
        read = {day: rows for day, rows in plan.trusted.items() if day.replace(day=1) == source.month}
        index = months.get(source.month)
        if not read or index is None:
            others += [dataset.raw_index(day) for day in read]
            continue
        now = rows_of_days(client, dataset, index, found[index]["settings"]["index"]["uuid"], read)
        same = same_rows_in(found[index]["mappings"].get("_meta", {}).get("strata", {}))
        others += [
            dataset.raw_index(day) for day, rows in read.items() if not _are_same(rows, now.get(day), same.get(day, []))
        ]
    return others


def _are_same(read: DayRows, now: DayRows | None, versions: Sequence[str]) -> bool:
    """Whether the rows of a day are those that were read, or those of another index that they were copied to.

    :param now: None if there are none
    :param versions: of the same rows in the indices that they were copied through; the last one is the present one
    """
    if now is None or now == read:
        return now is not None
    copied = read.version in versions and now.version == versions[-1]
    return copied and replace(now, version=read.version) == read


def _types(client: OpenSearch, index: str) -> dict[str, str]:
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    return dict(field_types(mapping.get("properties", {})))


def _refuse_cut_buckets(client: OpenSearch, plan: ReadPlan) -> None:
    """Refuse a span that cuts a row of history. Raw documents can be cut where they still exist."""
    question = plan.question
    for edge in edges(question, question.start, question.end):
        if edge.cut is None:
            continue
        body = cut_rows_body(plan, edge)
        for month in plan.months:
            touched = month.contents.touches(edge.bucket, edge.bucket + 1)
            if touched and _finds(client, month.index, body):
                raise Refused(_cut(question, edge.bucket, edge.cut))


def _finds(client: OpenSearch, index: str, body: dict[str, Any]) -> bool:
    return bool(decisive.search(client, index, body)["hits"]["total"]["value"])


def _cut(question: Question, bucket: int, cut: int) -> str:
    moments = (bucket, bucket + question.bucket, cut, midnight_in(question, bucket))
    first, last, at, midnight = (
        None if ms is None else moment_of(ms).astimezone(question.dataset.zone).isoformat() for ms in moments
    )
    cures = f"{first} or {last}" if midnight is None else f"{first}, {midnight} or {last}"
    return (
        f"The rows from {first} to {last} cannot be cut at {at}: the raw documents of that bucket are gone. Let the "
        f"span begin or end at {cures}."
    )


def _refuse_lacking(client: OpenSearch, plan: ReadPlan) -> None:
    """Refuse rows that have a metric but lack a needed part of it: merging would ignore their values."""
    question = plan.question
    rows = rows_of_span(question, question.start, question.end)
    if not question.leaves or not rows.buckets:
        return
    body = lacking_body(plan, rows, question.leaves)
    for month in plan.months:
        if not month.contents.touches_any(rows.buckets) or month.meta.get("fingerprints") == [
            question.dataset.fingerprint
        ]:
            continue
        found = decisive.search(client, month.index, body)["aggregations"]
        for metric in question.metrics:
            if days := [bucket["key"] for bucket in found[metric]["days"]["buckets"]]:
                raise Refused(
                    f"Rows of {', '.join(days)} in {month.index} lack the {' or the '.join(question.leaves)} of "
                    f"{metric!r}: they were condensed before the definition asked for it. Condense these days again if "
                    f"they are still raw, or ask about later days."
                )
