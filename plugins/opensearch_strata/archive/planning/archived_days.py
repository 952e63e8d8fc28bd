"""The archived days of a range, and their objects, as their manifests name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.folder import DayFolder, KnownManifest
from opensearch_strata.archive.store.listing import is_in_glacier, listed_pages
from opensearch_strata.archive.store.manifest import Archived
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient

_DAY = re.compile(r"(?:.*/)?dt=(\d{4}-\d{2}-\d{2})/[^/]+")


class ArchivedDays:
    """The objects of a dataset's archived days. It lists them as a source does, but by manifests.

    :param s3: client of the archive's bucket
    :param settings: where the archive is
    :param dataset_name: the dataset that the archive must be of
    :param days: the days to look for, ascending
    """

    def __init__(self, s3: BaseClient, settings: ArchiveSettings, dataset_name: str, days: Sequence[date]) -> None:
        self._s3, self._settings, self._dataset_name, self._days = s3, settings, dataset_name, days
        self.archived: list[date] = []
        """Days that have a manifest; complete once everything has been listed, as are the following."""
        self.unarchived: list[date] = []
        """Days without a manifest."""
        self.missing: list[Place] = []
        """Objects that a manifest names, but that do not exist or are empty, in the version that it names."""
        self.entries: dict[Place, Archived] = {}
        """What the manifests say of the objects."""

    def __iter__(self) -> Iterator[tuple[ListedObject, bool]]:
        """Yield the objects of each day, each with whether it must first be restored from an archive tier.

        :raises DefinitionError: a manifest is not valid
        :raises Refused: S3 does not allow it, or a manifest is of another dataset or day
        :raises TransientError: S3 does not answer
        """
        with_folder = self._folders()
        for day in self._days:
            is_there = self._settings.folder(day) in with_folder
            known = manifest_of_day(self._s3, self._settings, self._dataset_name, day) if is_there else None
            if known is None:
                self.unarchived.append(day)
            else:
                self.archived.append(day)
                yield from self._objects(DayFolder(self._s3, self._settings, day), known)

    def _objects(self, folder: DayFolder, known: KnownManifest) -> Iterator[tuple[ListedObject, bool]]:
        bucket = self._settings.bucket
        pages = listed_pages(self._s3, bucket, folder.prefix, Delimiter="/", OptionalObjectAttributes=["RestoreStatus"])
        there: dict[str, dict[str, Any]] = {found["Key"]: found for page in pages for found in page.get("Contents", [])}
        for archived in known.manifest.objects:
            key = folder.key_of(archived.key)
            found = there.get(key)
            if not found or not found["Size"]:
                self.missing.append(Place(bucket, key, archived.etag or ""))
                continue
            place = Place(bucket, key, found["ETag"].strip('"'))
            self.entries[place] = archived
            modified = int(found["LastModified"].timestamp() * 1000)
            yield ListedObject(place, found["Size"], modified), is_in_glacier(found)

    def _folders(self) -> set[str]:
        """The prefixes of all days that anything is archived of: one request for each thousand of them."""
        pages = listed_pages(self._s3, self._settings.bucket, f"{self._settings.prefix}dt=", Delimiter="/")
        return {found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])}


def manifest_of_day(s3: BaseClient, settings: ArchiveSettings, dataset_name: str, day: date) -> KnownManifest | None:
    """The manifest of a day that counts; None if the day is not archived.

    :param settings: where the archive is
    :param dataset_name: the dataset that the archive must be of
    :raises DefinitionError: what is there is not a manifest
    :raises Refused: S3 does not allow it, or the manifest is of another dataset or day, or does not name the whole day
    :raises TransientError: S3 does not answer
    """
    from botocore.exceptions import BotoCoreError, ClientError

    folder = DayFolder(s3, settings, day)
    try:
        known = folder.read()
    except (BotoCoreError, ClientError) as error:
        sentence = f"The manifest in {folder.url} cannot be read. {explain(error)}"
        raise (TransientError if is_transient(error) else Refused)(sentence) from error
    if known and (known.manifest.dataset, known.manifest.day) != (dataset_name, day):
        raise Refused(
            f"{known.place} is the archive of {known.manifest.dataset!r}, day {known.manifest.day}, not of "
            f"{dataset_name!r}, day {day}. Nothing was loaded. Correct archive.bucket and archive.prefix."
        )
    if known and known.manifest.contradiction:
        raise Refused(
            f"{known.place} does not name the whole day. {known.manifest.contradiction} Nothing was loaded. Put an "
            f"earlier version of it back."
        )
    return known


def day_of_key(key: str) -> date:
    """The day of an object in an archive.

    :param key: the object's full key, with ``dt=2013-01-05/`` in it
    :raises ValueError: it is not the key of such an object
    """
    if not (named := _DAY.fullmatch(key)):
        raise ValueError(f"{key!r} does not lie in the folder of a day.")
    return date.fromisoformat(named[1])
