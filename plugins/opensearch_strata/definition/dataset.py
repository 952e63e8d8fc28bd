"""A dataset: one stream of documents, as its YAML file defines it. Pure models, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import product
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.field_types import WHOLE_TYPES, Part, loss, misfit
from opensearch_strata.definition.index_names import IndexTemplate, month_transform_id, transform_id
from opensearch_strata.definition.levels import Level, StatedLevel, levels_of, levels_template, quantiles_problem
from opensearch_strata.definition.loading.intake import Intake, TimeZone
from opensearch_strata.definition.schedule import Cycle
from opensearch_strata.definition.strict_model import Strict

Stat = Literal["min", "max", "sum", "count", "avg"]
EngineName = Literal["auto", "transform_job", "search"]
Codec = Literal["default", "best_compression", "zstd", "zstd_no_dict"]

DISTRIBUTIONS = ("sketch", "top", "registers")
"""Parts of a row that hold distributions, as bytes."""
ROW_FIELDS = frozenset(
    {"@timestamp", "_doc_count", "transform._id", "transform._doc_count", "metrics", "metrics._raw", "metrics._level"}
)
SERVER_FIELDS = frozenset(
    {
        "_id",
        "_index",
        "_source",
        "_routing",
        "_ignored",
        "_seq_no",
        "_primary_term",
        "_version",
        "_field_names",
        "_tier",
    }
)
"""https://docs.opensearch.org/latest/field-types/metadata-fields/index/, and the parts of a document's version."""


def _is_of_documents(field: str) -> str:
    if field in SERVER_FIELDS:
        raise ValueError(f"{field!r} is maintained by the server itself; name a field of the documents")
    if not all(part.strip() for part in field.split(".")):
        raise ValueError(f"{field!r} is not the path of a field; write names separated by dots, none of them blank")
    if "*" in field:
        raise ValueError(f"{field!r} contains a *, which searches take for a pattern; name a field without one")
    return field


FieldPath = Annotated[str, Field(min_length=1), AfterValidator(_is_of_documents)]
"""Path of a field, as documents and mappings name it. The server accepts spaces, digits, symbols and any script in a
name, and refuses a path with a blank part: https://docs.opensearch.org/latest/mappings/"""

MOST_SEARCHES = 8
"""As many searches of a raw day may run at the same time; they share the client's connections and one Python."""

_BUCKET = re.compile(r"(?P<n>[1-9]\d*)(?P<unit>[mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class Raw(Strict):
    """The raw days, as producers write them."""

    index: str = Field(description="Name of the daily index; {day} stands for the date.")
    timestamp: FieldPath = Field("@timestamp", description="Date field that says when an event happened.")
    window_days: int = Field(60, ge=1, le=36_500, description="How many complete days are kept raw.")
    day_format: str = Field("%Y.%m.%d", description="strftime format of {day}.")
    required_daily: bool = Field(False, description="Fail instead of skipping when a day has no raw index.")
    fields: dict[FieldPath, str] = Field(
        default_factory=dict, description="Field types of the raw mapping, checked before anything is sent."
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

    @model_validator(mode="after")
    def _multi_fields_end(self) -> Raw:
        for path in self.fields:
            above = path.rpartition(".")[0]
            if above in self.fields and above.rpartition(".")[0] in self.fields:
                raise ValueError(
                    f"fields names {path!r} below {above!r}, which is a multi-field itself and has none; remove it"
                )
        return self


class History(Strict):
    """The monthly indices of condensed rows."""

    index: str = Field(description="Name of the monthly index; {month} stands for the month.")
    month_format: str = Field("%Y.%m", description="strftime format of {month}.")
    bucket: str = Field("1h", description="Length of a row's time bucket; must divide a day evenly: 15m, 1h, 1d.")
    group_by: list[FieldPath] = Field(min_length=1, description="Fields that identify a row together with its time.")
    levels: list[StatedLevel] | None = Field(
        None,
        description="Further rows, merged from these for longer buckets or fewer groups. By default those of each hour "
        "and of each day over all groups, and those of each day and group.",
    )
    quantiles: list[float | int] = Field(
        [50, 90, 99], description="Percentages of the quantiles that rows of levels carry as numbers (p50, p90, p99)."
    )
    shards: int = Field(1, ge=1)
    replicas: int = Field(1, ge=0)
    codec: Codec = Field(
        "default", description="Codec of stored fields, which are only the ids; no codec makes those smaller."
    )

    parallel: int | None = Field(
        None,
        ge=1,
        le=MOST_SEARCHES,
        description="How many searches of a raw day run at the same time; by default as many as the cluster has cores "
        "for.",
    )

    @property
    def names(self) -> IndexTemplate:
        """Names of the history months."""
        return IndexTemplate(self.index, "month", self.month_format)

    @property
    def bucket_length(self) -> timedelta:
        """Length of a bucket.

        :raises ValueError: it is not a valid interval
        """
        match = _BUCKET.fullmatch(self.bucket)
        if match is None:
            raise ValueError(f"{self.bucket!r} is not a valid interval; write it like 15m, 1h or 1d")
        return timedelta(seconds=int(match["n"]) * _UNIT_SECONDS[match["unit"]])

    @property
    def all_levels(self) -> tuple[Level, ...]:
        """The levels, stated or by default: those with the shortest buckets and the most groups first."""
        return levels_of(self.levels, self.bucket_length, self.group_by)

    @property
    def levels_names(self) -> IndexTemplate | None:
        """Names of the indices with rows of levels, one for each year; None if there are no levels."""
        return levels_template(self.names) if self.all_levels else None

    @model_validator(mode="after")
    def _is_sound(self) -> History:
        if problem := self.names.problem({"%Y%m"}):
            raise ValueError(problem)
        if timedelta(days=1) % self.bucket_length:
            raise ValueError(f"bucket {self.bucket!r} does not divide a day evenly; use 15m, 1h, 6h or 1d")
        if len(set(self.group_by)) != len(self.group_by):
            raise ValueError("group_by names a field twice; name each field once")
        if taken := ROW_FIELDS.intersection(self.group_by):
            raise ValueError(f"group_by contains {sorted(taken)}, which every row has as a field; leave it out")
        if problem := quantiles_problem(self.quantiles):
            raise ValueError(problem)
        _ = self.levels_names  # raises
        return self


class Distinct(Strict):
    """How many different values a metric has, as registers that can be merged."""

    error: float = Field(ge=0.01, le=0.1, description="The standard error of a count, as a fraction.")


_KINDS = ("relative_error", "top_values", "distinct")


class Distribution(Strict):
    """How a metric's values are distributed: a sketch of numbers, the most frequent values, or how many there are."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in _KINDS]})

    relative_error: float | None = Field(
        None, ge=0.001, le=0.05, description="For a number: the largest relative error of a quantile."
    )
    top_values: int | None = Field(
        None, ge=1, le=20, description="For a keyword: how many of its most frequent values a row counts individually."
    )
    distinct: Distinct | None = Field(
        None, description="For a keyword: how many different values there are, within a standard error."
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Distribution:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(
                "needs one of relative_error (for a number), top_values and distinct (for a keyword); set one"
            )
        return self


class Metric(Strict):
    """One field of the raw documents and what the history keeps of it."""

    field: FieldPath
    stats: list[Stat] = Field(min_length=1)
    distribution: Distribution | None = None
    unit: str | None = Field(None, description="Unit of the values, shown next to them.")
    decimals: int | None = Field(
        None, ge=0, le=9, description="Decimal places of the values, which are rounded to them before anything else."
    )
    sparse: bool = Field(
        False,
        description="true: a whole day may be without any value. false: such a day is kept, because the field may be "
        "misnamed.",
    )

    @model_validator(mode="after")
    def _stats_are_provable(self) -> Metric:
        stats = set(self.stats)
        if len(stats) != len(self.stats):
            raise ValueError("stats names one statistic twice; name each once")
        if "count" not in stats:
            raise ValueError("stats must contain count: the proof before a deletion needs it")
        if "avg" in stats and "sum" not in stats:
            raise ValueError("stats contains avg without sum; add sum, so that averages can be merged")
        if self.distribution and self.distribution.relative_error and not {"min", "max"} <= stats:
            raise ValueError("a distribution needs min and max in stats: they bound its quantiles")
        return self

    @model_validator(mode="after")
    def _names_are_counted_only(self) -> Metric:
        if self.distribution is None or self.distribution.relative_error is not None:
            return self
        kind = "distinct" if self.distribution.distinct else "top_values"
        if self.stats != ["count"]:
            raise ValueError(f"a metric with {kind} is counted, not measured; set its stats to [count]")
        for key in ("decimals", "unit"):
            if getattr(self, key) is not None:
                raise ValueError(f"a metric with {kind} counts names, which have no {key}; remove {key}")
        return self


class Dataset(Strict):
    """One stream of documents: its raw days, its history, its metrics."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    description: str = ""
    time_zone: TimeZone = "UTC"
    raw: Raw
    history: History
    metrics: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Metric] = Field(min_length=1)
    archive: ArchiveSettings | None = Field(None, description="Where raw days are archived.")
    intake: Intake = Field(default_factory=Intake, description="How archives in S3 are read.")
    cycle: Cycle
    engine: EngineName = "auto"

    @model_validator(mode="after")
    def _parts_fit(self) -> Dataset:
        fields = [*self._field_overlaps(), *self._unseen_by_rules(), *self.type_problems(self.raw.fields)]
        for message in [*self._name_overlaps(), *fields]:
            raise ValueError(message)
        return self

    def _field_overlaps(self) -> list[str]:
        """Sentences about groups whose values would be in the place where a row keeps a metric."""
        return [
            f"history.group_by {field!r} is where a row keeps the metric {name!r}; rename the metric"
            for field in self.history.group_by
            for name in self.metrics
            if f"{field}.".startswith(f"metrics.{name}.")
        ]

    def _unseen_by_rules(self) -> list[str]:
        """Sentences about rules for fields that an event does not have yet when the rules are applied."""
        metadata = f"{self.intake.metadata}."
        return [
            f"intake.{key}.{number} is about the field {rule.field!r}, which an event gets only after the rules; "
            + ("name its log_group or log_stream instead" if stands_for_log else "name a field of its message")
            for key, rules in (("keep", self.intake.keep), ("skip", self.intake.skip))
            for number, rule in enumerate(rules)
            if rule.field and ((stands_for_log := rule.field.startswith(metadata)) or rule.field == self.raw.timestamp)
        ]

    def _name_overlaps(self) -> list[str]:
        found = []
        if overlap := overlapping(self.raw.names, self.history.names):
            found.append(
                f"raw.index {self.raw.index!r} also matches history.index {self.history.index!r} "
                f"(both can be {overlap!r}); give them different literal parts"
            )
        levels = self.history.levels_names
        if levels and (overlap := overlapping(self.raw.names, levels)):
            found.append(
                f"raw.index {self.raw.index!r} also matches {levels.template!r}, the index of history.levels (both can "
                f"be {overlap!r}); rename history.index, from which that name is made, or set levels to []"
            )
        return found

    @property
    def source_fields(self) -> dict[str, str]:
        """Key of the definition -> field of the raw documents, for every field that the dataset reads."""
        return {
            "raw.timestamp": self.raw.timestamp,
            **{f"history.group_by {field!r}": field for field in self.history.group_by},
            **{f"metrics.{name}.field": metric.field for name, metric in self.metrics.items()},
        }

    def type_problems(self, types: dict[str, str]) -> list[str]:
        """One sentence for each field type of a raw mapping that does not fit this definition.

        :param types: field path -> mapping type; a field that is missing here is not checked
        """
        parts: dict[str, Part] = {n: "keyword" if n in self.counted else "number" for n in self.metrics}
        wanted: list[tuple[str, str, Part]] = [
            ("raw.timestamp", self.raw.timestamp, "date"),
            *((f"history.group_by {field!r}", field, "keyword") for field in self.history.group_by),
            *((f"metrics.{name}.field", metric.field, parts[name]) for name, metric in self.metrics.items()),
        ]
        found = [(key, misfit(field, types[field], part)) for key, field, part in wanted if field in types]
        found += [
            (f"metrics.{name}.field", loss(metric.field, self.raw.fields[metric.field], types[metric.field]))
            for name, metric in self.metrics.items()
            if parts[name] == "number" and metric.decimals is None and metric.field in self.raw.fields.keys() & types
        ]
        return [f"{key}: {problem}" for key, problem in found if problem]

    @property
    def zone(self) -> ZoneInfo:
        """Time zone whose calendar days the raw indices hold."""
        return ZoneInfo(self.time_zone)

    def raw_index(self, day: date) -> str:
        """Name of the raw index of ``day``."""
        return self.raw.names.name(day)

    def month_index(self, day: date) -> str:
        """Name of the history month that holds the rows of ``day``."""
        return self.history.names.name(day)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels of its history: those with the shortest buckets and the most groups first."""
        return self.history.all_levels

    def levels_index(self, day: date) -> str:
        """Name of the index that holds the rows of levels of ``day``.

        :raises ValueError: the dataset has no levels
        """
        names = self.history.levels_names
        if names is None:
            raise ValueError(f"{self.name!r} has no levels.")
        return names.name(day)

    def transform_id(self, day: date) -> str:
        """Id of the transform that condenses ``day``."""
        return transform_id(self.name, day)

    def unit_id(self, level: Level, day: date) -> str:
        """What rows of a level have as ``transform._id``: the id of ``day``, or that of its month for ``1M``."""
        return month_transform_id(self.name, day) if level.is_of_months else transform_id(self.name, day)

    @property
    def sketches(self) -> dict[str, float]:
        """Metric name -> relative error, for the metrics with a sketch."""
        stated = {n: m.distribution.relative_error for n, m in self.metrics.items() if m.distribution}
        return {name: error for name, error in stated.items() if error is not None}

    @property
    def top_values(self) -> dict[str, int]:
        """Metric name -> how many values a row counts individually, for the metrics whose values are counted."""
        stated = {n: m.distribution.top_values for n, m in self.metrics.items() if m.distribution}
        return {name: limit for name, limit in stated.items() if limit is not None}

    @property
    def distinct(self) -> dict[str, float]:
        """Metric name -> standard error, for the metrics whose different values are counted."""
        stated = {n: m.distribution.distinct for n, m in self.metrics.items() if m.distribution}
        return {name: distinct.error for name, distinct in stated.items() if distinct is not None}

    @property
    def counted(self) -> frozenset[str]:
        """The metrics whose values are counted as names and not measured as numbers."""
        return frozenset(self.top_values.keys() | self.distinct.keys())

    def distribution_leaf(self, metric: str) -> list[str]:
        """The part of a row that holds a metric's distribution: ``sketch``, ``top`` or ``registers``; none without one.

        :param metric: its name in the definition
        """
        metrics: tuple[Mapping[str, float], ...] = (self.sketches, self.top_values, self.distinct)
        return [leaf for leaf, named in zip(DISTRIBUTIONS, metrics, strict=True) if metric in named]

    def decimals(self, metric: str) -> int | None:
        """Decimal places to which a metric's values are rounded, 0 for whole numbers unless stated. None: not rounded.

        :param metric: its name in the definition
        """
        stated = self.metrics[metric].decimals
        distribution = self.metrics[metric].distribution
        if distribution and distribution.relative_error is None:
            return None
        if stated is None and self.raw.fields.get(self.metrics[metric].field) in WHOLE_TYPES:
            return 0
        return stated

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the content of a row; equal fingerprints write equal rows."""
        shape = {
            "bucket": self.history.bucket,
            "group_by": self.history.group_by,
            "timestamp": self.raw.timestamp,
            "metrics": {
                n: [m.field, sorted(m.stats), self.sketches.get(n), self.top_values.get(n), self.decimals(n)]
                # Metrics of other kinds have the fingerprints that they had before there was this one.
                + ([{"distinct": self.distinct[n]}] if n in self.distinct else [])
                for n, m in self.metrics.items()
            },
        }
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]


def overlapping(one: IndexTemplate, other: IndexTemplate) -> str | None:
    """A name that both templates can produce, or None if there is none."""
    if not one.may_meet(other):
        return None
    # A template with another order of digits can read a year as day and month: 20 01 in 20012001.
    years = (2024,) if one.date_format == other.date_format else (2024, *range(2001, 2013))
    for named, reader in ((one, other), (other, one)):
        for year, ordinal in product(years, range(366)):
            name = named.name(date(year, 1, 1) + timedelta(days=ordinal))
            if reader.date_in(name):
                return name
    return None
