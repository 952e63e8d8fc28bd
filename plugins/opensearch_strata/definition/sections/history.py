"""The section ``history`` of a definition. A pure model."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.definition.levels import Level, StatedLevel, levels_of, levels_template, quantiles_problem
from opensearch_strata.definition.sections.field_path import FieldPath
from opensearch_strata.definition.strict_model import Strict

Codec = Literal["default", "best_compression", "zstd", "zstd_no_dict"]

ROW_FIELDS = frozenset(
    {"@timestamp", "_doc_count", "transform._id", "transform._doc_count", "metrics", "metrics._raw", "metrics._level"}
)
MOST_SEARCHES = 8
"""As many searches of a raw day may run at the same time; they share the client's connections and one Python."""

_BUCKET = re.compile(r"(?P<n>[1-9]\d*)(?P<unit>[mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}


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
