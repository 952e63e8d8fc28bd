"""Index expressions that find the raw days, the months and the levels of a dataset, each without the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.errors import Refused

# The first of a month is enough: a wildcard stands for all digits of a date.
_DATES = [date(year, month, 1) for year in range(2000, 2100) for month in range(1, 13)]


@dataclass(frozen=True)
class Patterns:
    """Index expressions, as searches take them: a wildcard, and what it must leave out.

    :param raw: of the raw days
    :param history: of the months
    :param levels: of the rows of levels; empty if the dataset has none
    """

    raw: str
    history: str
    levels: str = ""


def patterns_of(dataset: Dataset) -> Patterns:
    """The expressions of a dataset.

    :raises Refused: two families of indices have names that no wildcard tells apart
    """
    levels = dataset.history.levels_names
    families = [dataset.raw.names, dataset.history.names, *([levels] if levels else [])]
    return Patterns(*(_without(family, [other for other in families if other != family]) for family in families))


def _without(family: IndexTemplate, others: list[IndexTemplate]) -> str:
    left_out = [other for other in others if _matches(family.expression, other)]
    for other in left_out:
        if _matches(other.expression, family):
            raise Refused(
                f"Dashboards would need an index pattern for {family.template!r} that does not match "
                f"{other.template!r}, and no wildcard tells the two apart. Nothing was made; give these indices names "
                "that begin differently."
            )
    return ",".join([family.expression, *(f"-{other.expression}" for other in left_out)])


def _matches(expression: str, family: IndexTemplate) -> bool:
    return any(fnmatchcase(family.name(day), expression) for day in _DATES)
