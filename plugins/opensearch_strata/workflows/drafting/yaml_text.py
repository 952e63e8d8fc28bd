"""A drafted dataset as YAML, each choice with its reason next to it. Pure.

Names of indices and fields were written by others: as values they are quoted, and in comments they stay on one line.
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
    """Write the text of a dataset file; parsed as YAML, it is ``definition(choices)``."""
    return "".join(f"{line}\n" for line in _lines(choices, definition(choices)))


def _lines(choices: Choices, told: Mapping[str, Any]) -> Iterator[str]:
    observed, raw, history = choices.observed, told["raw"], told["history"]
    yield _comment(f"Drafted from {observed.index}, {counted(observed.documents, 'document')}.")
    yield "# Review it, put it with the other dataset files and run strata check. docs/datasets.md explains every key."
    yield f"name: {_quoted(told['name'])}  # the DAG is called {told['name']}_daily_cycle"
    yield f"time_zone: {_quoted(told['time_zone'])}  {_comment(_zone(choices))}"
    yield ""
    yield "raw:"
    yield f"  index: {_quoted(raw['index'])}  {_comment(f'the name of this one says {choices.daily.day}')}"
    yield f"  day_format: {_quoted(raw['day_format'])}"
    yield f"  timestamp: {_quoted(raw['timestamp'])}  {_comment(_time(choices))}"
    yield f"  window_days: {raw['window_days']}  # how many complete days stay raw"
    yield "  fields:  # types as in the mapping"
    yield from (f"    {_quoted(path)}: {kind}" for path, kind in raw["fields"].items())
    yield ""
    yield "history:"
    yield f"  index: {_quoted(history['index'])}  # one index per month"
    yield f"  month_format: {_quoted(history['month_format'])}"
    yield f"  bucket: {history['bucket']}  # one row per group and hour; must divide a day evenly"
    yield f"  group_by:  {_comment(_rows(choices))}"
    yield from (
        f"    - {_quoted(field.path)}  {_comment(counted(field.distinct, 'value'))}" for field in choices.groups
    )
    spare = {field.path: counted(field.distinct, "value") for field in choices.spare_groups}
    yield from _others("    ", "These would do, too; each makes more rows:", spare)
    yield from _others("    ", "These would not do:", choices.other_groups)
    yield ""
    yield "metrics:"
    yield "  # Remove numbers that measure nothing, such as ids. For percentiles, add this to a metric:"
    yield "  # distribution: {relative_error: 0.01}"
    yield "  # Decimals were found in a sample. Values are rounded to them; remove the key where a value may have more."
    yield from (_metric(metric) for metric in choices.metrics)
    if choices.counted:
        ((name, _),) = told["metrics"].items()
        field = _quoted(choices.counted.path)
        yield (
            f"  {_key(name)}: {{field: {field}, stats: [count], distribution: {{top_values: 10}}}}  # there is no "
            f"number to measure, so this counts the most frequent values"
        )
    yield from _others("  ", "Numbers that were not chosen:", choices.other_metrics)
    yield from _others("  ", "Fields that cannot be used as they are:", observed.left_out)
    yield ""
    yield "cycle:"
    yield f"  start_date: {told['cycle']['start_date']}  # the day of this index, with which the schedule begins"
    yield "  delete: false  # true: days that leave the window are deleted, once you confirm what a dry run shows"


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
    span = f"documents range from {choices.first:%Y-%m-%d %H:%M} to {choices.last:%Y-%m-%d %H:%M} UTC"
    if choices.is_day_of_utc:
        return f"each index holds a calendar day of this zone; {span}"
    return f"{span}, which is not {choices.daily.day} in UTC: name the zone in which it is, such as Europe/Berlin"


def _time(choices: Choices) -> str:
    without = choices.observed.documents - choices.time.documents
    told = f"{counted(without, 'document')} without it" if without else "every document has it"
    if choices.other_times:
        shown = ", ".join(repr(field.path) for field in choices.other_times[:_MOST_LISTED])
        told += f"; other dates: {shown}"
    return told


def _rows(choices: Choices) -> str:
    rows = f"at most {counted(most_rows_an_hour(choices), 'row')} an hour"
    return f"fields that tell rows apart, those with few values first; {rows}"


def _others(indent: str, title: str, others: Mapping[str, str]) -> Iterator[str]:
    """Yield comments on what was not chosen."""
    if not others:
        return
    yield f"{indent}{_comment(title)}"
    for number, (path, why) in enumerate(others.items()):
        if number == _MOST_LISTED:
            yield f"{indent}#   and {counted(len(others) - number, 'more field')}"
            return
        yield f"{indent}#   {printable(f'{path!r}: {why}')}"


def _quoted(text: str) -> str:
    """Put a text in double quotes, so that YAML reads it back unchanged."""
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6)
    return printable(quoted.rstrip("\n"))  # its escapes are valid YAML, too


def _key(name: str) -> str:
    """Return a name of letters, digits and ``_``, quoted only if YAML reads it as something else, such as ``no``."""
    return name if yaml.safe_load(name) == name else _quoted(name)


def _comment(sentence: str) -> str:
    return f"# {printable(sentence)}"
