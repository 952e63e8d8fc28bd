"""What is chosen from an index for a dataset: its time, groups and metrics. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from opensearch_strata.definition.field_types import NUMERIC_TYPES, WHOLE_TYPES
from opensearch_strata.definition.sections.field_path import SERVER_FIELDS
from opensearch_strata.definition.sections.history import ROW_FIELDS
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.drafting.daily_name import DailyName, daily_name
from opensearch_strata.workflows.drafting.seen import NAMING_TYPES, Observed, SeenField

MOST_GROUPS = 3
MOST_METRICS = 50

_TIME_NAMES = ("@timestamp", "timestamp", "time", "date", "event.created")
_ROWS_SHARE = 10  # groups are added while a day has this many times fewer rows than documents
_MOST_DECIMALS = 6  # if there are more, they come from binary floats and nobody chose them
_FEWEST_LOOKED_AT = 30
_DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ChosenMetric:
    """A metric that was chosen.

    :param decimals: the decimals to state, None to state none
    """

    name: str
    field: SeenField
    decimals: int | None


@dataclass(frozen=True)
class Choices:
    """What a dataset is made of.

    :param counted: the field whose values are counted if there is no number to measure
    :param other_times: date fields that were not chosen
    :param spare_groups: fields that would also do as groups, those with few values first
    :param other_groups: fields that would not do -> why
    :param other_metrics: numbers that were not chosen -> why
    """

    name: str
    observed: Observed
    daily: DailyName
    time: SeenField
    groups: Sequence[SeenField]
    metrics: Sequence[ChosenMetric]
    counted: SeenField | None
    other_times: Sequence[SeenField]
    spare_groups: Sequence[SeenField]
    other_groups: Mapping[str, str]
    other_metrics: Mapping[str, str]

    @property
    def first(self) -> datetime:
        """Time of the first document."""
        return _moment(self.time.first)

    @property
    def last(self) -> datetime:
        """Time of the last document."""
        return _moment(self.time.last)

    @property
    def is_day_of_utc(self) -> bool:
        """Whether all documents are of the day that the name states, in UTC."""
        begin = datetime(self.daily.day.year, self.daily.day.month, self.daily.day.day, tzinfo=UTC)
        return begin <= self.first and self.last < begin + timedelta(days=1)


def choose(observed: Observed) -> Choices:
    """Choose what to make of an index.

    :raises Refused: its name states no day, or it has no time or nothing to group by
    """
    taken = [field for field in observed.fields if field.path not in ROW_FIELDS | SERVER_FIELDS or _is_time(field)]
    times = sorted(
        (field for field in taken if _is_time(field)), key=lambda field: _time_rank(field, observed.documents)
    )
    if not times:
        raise Refused(
            f"{observed.index} has no field of type date with values that searches see, so it is unknown when its "
            f"documents happened. Nothing was written; map such a field in the index template."
        )
    time, *other_times = times
    daily = daily_name(observed.index, _moment(time.first).date(), _moment(time.last).date())
    if daily is None:
        raise Refused(
            f"The name {observed.index!r} contains no date that Strata can read, but Strata keeps and drops whole "
            f"indices of one day each. Nothing was written. Have producers write to one index per day, such as "
            f"app-2026.11.29."
        )
    groups, spare, other_groups = _groups(observed, [field for field in taken if field.kind in NAMING_TYPES])
    numbers = [field for field in taken if field.kind in NUMERIC_TYPES]
    metrics = list(_metrics([field for field in numbers if field.values][:MOST_METRICS]))
    other_metrics = {field.path: "no document has a value" for field in numbers if not field.values}
    beyond = [field for field in numbers if field.values][MOST_METRICS:]
    other_metrics |= {field.path: f"more than {MOST_METRICS} metrics would make large rows" for field in beyond}
    return Choices(
        name=_dataset_name(daily.template),
        observed=observed,
        daily=daily,
        time=time,
        groups=groups,
        metrics=metrics,
        counted=None if metrics else next(iter([*spare, *groups])),
        other_times=other_times,
        spare_groups=spare,
        other_groups=other_groups,
        other_metrics=other_metrics,
    )


def _is_time(field: SeenField) -> bool:
    return field.kind == "date" and bool(field.documents)


def _time_rank(field: SeenField, documents: int) -> tuple[bool, int, int, str]:
    known = _TIME_NAMES.index(field.path) if field.path in _TIME_NAMES else len(_TIME_NAMES)
    return (2 * field.documents < documents, known, -field.documents, field.path)


def _moment(time: float | None) -> datetime:
    """Convert a time to a moment; a time beyond the calendar becomes the nearest moment in it.

    :param time: epoch milliseconds
    """
    try:
        return _EPOCH + timedelta(milliseconds=time or 0)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if (time or 0) > 0 else datetime.min.replace(tzinfo=UTC)


def _dataset_name(template: str) -> str:
    return _slug(template.replace("{day}", " "), "dataset")[:64].rstrip("_")


def _slug(text: str, first: str) -> str:
    """Reduce a text to lower-case ASCII letters, digits and ``_``.

    :param first: the first word of a result that would otherwise not begin with a letter
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return words if words[:1].isalpha() else f"{first}_{words}".rstrip("_")


def _groups(observed: Observed, fields: list[SeenField]) -> tuple[list[SeenField], list[SeenField], dict[str, str]]:
    """Return the fields that name a row, those with few values first; those that also could; why the others cannot."""
    why = {field.path: reason for field in fields if (reason := _no_group(observed, field))}
    order = sorted((field for field in fields if field.path not in why), key=lambda field: (field.distinct, field.path))
    if not order:
        constant = [field for field in fields if why.get(field.path) == _CONSTANT]
        order = constant[:1]
        why = {path: reason for path, reason in why.items() if path not in {field.path for field in order}}
    if not order:
        raise Refused(
            f"{observed.index} has no keyword, boolean or ip field with one value in each document, so nothing could "
            f"tell its rows apart. Nothing was written; map such a field in the index template, such as host or "
            f"service."
        )
    groups, rows = order[:1], _values(observed, order[0]) * 24
    for field in order[1:]:
        rows *= _values(observed, field)
        if len(groups) == MOST_GROUPS or rows * _ROWS_SHARE > observed.documents:
            break
        groups.append(field)
    return groups, order[len(groups) :], why


_CONSTANT = "the same value in all documents"


def _no_group(observed: Observed, field: SeenField) -> str | None:
    if field.path.split(".")[0] in ("metrics", "transform"):
        return "rows need this name for themselves"
    if not field.documents:
        return "no document has a value"
    if field.values > field.documents:
        return "some documents have several values"
    if field.distinct <= 1 and field.documents == observed.documents:
        return _CONSTANT
    return None


def _values(observed: Observed, field: SeenField) -> int:
    """Count the different values of a group; documents without a value form a group, too."""
    return field.distinct + (field.documents < observed.documents)


def most_rows_an_hour(choices: Choices) -> int:
    """Count the rows of an hour in which every combination of group values occurs."""
    rows = 1
    for field in choices.groups:
        rows *= max(1, _values(choices.observed, field))
    return rows


def _metrics(fields: list[SeenField]) -> Iterator[ChosenMetric]:
    names: set[str] = set()
    for field in fields:
        plain = _slug(field.path, "value")
        name = next(name for number in count(1) if (name := plain if number == 1 else f"{plain}_{number}") not in names)
        names.add(name)
        yield ChosenMetric(name, field, _decimals(field))


def _decimals(field: SeenField) -> int | None:
    """Return the decimals to state: none or 0 for whole numbers, else those seen, if enough values were looked at."""
    if field.kind in WHOLE_TYPES:  # their type in raw.fields says so
        return None
    if field.kind in ("long", "unsigned_long"):
        return 0
    if field.decimals is None or field.looked_at < _FEWEST_LOOKED_AT or field.decimals > _MOST_DECIMALS:
        return None
    return field.decimals


def definition(choices: Choices) -> dict[str, Any]:
    """Return the dataset as its file states it."""
    daily, separator = choices.daily, choices.daily.separator
    before, _, after = daily.template.partition("{day}")
    joint = "-" if before[-1:].isalnum() else ""
    kinds = {choices.time.path: choices.time.kind}
    fields = [*choices.groups, *(metric.field for metric in choices.metrics)]
    kinds |= {field.path: field.kind for field in fields + ([choices.counted] if choices.counted else [])}
    metrics: dict[str, Any] = {
        metric.name: {
            "field": metric.field.path,
            **({} if metric.decimals is None else {"decimals": metric.decimals}),
            "stats": ["min", "max", "sum", "count", "avg"],
        }
        for metric in choices.metrics
    }
    if choices.counted:
        name = _slug(choices.counted.path, "value")
        metrics[name] = {"field": choices.counted.path, "stats": ["count"], "distribution": {"top_values": 10}}
    return {
        "name": choices.name,
        "time_zone": "UTC",
        "raw": {
            "index": daily.template,
            "day_format": daily.form,
            "timestamp": choices.time.path,
            "window_days": 60,
            "fields": kinds,
        },
        "history": {
            "index": f"{before}{joint}history-{{month}}{after}",
            "month_format": f"%Y{separator}%m",
            "bucket": "1h",
            "group_by": [field.path for field in choices.groups],
        },
        "metrics": metrics,
        "cycle": {"start_date": daily.day, "delete": False},
    }
