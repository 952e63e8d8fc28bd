"""One metric of a definition, and how its values are distributed. Pure models."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from opensearch_strata.definition.sections.field_path import FieldPath
from opensearch_strata.definition.strict_model import Strict

Stat = Literal["min", "max", "sum", "count", "avg"]

DISTRIBUTIONS = ("sketch", "top", "registers")
"""Parts of a row that hold distributions, as bytes."""


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
