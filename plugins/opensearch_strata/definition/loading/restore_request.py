"""How a person asks for archived days. Kept apart because the DAG file and the shell's help need it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opensearch_strata.definition.loading.post_load import Then

ARCHIVE_SOURCE = "archive"
"""The source that stands for the dataset's own archive, as its ``archive:`` settings say."""

KEEP_DAYS = 7
"""For how many days a restored raw day is kept if nobody says otherwise."""

MOST_KEPT = 3650
"""The largest number of days for which it can be kept."""


def keeping_problem(source: str | None, then: Then, days: int | None) -> str:
    """Why a number of days to keep raw days for does not fit, as a clause; an empty string if it fits.

    :param source: of the backfill
    :param then: what becomes of the days
    :param days: as a person said; None: nothing was said
    """
    if days is None:
        return ""
    if source != ARCHIVE_SOURCE:
        return f"is about restored days; use it with the source {ARCHIVE_SOURCE!r}, or leave it out"
    if days and then == "condense_and_drop":
        return "keeps days that condense_and_drop drops right away; leave one of the two out"
    return ""
