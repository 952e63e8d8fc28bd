"""A drafted dataset as YAML, each choice with the reason beside it. Pure.

Names of indices and fields are others' text: as values they are quoted, in comments they are one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.printable import printable
from opensearch_strata.workflows.drafting.choose import Choices, ChosenMetric, definition, most_rows_an_hour

_MOST_LISTED = 20


def written(choices: Choices) -> str:
    """The text of a dataset file; read as YAML it is ``definition(choices)``."""
    return "".join(f"{line}\n" for line in _lines(choices, definition(choices)))


def _lines(choices: Choices, told: Mapping[str, Any]) -> Iterator[str]:
    observed, raw, history = choices.observed, told["raw"], told["history"]
    yield _comment(f"Drafted from {observed.index}, {counted(observed.documents, 'document')}.")
    yield "# Look through it, put it among the dataset files, run strata check. docs/datasets.md explains every key."
    yield f"name: {_quoted(told['name'])}  # the DAG is called {told['name']}_daily_cycle"
    yield f"time_zone: {_quoted(told['time_zone'])}  {_comment(_zone(choices))}"
    yield ""
    yield "raw:"
    yield f"  index: {_quoted(raw['index'])}  {_comment(f'{choices.daily.day} stands in the name of this one')}"
    yield f"  day_format: {_quoted(raw['day_format'])}"
    yield f"  timestamp: {_quoted(raw['timestamp'])}  {_comment(_time(choices))}"
    yield f"  window_days: {raw['window_days']}  # so many complete days stay raw"
    yield "  fields:  # types as the mapping has them"
    yield from (f"    {_quoted(path)}: {kind}" for path, kind in raw["fields"].items())
    yield ""
    yield "history:"
    yield f"  index: {_quoted(history['index'])}  # one index a month"
    yield f"  month_format: {_quoted(history['month_format'])}"
    yield f"  bucket: {history['bucket']}  # a row for each group and hour; divides a day"
    yield f"  group_by:  {_comment(_rows(choices))}"
    yield from (
        f"    - {_quoted(field.path)}  {_comment(counted(field.distinct, 'value'))}" for field in choices.groups
    )
    spare = {field.path: counted(field.distinct, "value") for field in choices.spare_groups}
    yield from _others("    ", "These would do as well; each makes more rows:", spare)
    yield from _others("    ", "These would not:", choices.other_groups)
    yield ""
    yield "metrics:"
    yield "  # Remove what measures nothing, such as numbers that are names. For percentiles, add to a metric:"
    yield "  # distribution: {relative_error: 0.01}"
    yield "  # Decimals are those of a sample. Values are rounded to them; remove the key where a value may have more."
    yield from (_metric(metric) for metric in choices.metrics)
    if choices.counted:
        ((name, _),) = told["metrics"].items()
        field = _quoted(choices.counted.path)
        yield (
            f"  {_key(name)}: {{field: {field}, stats: [count], distribution: {{top_values: 10}}}}  # no number "
            f"to measure is there: how often each of the most frequent values occurred"
        )
    yield from _others("  ", "Not taken, though they are numbers:", choices.other_metrics)
    yield from _others("  ", "No search sees these as they are:", observed.left_out)
    yield ""
    yield "cycle:"
    yield f"  start_date: {told['cycle']['start_date']}  # the day of this index; the schedule begins with it"
    yield "  delete: false  # true, once you confirmed what a dry run shows: days that leave the window are deleted"


def _metric(metric: ChosenMetric) -> str:
    field, decimals = metric.field, "" if metric.decimals is None else f"decimals: {metric.decimals}, "
    return (
        f"  {_key(metric.name)}: {{field: {_quoted(field.path)}, {decimals}stats: [min, max, sum, count, avg]}}  "
        f"{_comment(_of_metric(metric))}"
    )


def _of_metric(metric: ChosenMetric) -> str:
    field = metric.field
    told = f"{field.kind}, {field.first:g} to {field.last:g}" if field.first is not None else field.kind
    if field.decimals is None:
        return told
    return f"{told}; up to {counted(field.decimals, 'decimal')} in {counted(field.looked_at, 'value')}"


def _zone(choices: Choices) -> str:
    span = f"documents are of {choices.first:%Y-%m-%d %H:%M} to {choices.last:%Y-%m-%d %H:%M} UTC"
    if choices.is_day_of_utc:
        return f"whose calendar days the indices hold; {span}"
    return f"{span}, which is not {choices.daily.day} in UTC: name the zone where it is, like Europe/Berlin"


def _time(choices: Choices) -> str:
    without = choices.observed.documents - choices.time.documents
    told = f"{counted(without, 'document')} without it" if without else "every document has it"
    if choices.other_times:
        shown = ", ".join(repr(field.path) for field in choices.other_times[:_MOST_LISTED])
        told += f"; other dates: {shown}"
    return told


def _rows(choices: Choices) -> str:
    rows = f"at most {counted(most_rows_an_hour(choices), 'row')} an hour"
    return f"what rows are told apart by, fields of few values first; {rows}"


def _others(indent: str, title: str, others: Mapping[str, str]) -> Iterator[str]:
    """Comments on what was not taken."""
    if not others:
        return
    yield f"{indent}{_comment(title)}"
    for number, (path, why) in enumerate(others.items()):
        if number == _MOST_LISTED:
            yield f"{indent}#   and {counted(len(others) - number, 'more field')}"
            return
        yield f"{indent}#   {printable(f'{path!r}: {why}')}"


def _quoted(text: str) -> str:
    """A text in double quotes, as YAML reads it back to the letter."""
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6)
    return printable(quoted.rstrip("\n"))  # whose escapes are YAML's own


def _key(name: str) -> str:
    """A name of letters, digits and ``_``: bare, unless YAML takes it for another thing, such as ``no``."""
    return name if yaml.safe_load(name) == name else _quoted(name)


def _comment(sentence: str) -> str:
    return f"# {printable(sentence)}"
