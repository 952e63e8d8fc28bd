"""A question in the address of a page, and the same question for the shell and for Python. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.errors import Refused
from opensearch_strata.history.query.intervals import Interval

PERCENTILES = ("p50", "p90", "p99")
MOST_METRICS = 4
INTERVALS = ("15m", "30m", "1h", "3h", "6h", "12h", "1d", "1M")
"""What the form offers, as far as the buckets of a dataset allow it."""

_USUAL_DAYS = 30
_MOST_DAYS = 366 * 50
_FIRST_YEAR, _LAST_YEAR = 1900, 2199  # of days that can be asked for; arithmetic has room beyond them
_FINEST = ((3, "1h"), (45, "6h"), (1500, "1d"))
"""Days of a span -> the interval that is chosen for it; months for longer ones."""


@dataclass(frozen=True)
class Asked:
    """What somebody wants to see.

    :param metrics: at most :data:`MOST_METRICS`, each drawn by itself
    :param first: first day
    :param last: last day, inclusive
    :param interval: length of a record, such as ``6h``
    :param by: the group whose values are drawn as lines; empty for bands over all of them
    :param where: group -> the value that is wanted
    """

    metrics: tuple[str, ...]
    first: date
    last: date
    interval: str
    by: str = ""
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The query of the page's address that asks this."""
        where = [(f"where.{group}", value) for group, value in self.where.items()]
        asked = [*(("metric", name) for name in self.metrics), ("from", f"{self.first}"), ("to", f"{self.last}")]
        return urlencode([*asked, ("interval", self.interval), ("by", self.by), *where])

    def span(self, dataset: Dataset) -> tuple[datetime, datetime]:
        """Start, and exclusive end.

        :param dataset: whose time zone the days are of
        """
        return day_bounds(self.first, dataset.zone)[0], day_bounds(self.last, dataset.zone)[1]


def asked_of(dataset: Dataset, given: Sequence[tuple[str, str]], newest: date) -> Asked:
    """Read a question from an address; what is left out is chosen.

    :param given: names and values as in the address, in order
    :param newest: the newest day of the dataset
    :raises Refused: a part of it cannot be read; the sentence says which
    """
    values: dict[str, list[str]] = {}
    for name, value in given:
        told = value if name.startswith("where.") else value.strip()  # the value of a group may begin with a space
        if told:
            values.setdefault(name, []).append(told)
    known = drawable(dataset)
    if not known:
        raise Refused(f"No metric of {dataset.name!r} is a number, so there is nothing to draw. Use strata query.")
    metrics = tuple(dict.fromkeys(values.get("metric", known[:1])))
    for name in metrics:
        if name not in known:
            raise Refused(f"{dataset.name!r} has no metric {name!r} that can be drawn; it has {', '.join(known)}.")
    if len(metrics) > MOST_METRICS:
        raise Refused(f"At most {MOST_METRICS} metrics are drawn at once; {len(metrics)} were asked for.")
    last = _day(values, "to") or newest
    first = _day(values, "from") or last - timedelta(days=_USUAL_DAYS - 1)
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise Refused(f"{first} to {last} is no span; From comes before To, and 50 years are enough.")
    groups = dataset.history.group_by
    by = values.get("by", [""])[-1]
    where = {name.removeprefix("where."): value[-1] for name, value in values.items() if name.startswith("where.")}
    for group in [*([by] if by else []), *where]:
        if group not in groups:
            raise Refused(f"Rows of {dataset.name!r} are not grouped by {group!r}, but by {', '.join(groups)}.")
    interval = values.get("interval", [usual_interval(dataset, first, last)])[-1]
    return Asked(metrics, first, last, interval, by, where)


def _day(values: Mapping[str, Sequence[str]], name: str) -> date | None:
    if name not in values:
        return None
    try:
        day = date.fromisoformat(values[name][-1])
    except ValueError:
        raise Refused(f"{values[name][-1]!r} is not a day; write it like 2013-03-02.") from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise Refused(f"{day} is no day of the years {_FIRST_YEAR} to {_LAST_YEAR}.")
    return day


def drawable(dataset: Dataset) -> list[str]:
    """The metrics that are numbers, in their order."""
    return [name for name in dataset.metrics if name not in dataset.counted]


def undrawn(dataset: Dataset) -> list[str]:
    """The metrics that are no numbers, each with what it counts and with the statistic that reads it."""
    kinds = {
        **dict.fromkeys(dataset.top_values, "most frequent values, --stat top"),
        **dict.fromkeys(dataset.distinct, "different values, --stat distinct"),
    }
    return [f"{name} ({kinds[name]})" for name in dataset.metrics if name in kinds]


def stats_of(dataset: Dataset, metric: str) -> list[str]:
    """What is drawn of a metric: percentiles where it has them, and whichever its rows keep of the rest.

    :param metric: its name in the definition
    """
    kept = dataset.metrics[metric].stats
    percentiles = PERCENTILES if metric in dataset.sketches else ()
    average = ["avg"] if "sum" in kept else []
    return [*percentiles, *(stat for stat in ("min", "max") if stat in kept), *average, "count"]


def intervals_of(dataset: Dataset, first: date, last: date) -> list[str]:
    """The intervals of :data:`INTERVALS` whose borders do not cut the buckets of rows, the shortest first.

    :param first: first day of the span, in which the zone's offset from UTC may change
    :param last: last day
    """
    start, end = day_bounds(first, dataset.zone)[0], day_bounds(last, dataset.zone)[1]
    possible = []
    for text in INTERVALS:
        with suppress(Refused):
            Interval.parse(text).check(dataset, start, end)
            possible.append(text)
    return possible


def usual_interval(dataset: Dataset, first: date, last: date) -> str:
    """An interval that makes some hundred records of a span.

    :param first: first day
    :param last: last day
    """
    days = (last - first).days + 1
    wanted = next((text for most, text in _FINEST if days <= most), "1M")
    possible = intervals_of(dataset, first, last)
    return wanted if wanted in possible else next(text for text in possible if INTERVALS.index(text) >= 4)


def alike(dataset: Dataset, asked: Asked) -> dict[tuple[str, ...], list[str]]:
    """The metrics of a question by their statistics: those of the same are asked for together.

    :param asked: on a page
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for metric in asked.metrics:
        found.setdefault(tuple(stats_of(dataset, metric)), []).append(metric)
    return found


def shell_lines(dataset: Dataset, asked: Asked) -> list[str]:
    """The lines of the shell that ask the same: one for the metrics of the same statistics.

    :param asked: on a page
    """
    if any("\0" in value for value in asked.where.values()):
        return ["# No command can be given the character NUL, which is in a value; the call in Python can."]
    lines = []
    for stats, metrics in alike(dataset, asked).items():
        words = ["strata", "query", dataset.name, "--from", f"{asked.first}", "--to", f"{asked.last}"]
        words += ["--interval", asked.interval, "--metric", ",".join(metrics), "--stat", ",".join(stats)]
        words += ["--by", asked.by] if asked.by else []
        words += [word for group, value in asked.where.items() for word in ("--where", f"{group}={value}")]
        lines.append(" ".join(map(_quoted, words)))
    return lines


def _quoted(word: str) -> str:
    """A word for the shell; characters that control or cannot be seen are written as bytes of UTF-8, as bash does."""
    if word.isprintable():
        return shlex.quote(word)
    escapes = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    shown = [escapes.get(one) or (one if one.isprintable() else _bytes(one)) for one in word]
    return f"$'{''.join(shown)}'"


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def python_lines(dataset: Dataset, asked: Asked) -> list[str]:
    """The calls in Python that ask the same, line by line: one for the metrics of the same statistics.

    :param asked: on a page
    """
    days = (asked.first, asked.last + timedelta(days=1))
    start, end = (f"datetime({day.year}, {day.month}, {day.day}, tzinfo=dataset.zone)" for day in days)
    lines: list[str] = []
    for number, (stats, metrics) in enumerate(alike(dataset, asked).items(), 1):
        lines += [
            f"frame{number if number > 1 else ''} = read(",
            "    client,  # an opensearchpy.OpenSearch",
            f"    dataset,  # load_definitions(datasets_dir()).get({dataset.name!r})",
            f"    start={start},",
            f"    end={end},",
            f"    metrics={metrics!r},",
            f"    stats={list(stats)!r},",
            f"    interval={asked.interval!r},",
            *([f"    by={[asked.by]!r},"] if asked.by else []),
            *([f"    where={dict(asked.where)!r},"] if asked.where else []),
            ")",
        ]
    return lines
