"""What is drawn of a dataset: its metrics, the levels whose rows are points of a chart, and the fields to plot. Pure.

A level has a row for each bucket and each raw day that has documents of it. So a bucket usually is one row, and has
more of them if some of its documents came late, in another day's index: their minima, maxima, sums and counts are
joined by the server, and their quantiles by the script that merges sketches. A program that cannot run it shows a
quantile where there is one row, and its bounds elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import MONTH, Level, quantile_leaf
from opensearch_strata.errors import DefinitionError

MOST_METRICS = 4
"""How many metrics are drawn unless a person names them; each has up to four charts."""

MOST_GROUPS = 20
"""How many groups a chart of the highest shows."""

DOCUMENTS = "transform._doc_count"
"""How many documents a row stands for. To be added up: the server's own count of rows as their documents
(``_doc_count``) is ignored by many date histograms of OpenSearch 3.4 and 3.8; 2.19 counts right."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_INTERVALS = ((_DAY, "1d"), (_HOUR, "1h"), (timedelta(minutes=15), "15m"), (timedelta(minutes=5), "5m"))
_WORDS = {"1h": "hour", "1d": "day", MONTH: "month"}


@dataclass(frozen=True)
class Field:
    """A number of a row.

    :param path: its field in the index
    :param label: how people call it: ``p99``, ``maximum``
    :param joined: how rows of one bucket are joined; ``sketch``: only by merging their sketches
    :param percent: of a quantile
    """

    path: str
    label: str
    joined: Literal["min", "max", "sum", "sketch"]
    percent: float = 0.0


@dataclass(frozen=True)
class Choice:
    """What is drawn.

    :param metrics: names of metrics that measure, in the dataset's order or as a person named them
    :param left_out: further ones that measure
    :param all: the level whose rows are of all documents, with the longest bucket up to a day
    :param hours: the level whose rows are of all documents of an hour, or of a part of it
    :param groups: the level whose rows keep the first group apart, with the fewest other groups
    :param merged: the level whose rows keep all groups apart, with the longest bucket up to a day; without it, base
        rows are merged
    """

    metrics: tuple[str, ...]
    left_out: tuple[str, ...]
    all: Level | None
    hours: Level | None
    groups: Level | None
    merged: Level | None


def chosen(dataset: Dataset, metrics: Sequence[str] = ()) -> Choice:
    """What is drawn of a dataset.

    :param metrics: names of the wanted metrics; none for the first :data:`MOST_METRICS`
    :raises DefinitionError: one of them does not exist, or counts names and measures nothing
    """
    measuring = [name for name in dataset.metrics if name not in dataset.counted]
    for name in metrics:
        if name not in measuring:
            raise DefinitionError(
                f"{dataset.name!r} has no metric {name!r} that measures; choose among {', '.join(measuring) or 'none'}."
            )
    wanted = list(dict.fromkeys(metrics)) or measuring[:MOST_METRICS]
    of_all = [level for level in dataset.levels if not level.group_by]
    of_first = [level for level in dataset.levels if dataset.history.group_by[0] in level.group_by]
    return Choice(
        metrics=tuple(wanted),
        left_out=tuple(name for name in measuring if name not in wanted),
        all=max(of_all, key=_up_to_a_day, default=None),
        hours=max((level for level in of_all if _length(level) <= _HOUR), key=_length, default=None),
        groups=max(of_first, key=lambda level: (-len(level.group_by), _up_to_a_day(level)), default=None),
        merged=max(
            (one for one in of_first if len(one.group_by) == len(dataset.history.group_by) and not one.is_of_months),
            key=_length,
            default=None,
        ),
    )


def trend_of(dataset: Dataset, metric: str) -> list[Field]:
    """The fields of a row that are drawn over time: its quantiles, or what it has of extremes, or one that adds up.

    Averages are none of them: they are sums over counts.

    :param metric: name of a metric that measures
    """
    if quantiles := _quantiles(dataset, metric):
        return quantiles
    extremes = [Field(f"metrics.{metric}.max", "maximum", "max"), Field(f"metrics.{metric}.min", "minimum", "min")]
    stats = dataset.metrics[metric].stats
    return [field for field in extremes if field.joined in stats] or [peak_of(dataset, metric)]


def peak_of(dataset: Dataset, metric: str) -> Field:
    """The field of a row by which the highest are found: the highest quantile, the maximum, the sum or the count.

    :param metric: name of a metric that measures
    """
    if quantiles := _quantiles(dataset, metric):
        return quantiles[-1]
    stats = dataset.metrics[metric].stats
    if "max" in stats:
        return Field(f"metrics.{metric}.max", "maximum", "max")
    stat = "sum" if "sum" in stats else "count"
    return Field(f"metrics.{metric}.{stat}", stat, "sum")


def _quantiles(dataset: Dataset, metric: str) -> list[Field]:
    if metric not in dataset.sketches:
        return []
    percents = sorted(dataset.history.quantiles)
    return [
        Field(f"metrics.{metric}.{quantile_leaf(percent)}", f"p{percent:g}", "sketch", percent) for percent in percents
    ]


def with_unit(dataset: Dataset, metric: str) -> str:
    """A metric and its unit, as an axis shows them.

    :param metric: its name in the definition
    """
    unit = dataset.metrics[metric].unit
    return f"{metric} ({unit})" if unit else metric


def interval_of(level: Level) -> str:
    """The longest interval of a calendar in which no two buckets of a level begin, in any time zone.

    A part of a day may begin at other times of the clock on days when clocks change, so ``6h`` is drawn by the hour.
    """
    length = level.length
    if length is None:
        return MONTH
    return next((text for longest, text in _INTERVALS if longest <= length), "1m")


def bucket_word(level: Level) -> str:
    """What a row of a level covers, in a title: ``day``, ``hour``, ``15m``."""
    return _WORDS.get(level.bucket, level.bucket)


def _length(level: Level) -> timedelta:
    return level.length or timedelta(days=31)


def _up_to_a_day(level: Level) -> timedelta:
    """Sorts months last: they are drawn only if there is nothing finer."""
    return level.length or timedelta(0)
