"""The answer to a question: its records, and the charts of them. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.ui.explore.asked import Asked, alike, stats_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    import pandas as pd
    from opensearchpy import OpenSearch

MOST_RECORDS = 20_000
"""Records of all metrics of a question; what goes beyond is left out, and said."""
MOST_LINES = 10
"""Values of a group that are drawn."""
_BOTH = {"both": ("history", "raw")}


@dataclass(frozen=True)
class Series:
    """What is drawn of one metric.

    :param unit: empty without one
    :param times: epoch seconds, ascending, each once
    :param lines: name -> a value for each time, None where there is none
    """

    metric: str
    unit: str
    times: list[float]
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Answered:
    """The answer.

    :param columns: of the table
    :param records: of the table, as the reader gave them; documents without the group are named as in the charts
    :param decimals: how many the values of a metric have, for those of which it is known
    :param series: one for each metric
    :param raw: spans that were read from raw documents, epoch seconds
    :param sources: where records came from, in words
    :param levels: whose rows were read in place of base rows
    :param notes: of the reader, and about what was left out
    """

    columns: list[str] = field(default_factory=list)
    records: list[list[Any]] = field(default_factory=list)
    decimals: Mapping[str, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    raw: list[tuple[float, float]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self, zone: str) -> dict[str, Any]:
        """What the script of the page draws.

        :param zone: IANA name of the dataset's time zone
        """
        return {
            "zone": zone,
            "raw": self.raw,
            "charts": [
                {"metric": one.metric, "unit": one.unit, "times": one.times, "lines": dict(one.lines)}
                for one in self.series
            ],
        }


def answer(client: OpenSearch, dataset: Dataset, asked: Asked) -> Answered:
    """Ask the reader: metrics of the same statistics in one question, others in one of their own.

    :param client: of the dataset's cluster
    :param asked: the question
    :raises Refused: the data does not exist, or cannot answer this
    :raises TransientError: rows or raw days changed while they were read
    """
    from opensearch_strata.reader import read_pages

    start, end = asked.span(dataset)
    parts: dict[str, Answered] = {}
    for stats, metrics in alike(dataset, asked).items():
        pages = read_pages(
            client,
            dataset,
            start,
            end,
            metrics=metrics,
            stats=stats,
            interval=asked.interval,
            by=[asked.by] if asked.by else [],
            where=dict(asked.where),
        )
        parts |= of_pages(dataset, asked, metrics, pages)
    return joined([parts[metric] for metric in asked.metrics])


def of_pages(
    dataset: Dataset, asked: Asked, metrics: Sequence[str], pages: Iterable[pd.DataFrame]
) -> dict[str, Answered]:
    """What the reader's frames say of each metric.

    :param metrics: those in the frames; all have the same statistics
    :param pages: of the reader, in order
    """
    read: dict[str, list[list[Any]]] = {metric: [] for metric in metrics}
    notes: list[str] = []
    levels: list[str] = []
    for page in pages:
        notes += [note for note in page.attrs.get("notes", []) if note not in notes]
        levels += [f"{level}" for level in page.attrs.get("levels", []) if f"{level}" not in levels]
        for metric, records in read.items():
            records += _records(dataset, asked, metric, page)[: MOST_RECORDS - len(records)]
        if all(len(records) >= MOST_RECORDS for records in read.values()):
            break
    return {metric: _of_metric(dataset, asked, metric, records, notes, levels) for metric, records in read.items()}


def _of_metric(
    dataset: Dataset,
    asked: Asked,
    metric: str,
    read: Sequence[Sequence[Any]],
    notes: Sequence[str],
    levels: list[str],
) -> Answered:
    """A metric's chart and its records in the table.

    :param read: the metric's records
    """
    notes = [*notes]
    if len(read) >= MOST_RECORDS:
        notes.append(f"Only the first {counted(MOST_RECORDS, 'record')} of {metric} are here; ask for less.")
    stats, decimals = stats_of(dataset, metric), dataset.decimals(metric)
    lines, times = _lines(read, stats, asked.by, notes)
    groups = [asked.by] if asked.by else []
    every = list(dict.fromkeys(stat for name in asked.metrics for stat in stats_of(dataset, name)))
    records = [
        [
            record[0],
            *_group(asked.by, record),
            metric,
            *_in_order(every, stats, record[1 + len(groups) : -1]),
            record[-1],
        ]
        for record in read
    ]
    return Answered(
        columns=["time", *groups, "metric", *every, "source"],
        records=records,
        decimals={} if decimals is None else {metric: decimals},
        series=[Series(metric, dataset.metrics[metric].unit or "", times, lines)],
        raw=_raw_spans(read),
        sources=sorted({one for record in read for one in _BOTH.get(record[-1], (str(record[-1]),))}),
        levels=levels,
        notes=notes,
    )


def _group(by: str, record: Sequence[Any]) -> list[Any]:
    """What a record's group is called, alone in a list; nothing where no group was asked for."""
    return [_without(by) if record[1] is None else record[1]] if by else []


def _without(by: str) -> str:
    return f"without {by}"


def _in_order(every: Sequence[str], stats: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """A metric's values in the order of the statistics of all metrics; None for those that it does not have."""
    found = dict(zip(stats, values, strict=True))
    return [found.get(stat) for stat in every]


def _records(dataset: Dataset, asked: Asked, metric: str, page: pd.DataFrame) -> list[list[Any]]:
    """Time, group, statistics and source of each record of a metric; without records that have only other metrics."""
    own = page[page[f"{metric}.count"].notna()]
    names = [*([asked.by] if asked.by else []), *(f"{metric}.{stat}" for stat in stats_of(dataset, metric)), "source"]
    columns: list[Any] = [own.index.to_pydatetime()]
    columns += [own[name].astype(object).where(own[name].notna(), None) for name in names]
    return [list(record) for record in zip(*columns, strict=True)]


def _lines(
    records: Sequence[Sequence[Any]], stats: Sequence[str], by: str, notes: list[str]
) -> tuple[dict[str, list[float | None]], list[float]]:
    """The lines, and their times. With a group, one line for each of its values: the median, else the average."""
    times = sorted({record[0].timestamp() for record in records})
    place = {time: number for number, time in enumerate(times)}
    lines: dict[str, list[float | None]] = {}
    if not by:
        for number, stat in enumerate(stats, 1):
            lines[stat] = [None] * len(times)
            for record in records:
                lines[stat][place[record[0].timestamp()]] = _number(record[number])
        return lines, times
    stat = next(one for one in ("p50", "avg", "max", "count") if one in stats)
    column, count = 2 + stats.index(stat), 2 + stats.index("count")
    documents: dict[Any, int] = {}
    for record in records:
        documents[record[1]] = documents.get(record[1], 0) + int(record[count] or 0)
    if None in documents and _without(by) in documents:
        notes.append(
            f"One value of {by} is the text '{_without(by)}'; the file and the table do not tell it from documents "
            f"without {by}. The charts do."
        )
    labels = {group: _label(stat, by, group) for group in documents}
    drawn = sorted(documents, key=lambda group: (-documents[group], labels[group]))[:MOST_LINES]
    if len(documents) > len(drawn):
        notes.append(
            f"The {len(drawn)} values with most documents are drawn, of {len(documents)}; the file and the table have "
            f"all of them."
        )
    lines = {labels[group]: [None] * len(times) for group in drawn}
    for record in records:
        if (label := labels[record[1]]) in lines:
            lines[label][place[record[0].timestamp()]] = _number(record[column])
    return lines, times


def _label(stat: str, by: str, group: Any) -> str:
    """What a line is called: one for each value, and one that no value has, for documents without the group."""
    return f"{stat} {_without(by)}" if group is None else f"{stat} of {group}"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _raw_spans(records: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    """Stretches of times that were read from raw documents, alone or with rows."""
    times = sorted({record[0].timestamp() for record in records})
    raw = {record[0].timestamp() for record in records if record[-1] != "history"}
    spans: list[tuple[float, float]] = []
    for place, time in enumerate(times):
        if time in raw:
            end = times[min(place + 1, len(times) - 1)]
            if spans and spans[-1][1] == time:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((time, end))
    return spans


def joined(parts: Sequence[Answered]) -> Answered:
    """The answers of several metrics as one; their records follow each other.

    :param parts: one for each metric, at least one
    """
    return Answered(
        columns=parts[0].columns,
        records=[record for part in parts for record in part.records],
        decimals={metric: number for part in parts for metric, number in part.decimals.items()},
        series=[one for part in parts for one in part.series],
        raw=max((part.raw for part in parts), key=lambda spans: sum(end - start for start, end in spans)),
        sources=sorted({source for part in parts for source in part.sources}),
        levels=list(dict.fromkeys(level for part in parts for level in part.levels)),
        notes=list(dict.fromkeys(note for part in parts for note in part.notes)),
    )
