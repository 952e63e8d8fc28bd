"""The panels of a dataset's dashboard in OpenSearch Dashboards, in the order in which they are shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from opensearch_strata.dashboards import vega, visualizations
from opensearch_strata.dashboards.choice import Choice, bucket_word, interval_of, peak_of, trend_of, with_unit
from opensearch_strata.dashboards.patterns import Patterns
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level

Source = Literal["raw", "history", "levels"]
Body = dict[str, Any]

COLUMNS = 48
"""Of the grid of a dashboard."""
_HALF = COLUMNS // 2


@dataclass(frozen=True)
class Panel:
    """A panel.

    :param part: what its id is made of: ``trend-dep_delay``
    :param title: shown above it, without the dataset's name
    :param state: ``type``, ``params`` and ``aggs`` of its visualization; empty for the list of raw documents
    :param reads: index expression of what it reads; empty if it reads nothing
    :param source: whose index pattern it reads that by; None if it names the indices itself
    :param level: the level whose rows it reads, if any
    :param width: in columns of the grid
    :param height: in rows of the grid
    """

    part: str
    title: str
    state: Body
    reads: str = ""
    source: Source | None = None
    level: Level | None = None
    width: int = _HALF
    height: int = 15


def panels_of(dataset: Dataset, choice: Choice, patterns: Patterns) -> Iterator[Panel]:
    """The panels of a dashboard.

    :param choice: what is drawn
    :param patterns: the expressions that specifications of Vega query
    """
    yield Panel("about", "About", visualizations.text(_about(dataset)), width=COLUMNS, height=9)
    yield _volume(dataset, choice, patterns)
    for metric in choice.metrics:
        yield from _of_metric(dataset, choice, patterns, metric)
    yield Panel("documents", "Raw documents", {}, patterns.raw, "raw", width=COLUMNS, height=20)


def _volume(dataset: Dataset, choice: Choice, patterns: Patterns) -> Panel:
    level = choice.all
    word, interval = (bucket_word(level), interval_of(level)) if level else ("day", "1d")
    state = visualizations.over_time("histogram", [], "documents", interval, dataset.time_zone)
    reads, source = _rows(patterns, level)
    return Panel("volume", f"Documents of each {word}", state, reads, source, level, COLUMNS, 10)


def _rows(patterns: Patterns, level: Level | None) -> tuple[str, Source]:
    """Where the rows of a level are, or base rows: index expression, and whose it is."""
    return (patterns.levels, "levels") if level else (patterns.history, "history")


def _of_metric(dataset: Dataset, choice: Choice, patterns: Patterns, metric: str) -> Iterator[Panel]:
    name, peak = with_unit(dataset, metric), peak_of(dataset, metric)
    has_sketch = peak.joined == "sketch"
    if level := choice.all:
        fields = trend_of(dataset, metric)
        title = f"{metric}: {', '.join(field.label for field in fields)} of each {bucket_word(level)}"
        if has_sketch:
            yield _vega(f"trend-{metric}", title, vega.trend_spec(dataset, level, patterns.levels, metric), level)
        else:
            state = visualizations.over_time("line", fields, name, interval_of(level), dataset.time_zone)
            yield Panel(f"trend-{metric}", title, state, *_rows(patterns, level), level)
    if level := choice.groups:
        title = f"{metric}: {level.group_by[0]} with the highest {peak.label}"
        if has_sketch:
            title += f" of a {'month' if level.is_of_months else 'day'}"
            yield _vega(f"highest-{metric}", title, vega.highest_spec(dataset, level, patterns.levels, metric), level)
        else:
            state = visualizations.highest(peak, level.group_by[0], name)
            yield Panel(f"highest-{metric}", title, state, *_rows(patterns, level), level)
    if level := choice.hours:
        spec = vega.hours_spec(dataset, level, patterns.levels, metric)
        yield _vega(f"hours-{metric}", f"{metric}: {peak.label} of each hour, by day and hour", spec, level)
    level = choice.merged
    index, _ = _rows(patterns, level)
    if metric in dataset.sketches:
        spec = vega.quantiles_spec(dataset, level, index, metric)
        title = f"{metric}: any quantile of each day, of whatever the filters select"
        yield _vega(f"quantiles-{metric}", title, spec, level)
    elif "sum" in dataset.metrics[metric].stats:
        spec = vega.averages_spec(dataset, level, index, metric)
        title = f"{metric}: average of each day, of whatever the filters select"
        yield _vega(f"averages-{metric}", title, spec, level)


def _vega(part: str, title: str, spec: Body, level: Level | None) -> Panel:
    return Panel(part, title, visualizations.vega(json.dumps(spec)), spec["data"]["url"]["index"], level=level)


def _about(dataset: Dataset) -> str:
    """Says nothing that others wrote, because it is read as Markdown."""
    return (
        f"Made by `strata dashboards {dataset.name}`; making it again replaces it. Days are those of "
        f"{dataset.time_zone}.\n\n"
        "- A click on a bar of the documents narrows the time range to it, and the list of **raw documents** at the "
        "end shows what is behind it, as far as raw days still exist.\n"
        "- Charts over time read rows of all documents. A filter on a group empties them; charts *of whatever "
        "the filters select* follow it, because they merge the rows of all groups.\n"
        "- Points are those of the history, so the newest is of the last day that was condensed and proven."
    )
