"""What a restore knows of its raw days: what they were archived with, and until when they are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.load.restored_objects import Restore
from opensearch_strata.archive.planning.archived_days import manifest_of_day
from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.archive.targets.made_days import RestoredForms
from opensearch_strata.archive.targets.wanted_days import Wanted
from opensearch_strata.definition.loading.restore_request import KEEP_DAYS
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.archiving import settings_of

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.loading.post_load import Then


class RestoredDays(NamedTuple):
    """Raw days of a restore.

    :param forms: what they are created with
    :param restore: how their documents are loaded
    """

    forms: RestoredForms
    restore: Restore


def restored_days(s3: BaseClient, dataset: Dataset, days: Iterable[date], keep_until: str) -> RestoredDays:
    """Read what raw days were archived with.

    :param s3: client of the archive's bucket
    :param days: archived days
    :param keep_until: until when they are wanted, ISO 8601
    :raises DefinitionError: a manifest is not valid
    :raises Refused: a day is no longer archived, or S3 refuses to say so
    :raises TransientError: S3 does not answer
    """
    settings = settings_of(dataset)
    forms, exact = {}, set()
    for day in days:
        known = manifest_of_day(s3, settings, dataset.name, day)
        if known is None:
            raise Refused(f"{settings.url}dt={day}/ has no manifest any more, so {day} cannot be restored. Plan again.")
        index, archived = dataset.raw_index(day), known.manifest.index
        if archived:
            forms[index] = ArchivedForm.of(archived)
        if not archived or not archived.reconstructed:
            exact.add(index)
    return RestoredDays(RestoredForms(forms, keep_until), Restore(frozenset(exact)))


def wanted_for(days: int | None, then: Then, now: datetime) -> Wanted:
    """Until when a restore wants its raw days.

    :param days: as a person said; None: :data:`KEEP_DAYS`, or not at all if the days are dropped right away
    :param then: what becomes of the days
    :param now: aware
    """
    usual = 0 if then == "condense_and_drop" else KEEP_DAYS
    until = now.astimezone(UTC).replace(microsecond=0) + timedelta(days=usual if days is None else days)
    return Wanted(until, exactly=days is not None)
