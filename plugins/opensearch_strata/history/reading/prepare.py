"""What is done before a question is answered, and once it has been: what exists, what could be misread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opensearch_strata import decisive
from opensearch_strata.errors import Refused
from opensearch_strata.history.marks import marks_in
from opensearch_strata.history.raw_day import field_types
from opensearch_strata.history.reading.bodies import cut_rows_body, lacking_body
from opensearch_strata.history.reading.plan import Plan, make_plan
from opensearch_strata.history.reading.question import Question, moment_of
from opensearch_strata.history.reading.sources import find_sources

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def prepare(client: OpenSearch, question: Question) -> Plan:
    """Find where the answer is, and make sure that all of it is there.

    :raises Refused: it cannot be answered from what exists, with the reason
    """
    plan = make_plan(question, find_sources(client, question.dataset))
    if any(group not in plan.types for group in question.by):
        plan = replace(plan, types={**plan.types, **_types(client, plan.raw[-1].index)})
    _refuse_cut_buckets(client, plan)
    _refuse_lacking(client, plan)
    return plan


def lost_marks(client: OpenSearch, plan: Plan) -> list[str]:
    """Raw days that history no longer stands for, although the plan took them from it."""
    question = plan.question
    trusted = [day for day in plan.verified if day.contents.touches(question.start, question.end)]
    marks: dict[Any, Any] = {}
    for index in {question.dataset.month_index(source.day) for source in trusted}:
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        marks |= marks_in(mapping.get("_meta", {}).get("strata", {}))
    return [
        source.index
        for source in trusted
        if source.day not in marks or replace(marks[source.day], rows_version="") != plan.mark(source)
    ]


def _types(client: OpenSearch, index: str) -> dict[str, str]:
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    return dict(field_types(mapping.get("properties", {})))


def _refuse_cut_buckets(client: OpenSearch, plan: Plan) -> None:
    """A row of history cannot be cut where the span begins or ends; raw documents can, where they are still there."""
    question = plan.question
    there = [*plan.raw, *plan.verified]
    for start, end in question.partial_buckets:
        bucket = start // question.bucket * question.bucket
        spans = [(bucket, bucket + 1)]
        body = cut_rows_body(plan, spans, without=plan.ids(there))
        for month in plan.months:
            if month.contents.touches_any(spans) and _finds(client, month.index, body):
                raise Refused(_cut(question, bucket, start if start > bucket else end))


def _finds(client: OpenSearch, index: str, body: dict[str, Any]) -> bool:
    return bool(decisive.search(client, index, body)["hits"]["total"]["value"])


def _cut(question: Question, bucket: int, cut: int) -> str:
    first, last, at = (
        moment_of(ms).astimezone(question.dataset.zone).isoformat() for ms in (bucket, bucket + question.bucket, cut)
    )
    return (
        f"The rows from {first} to {last} cannot be cut at {at}: raw documents of that bucket are gone. Let the span "
        f"begin or end at {first} or {last}."
    )


def _refuse_lacking(client: OpenSearch, plan: Plan) -> None:
    """Rows that have a metric without all that is asked of it would be merged as if their values did not exist."""
    question = plan.question
    spans = [question.whole_buckets]
    if not question.leaves:
        return
    body = lacking_body(plan, spans, question.leaves, without=plan.excluded)
    for month in plan.months:
        if not month.contents.touches_any(spans) or month.meta.get("fingerprints") == [question.dataset.fingerprint]:
            continue
        found = decisive.search(client, month.index, body)["aggregations"]
        for metric in question.metrics:
            if days := [bucket["key"] for bucket in found[metric]["days"]["buckets"]]:
                raise Refused(
                    f"Rows of {', '.join(days)} in {month.index} lack the {' or the '.join(question.leaves)} of "
                    f"{metric!r}: they were condensed before the definition asked for it. Condense these days again if "
                    f"they are still raw, or ask for later days."
                )
