"""Index names by day and month, and the ids derived from days. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property

# Directives that a name may contain: digits of fixed width only, so that a name can be read back unambiguously.
DIRECTIVES = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}", "%j": r"\d{3}"}

# https://docs.opensearch.org/latest/api-reference/index-apis/create-index/#index-naming-restrictions
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class IndexTemplate:
    """Names of a family of indices: literal text around one date.

    :param template: for example ``flights-{day}``
    :param placeholder: ``day`` or ``month``
    :param date_format: strftime directives of the date, for example ``%Y.%m.%d``
    """

    template: str
    placeholder: str
    date_format: str

    @cached_property
    def _around(self) -> tuple[str, str]:
        before, _, after = self.template.partition("{" + self.placeholder + "}")
        return before, after

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        before, after = self._around
        dated = re.sub(r"%.|[^%]+", lambda m: DIRECTIVES.get(m[0]) or re.escape(m[0]), self.date_format)
        return re.compile(f"{re.escape(before)}({dated}){re.escape(after)}")

    @property
    def expression(self) -> str:
        """Wildcard expression that matches all indices of the family and possibly others."""
        before, after = self._around
        return f"{before}*{after}"

    def name(self, day: date) -> str:
        """Name of the index that holds ``day``."""
        before, after = self._around
        return f"{before}{day.strftime(self.date_format)}{after}"

    @property
    def before(self) -> str:
        """The literal text before the date."""
        return self._around[0]

    @cached_property
    def _length(self) -> int:
        """Length of every name in characters: directives have a fixed width."""
        return len(self.name(date(2024, 2, 29)))

    def may_meet(self, other: IndexTemplate) -> bool:
        """Whether the templates may share a name; False if their lengths or literal texts alone rule it out."""
        if self._length != other._length:
            return False
        (before, after), (its_before, its_after) = self._around, other._around
        begins = before.startswith(its_before) or its_before.startswith(before)
        return begins and (after.endswith(its_after) or its_after.endswith(after))

    def date_in(self, name: str) -> date | None:
        """The date in an index name (the first of the month for month indices), or None if it contains no date.

        Only names that :meth:`name` can produce are read, and no year before 1970: ``20121012`` is not a day in 1012.

        :param name: the name of any index
        """
        match = self._pattern.fullmatch(name)
        if match is None:
            return None
        try:
            parsed = datetime.strptime(match[1], self.date_format).date()
        except ValueError:  # it looks like a date but is not one: 2013.02.30
            return None
        return parsed if parsed.year >= 1970 and self.name(parsed) == name else None

    def problem(self, required: set[str]) -> str | None:
        """What is wrong with the template, as a sentence; None if names can be made and read back.

        :param required: sets of directives, one of which must be present, for example ``{"%Y%m%d", "%Y%j"}``
        """
        marker = "{" + self.placeholder + "}"
        if self.template.count(marker) != 1 or "{" in self.template.replace(marker, ""):
            return f"{self.template!r} must contain {marker} exactly once and no other braces"
        directives = re.findall(r"%.?", self.date_format)
        if unknown := [d for d in directives if d not in DIRECTIVES]:
            return f"date format {self.date_format!r} contains {unknown[0]!r}; use only {', '.join(DIRECTIVES)}"
        if "".join(sorted(directives, key=list(DIRECTIVES).index)) not in required:
            shown = " or ".join(sorted(required))
            return f"date format {self.date_format!r} must contain the directives {shown}, each once"
        if not _NAME.fullmatch(self.name(date(2024, 2, 29))):
            return f"{self.template!r} gives {self.name(date(2024, 2, 29))!r}, which is not a valid index name"
        return None


def transform_id(dataset: str, day: date) -> str:
    """Deterministic id of a day's transform: the same day always writes the same rows.

    The part after the dataset's name has a fixed width, because ``_explain`` matches ids by wildcard.

    :param dataset: its name
    """
    return f"strata-{dataset}-{day:%Y.%m.%d}"


def month_transform_id(dataset: str, day: date) -> str:
    """The id that rows of a level have if they cover the raw days of a month; no day has it.

    :param dataset: its name
    :param day: any day of the month
    """
    return f"strata-{dataset}-{day:%Y.%m}"


def day_of_transform(dataset: str, identity: str) -> date | None:
    """The day whose rows have this transform id, or None if the id does not belong to the dataset.

    :param dataset: its name
    :param identity: the id of any transform
    """
    return _transforms(dataset).date_in(identity)


@cache
def _transforms(dataset: str) -> IndexTemplate:
    """The ids of a dataset's transforms; a long history has thousands that are read."""
    return IndexTemplate(f"strata-{dataset}-{{day}}", "day", "%Y.%m.%d")
