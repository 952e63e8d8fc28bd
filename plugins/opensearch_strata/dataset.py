"""A dataset: one stream of documents, as its YAML file defines it. Pure models, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from opensearch_strata.naming import IndexTemplate, transform_id

Stat = Literal["min", "max", "sum", "count", "avg"]
EngineName = Literal["auto", "transform_job", "search"]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z_@][A-Za-z0-9_@.-]*$")]

NUMERIC_TYPES = frozenset(
    {"byte", "short", "integer", "long", "unsigned_long", "half_float", "float", "double", "scaled_float"}
)
WHOLE_TYPES = frozenset({"byte", "short", "integer"})
GROUP_TYPES = frozenset({"keyword", "boolean", "ip", "byte", "short", "integer", "long"})
ROW_FIELDS = frozenset({"@timestamp", "_doc_count", "transform._id", "transform._doc_count", "metrics"})

_BUCKET = re.compile(r"(?P<n>[1-9]\d*)(?P<unit>[mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Raw(_Strict):
    """The raw days, as producers write them."""

    index: str = Field(description="Name of the daily index; {day} stands for the date.")
    timestamp: FieldPath = Field("@timestamp", description="Date field that says when an event happened.")
    window_days: int = Field(60, ge=1, description="How many complete days stay raw.")
    day_format: str = Field("%Y.%m.%d", description="strftime format of {day}.")
    required_daily: bool = Field(False, description="Fail, not skip, when a day has no raw index.")
    fields: dict[FieldPath, str] = Field(
        default_factory=dict, description="Field types of the raw mapping, for checks before anything is sent."
    )

    @property
    def names(self) -> IndexTemplate:
        """Names of the raw days."""
        return IndexTemplate(self.index, "day", self.day_format)

    @model_validator(mode="after")
    def _name_is_sound(self) -> Raw:
        if problem := self.names.problem({"%Y%m%d", "%Y%j"}):
            raise ValueError(problem)
        return self


class History(_Strict):
    """The monthly indices of condensed rows."""

    index: str = Field(description="Name of the monthly index; {month} stands for the month.")
    month_format: str = Field("%Y.%m", description="strftime format of {month}.")
    bucket: str = Field("1h", description="Length of a row's time bucket; divides a day: 15m, 1h, 1d.")
    group_by: list[FieldPath] = Field(min_length=1, description="Fields that name a row beside its time.")
    shards: int = Field(1, ge=1)
    replicas: int = Field(1, ge=0)
    codec: Literal["default", "best_compression", "zstd", "zstd_no_dict"] = "best_compression"

    @property
    def names(self) -> IndexTemplate:
        """Names of the history months."""
        return IndexTemplate(self.index, "month", self.month_format)

    @property
    def bucket_length(self) -> timedelta:
        """Length of a bucket."""
        match = _BUCKET.fullmatch(self.bucket)
        if match is None:
            raise ValueError(f"{self.bucket!r} is no interval; write it like 15m, 1h or 1d")
        return timedelta(seconds=int(match["n"]) * _UNIT_SECONDS[match["unit"]])

    @model_validator(mode="after")
    def _is_sound(self) -> History:
        if problem := self.names.problem({"%Y%m"}):
            raise ValueError(problem)
        if timedelta(days=1) % self.bucket_length:
            raise ValueError(f"bucket {self.bucket!r} does not divide a day; use 15m, 1h, 6h or 1d")
        if len(set(self.group_by)) != len(self.group_by):
            raise ValueError("group_by names a field twice; name each once")
        if taken := ROW_FIELDS.intersection(self.group_by):
            raise ValueError(f"group_by holds {sorted(taken)}, which is a field of every row; leave it out")
        return self


class Distribution(_Strict):
    """A mergeable sketch of a metric's values."""

    relative_error: float = Field(ge=0.001, le=0.05, description="Largest error of a quantile, relative.")


class Metric(_Strict):
    """One number of the raw documents and what is kept of it."""

    field: FieldPath
    stats: list[Stat] = Field(min_length=1)
    distribution: Distribution | None = None
    unit: str | None = Field(None, description="Unit of the values, shown beside them.")
    decimals: int | None = Field(
        None, ge=0, le=9, description="Decimals that the values have; they are rounded to them before anything else."
    )

    @model_validator(mode="after")
    def _stats_are_provable(self) -> Metric:
        stats = set(self.stats)
        if len(stats) != len(self.stats):
            raise ValueError("stats names one twice; name each once")
        if "count" not in stats:
            raise ValueError("stats must hold count: the proof before a deletion counts with it")
        if "avg" in stats and "sum" not in stats:
            raise ValueError("stats holds avg without sum; add sum, so that averages can be merged")
        if self.distribution and not {"min", "max"} <= stats:
            raise ValueError("a distribution needs min and max in stats: its quantiles end there")
        return self


class Archive(_Strict):
    """Where raw days go before they are deleted."""

    bucket: str
    prefix: str = ""
    before_delete: bool = Field(True, description="Delete a raw day only when its archive is proven.")


class Cycle(_Strict):
    """When the daily cycle runs and how much it may delete."""

    schedule: str = Field("0 3 * * *", description="Cron expression, in the dataset's time zone.")
    start_date: date = Field(description="First day that the schedule covers.")
    end_date: date | None = Field(None, description="Last day that the schedule covers.")
    max_deletes_per_run: int = Field(7, ge=1, description="At most so many raw days are deleted in a run.")
    opensearch_conn_id: str = "opensearch_default"


class Dataset(_Strict):
    """One stream of documents: its raw days, its history, its metrics."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    description: str = ""
    time_zone: str = "UTC"
    raw: Raw
    history: History
    metrics: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Metric] = Field(min_length=1)
    archive: Archive | None = None
    cycle: Cycle
    engine: EngineName = "auto"

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone of the IANA database; write it like Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Dataset:
        for message in [*self._name_overlaps(), *self.type_problems(self.raw.fields)]:
            raise ValueError(message)
        return self

    def _name_overlaps(self) -> list[str]:
        if overlap := overlapping(self.raw.names, self.history.names):
            return [
                f"raw.index {self.raw.index!r} also matches history.index {self.history.index!r} "
                f"(both can be {overlap!r}); give them different literal parts"
            ]
        return []

    @property
    def source_fields(self) -> dict[str, str]:
        """Every field of the raw documents that the dataset reads, by the key that names it."""
        return {
            "raw.timestamp": self.raw.timestamp,
            **{f"history.group_by {field!r}": field for field in self.history.group_by},
            **{f"metrics.{name}.field": metric.field for name, metric in self.metrics.items()},
        }

    def type_problems(self, types: dict[str, str]) -> list[str]:
        """What in a raw mapping does not fit this definition, a sentence each.

        :param types: field path -> mapping type; a field that is not in it is not judged
        """
        wanted: list[tuple[str, str, frozenset[str], str]] = [
            ("raw.timestamp", self.raw.timestamp, frozenset({"date"}), "a date"),
            *((f"history.group_by {f!r}", f, GROUP_TYPES, "a keyword") for f in self.history.group_by),
            *((f"metrics.{n}.field", m.field, NUMERIC_TYPES, "a number") for n, m in self.metrics.items()),
        ]
        return [
            f"{key}: field {field!r} is {types[field]}, it must be {cure} ({', '.join(sorted(allowed))}); "
            f"name another field or a multi-field such as {field}.keyword"
            for key, field, allowed, cure in wanted
            if field in types and types[field] not in allowed
        ] + self._lost_decimals(types)

    def _lost_decimals(self, types: dict[str, str]) -> list[str]:
        """Fields that the definition takes for whole numbers and the mapping does not."""
        return [
            f"metrics.{name}.field: raw.fields says that {metric.field!r} is {self.raw.fields[metric.field]}, it is "
            f"{types[metric.field]}, and history would lose its decimals; correct raw.fields, or state decimals"
            for name, metric in self.metrics.items()
            if metric.decimals is None
            and self.decimals(name) == 0
            and types.get(metric.field) in NUMERIC_TYPES - WHOLE_TYPES
        ]

    @property
    def zone(self) -> ZoneInfo:
        """Time zone whose calendar days the raw indices hold."""
        return ZoneInfo(self.time_zone)

    def raw_index(self, day: date) -> str:
        """Name of the raw day."""
        return self.raw.names.name(day)

    def month_index(self, day: date) -> str:
        """Name of the history month that takes the rows of ``day``."""
        return self.history.names.name(day)

    def transform_id(self, day: date) -> str:
        """Id of the transform that condenses ``day``."""
        return transform_id(self.name, day)

    @property
    def sketches(self) -> dict[str, float]:
        """Metric name -> relative error, of the metrics with a distribution."""
        return {n: m.distribution.relative_error for n, m in self.metrics.items() if m.distribution}

    def decimals(self, metric: str) -> int | None:
        """Decimals that a metric's values are rounded to; of whole numbers none need be stated. None: not rounded."""
        stated = self.metrics[metric].decimals
        if stated is None and self.raw.fields.get(self.metrics[metric].field) in WHOLE_TYPES:
            return 0
        return stated

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides what a row holds; equal fingerprints write equal rows."""
        shape = {
            "bucket": self.history.bucket,
            "group_by": self.history.group_by,
            "timestamp": self.raw.timestamp,
            "metrics": {
                n: [m.field, sorted(m.stats), self.sketches.get(n), self.decimals(n)] for n, m in self.metrics.items()
            },
        }
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]


def overlapping(one: IndexTemplate, other: IndexTemplate) -> str | None:
    """A name that both templates can give, None if there is none."""
    for named, reader in ((one, other), (other, one)):
        for ordinal in range(366):
            name = named.name(date(2024, 1, 1) + timedelta(days=ordinal))
            if reader.date_in(name):
                return name
    return None
