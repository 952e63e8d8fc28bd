"""A dataset: one stream of documents, as its YAML file defines it. Pure models, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import product
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.field_types import WHOLE_TYPES, Part, loss, misfit
from opensearch_strata.definition.index_names import IndexTemplate, month_transform_id, transform_id
from opensearch_strata.definition.levels import Level
from opensearch_strata.definition.loading.intake import Intake, TimeZone
from opensearch_strata.definition.schedule import Cycle
from opensearch_strata.definition.sections.history import History
from opensearch_strata.definition.sections.metric import DISTRIBUTIONS, Metric
from opensearch_strata.definition.sections.raw import Raw
from opensearch_strata.definition.strict_model import Strict

EngineName = Literal["auto", "transform_job", "search"]


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
