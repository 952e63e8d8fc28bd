"""How the name of an index states its day. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from opensearch_strata.definition.index_names import DIRECTIVES, IndexTemplate

_ORDERS = (("%Y", "%m", "%d"), ("%d", "%m", "%Y"), ("%m", "%d", "%Y"), ("%Y", "%j"))


@dataclass(frozen=True)
class DailyName:
    """How the name of an index states its day.

    :param template: the name with ``{day}`` in place of its day
    :param form: strftime directives of the day
    """

    template: str
    form: str
    day: date

    @property
    def separator(self) -> str:
        """The separator between the parts of the date."""
        return re.sub(r"%.", "", self.form)[:1]


def daily_name(index: str, first: date, last: date) -> DailyName | None:
    """Find how a name states its day: of several readings, one that fits the documents, else the most usual one.

    :param index: such as ``app-2026.11.29``
    :param first: day of the first document, in UTC
    :param last: day of the last document, in UTC
    :returns: None if it states no day
    """
    found = list(_daily_names(index))
    fitting = [name for name in found if first - timedelta(days=1) <= name.day <= last + timedelta(days=1)]
    return next(iter([*fitting, *found]), None)


def _daily_names(index: str) -> Iterator[DailyName]:
    for directives in _ORDERS:
        for separator in (".", "-", "_", ""):
            form = separator.join(directives)
            digits = re.escape(separator).join(DIRECTIVES[each] for each in directives)
            for match in re.finditer(rf"(?<!\d){digits}(?!\d)", index):
                template = f"{index[: match.start()]}{{day}}{index[match.end() :]}"
                names = IndexTemplate(template, "day", form)
                if names.problem({"%Y%m%d", "%Y%j"}) is None and (day := names.date_in(index)):
                    yield DailyName(template, form, day)
