"""The section ``raw`` of a definition. A pure model."""

from __future__ import annotations

from pydantic import Field, model_validator

from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.definition.sections.field_path import FieldPath
from opensearch_strata.definition.strict_model import Strict


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
