"""The objects of a source that may hold the events of a time range. They are listed page by page; those that are not
to be loaded are counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.keys import Arrival, Layout, Reason, arrival_of, is_error_folder, reason_apart
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.definition.loading.intake import length_of, split_s3_url
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.amounts import size as shown_size

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.definition.loading.intake import Intake

_ERROR_LAYOUT = "%Y/%m/%d/%H/"  # of error prefixes without a layout of their own
_MOST_FOLDERS = 10_000  # searched for error prefixes; where there are more, folders do not indicate anything
_MOST_HEADS = 10_000  # that the stars of a layout stand for
_FEW = 5
_ZEROS = "%m, %d and %H are numbers of two digits; %-m, %-d and %-H have no leading zero."
_IN_GLACIER = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Amount(NamedTuple):
    """A number of objects and their total size in bytes."""

    objects: int = 0
    size: int = 0

    def plus(self, size: int) -> Amount:
        """The amount with one more object.

        :param size: of the object, in bytes
        """
        return Amount(self.objects + 1, self.size + size)

    def __str__(self) -> str:
        """``30 objects, 31.3 KiB``."""
        return f"{counted(self.objects, 'object')}, {shown_size(self.size)}"


def amount_of(objects: Collection[ListedObject]) -> Amount:
    """The number and total size of objects.

    :param objects: as a source lists them
    """
    return Amount(len(objects), sum(listed.size for listed in objects))


class Listing:
    """The objects of a source that may hold events of a time range, in the order of their keys per prefix.

    An event with time t may be in objects that arrived from ``t - early`` to ``t + late``. If keys contain no time
    (``layout: null``), the time of the last change is taken as the arrival.

    :param start: start of the events, epoch milliseconds
    :param end: end of the events, exclusive
    :param dead_letters_url: the prefix of our dead letters, which may lie within the source
    """

    def __init__(
        self, s3: BaseClient, source_url: str, intake: Intake, start: int, end: int, dead_letters_url: str
    ) -> None:
        self._s3 = s3
        self._bucket, self._prefix = split_s3_url(source_url)
        bucket, prefix = split_s3_url(dead_letters_url)
        self._dead_letters = prefix if bucket == self._bucket and not self._prefix.startswith(prefix) else None
        zone = ZoneInfo(intake.layout_time_zone)
        self._layout = Layout(intake.layout, zone) if intake.layout else None
        self._skip_keys = intake.skip_keys
        self._error_layout = Layout(_ERROR_LAYOUT, zone)
        early, late = (
            length_of(text) // timedelta(milliseconds=1) for text in (intake.max_clock_lead, intake.max_lateness)
        )
        self._early, self._late = early, late
        self._arrived = (start - early, end + late)
        self.apart: dict[Reason, Amount] = {}
        """Objects that were listed but are not to be loaded; complete once everything has been listed."""
        self.too_late: list[ListedObject] = []
        """A few of the objects whose last change is too late for these days, if only that shows when they arrived."""
        self.error_prefixes: list[str] = []
        """Prefixes with records that Firehose could not deliver; complete once everything has been listed."""

    @cached_property
    def prefixes(self) -> list[str]:
        """The prefixes that are listed, each with everything below it.

        :raises Refused: S3 does not allow to look for what a ``*`` of the layout stands for, or that is too much
        :raises TransientError: S3 does not answer
        """
        layouts: Sequence[Layout | None] = self._layouts or [None]
        return [self._prefix + text for layout in layouts for text in self._texts(layout)]

    def __iter__(self) -> Iterator[tuple[ListedObject, bool]]:
        """Yield the objects to load, each with whether it must first be restored from an archive tier.

        :raises Refused: S3 does not allow it, the bucket does not exist, or the keys are laid out differently
        :raises TransientError: S3 does not answer
        """
        for prefix in self.prefixes:
            for found in self._objects(prefix):
                if reason := self._reason(found):
                    self._set_apart(reason, found)
                    if reason == "other_time" and not self._layout and not is_in_glacier(found):
                        self._see_too_late(self._listed(found))
                else:
                    yield self._listed(found), is_in_glacier(found)
        if self._layout:
            self._require_layout()
            self._count_errors()

    def arrival(self, key: str, modified: int) -> Arrival:
        """When an object arrived.

        :param key: the object's full key
        :param modified: time of its last change, epoch milliseconds; used if the key states no time
        """
        by_key = arrival_of(self._layout, key.removeprefix(self._prefix)) if self._layout else None
        return by_key or Arrival(modified, modified + 1000)  # S3 reports whole seconds

    def event_times(self, key: str, modified: int) -> tuple[int, int]:
        """The range of times that an object's events may have: epoch milliseconds, start inclusive, end exclusive.

        :param key: the object's full key
        :param modified: as for :meth:`arrival`
        """
        arrived = self.arrival(key, modified)
        return arrived.start - self._late, arrived.end + self._early

    def _require_layout(self) -> None:
        """Make sure that no folder is numbered differently from the layout, because it would never be listed.

        :raises Refused: there is such a folder
        """
        for layout in self._layouts[:_FEW]:  # one writer numbers the folders of all accounts and regions
            for moment, parent, units in layout.folders(self._arrived[0]):
                for folder in self._folders(self._prefix + parent):
                    if other := layout.misread(moment, folder.removeprefix(self._prefix), units):
                        raise Refused(
                            f"Keys of s3://{self._bucket}/{folder} are not laid out as intake.layout says, "
                            f"{layout.text!r}: use {other} there. {_ZEROS} Nothing was loaded."
                        )

    @cached_property
    def _layouts(self) -> list[Layout]:
        """The layout, once for each text that its stars stand for; empty without a layout."""
        if self._layout is None:
            return []
        first, *others = self._layout.literals
        heads = [first]
        for literal in others:
            found = (beginning + literal[1:] for head in heads for beginning in self._stands_for(head, literal[0]))
            heads = list(islice(found, _MOST_HEADS + 1))
            if len(heads) > _MOST_HEADS:
                raise Refused(
                    f"The stars of intake.layout, {self._layout.text!r}, stand for more than {_MOST_HEADS:,} texts in "
                    f"s3://{self._bucket}/{self._prefix}. Nothing was loaded; state more of the path in the layout or "
                    f"in the source."
                )
        return [self._layout.under(head) for head in heads]

    def _stands_for(self, head: str, until: str) -> Iterator[str]:
        """Yield the beginnings of keys that have some text between ``head`` and the next ``until``, which they end
        with."""
        for page in listed_pages(self._s3, self._bucket, self._prefix + head, Delimiter=until):
            for found in page.get("CommonPrefixes", []):
                beginning = found["Prefix"].removeprefix(self._prefix)
                if beginning != head + until:
                    yield beginning

    def _texts(self, layout: Layout | None) -> list[str]:
        return layout.prefixes(*self._arrived) if layout else [""]

    def _reason(self, found: dict[str, Any]) -> Reason | None:
        key, size = found["Key"], found["Size"]
        if self._dead_letters is not None and key.startswith(self._dead_letters):
            return "dead_letters"
        if reason := reason_apart(key.removeprefix(self._prefix), size, self._skip_keys):
            return reason
        if not self.arrival(key, _milliseconds(found)).meets(*self._arrived):
            return "other_time"
        return None

    def _listed(self, found: dict[str, Any]) -> ListedObject:
        place = Place(self._bucket, found["Key"], found["ETag"].strip('"'))
        return ListedObject(place, found["Size"], _milliseconds(found))

    def _set_apart(self, reason: Reason, found: dict[str, Any]) -> None:
        self.apart[reason] = self.apart.get(reason, Amount()).plus(found["Size"])
        if reason == "errors" and (prefix := self._error_prefix(found["Key"])) not in self.error_prefixes:
            self.error_prefixes.append(prefix)

    def _see_too_late(self, listed: ListedObject) -> None:
        if listed.modified >= self._arrived[1]:
            self.too_late = sorted([*self.too_late, listed], key=lambda one: crc32(one.place.key.encode()))[:_FEW]

    def _error_prefix(self, key: str) -> str:
        """The part of a key up to and including its error folder."""
        folders = key.removeprefix(self._prefix).split("/")[:-1]
        position = next(number for number, folder in enumerate(folders) if is_error_folder(folder))
        return self._prefix + "".join(f"{folder}/" for folder in folders[: position + 1])

    def _count_errors(self) -> None:
        """Count the objects under error prefixes, which lie next to the years, where a listing by time misses them."""
        for folder in self._folders(self._prefix):
            if is_error_folder(folder.removeprefix(self._prefix).rstrip("/")):
                for text in self._texts(self._error_layout):
                    for found in self._objects(folder + text):
                        self._set_apart("errors", found)

    def _folders(self, prefix: str) -> Iterator[str]:
        limits = {"MaxItems": _MOST_FOLDERS}
        for page in listed_pages(self._s3, self._bucket, prefix, Delimiter="/", PaginationConfig=limits):
            yield from (found["Prefix"] for found in page.get("CommonPrefixes", []))

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in listed_pages(self._s3, self._bucket, prefix, OptionalObjectAttributes=["RestoreStatus"]):
            yield from page.get("Contents", [])


def listed_pages(s3: BaseClient, bucket: str, prefix: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield the pages of a listing.

    :param bucket: its name
    :param prefix: how the keys begin
    :param options: for the paginator of ``list_objects_v2``
    :raises Refused: S3 does not allow it, or the bucket does not exist
    :raises TransientError: S3 does not answer
    """
    with s3_errors(f"s3://{bucket}/{prefix} cannot be listed"):
        yield from s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)


def is_in_glacier(found: Mapping[str, Any]) -> bool:
    """Whether an object is in an archive tier, from which S3 must restore it before it can be read.

    :param found: the object as S3 lists it, with ``RestoreStatus`` if it is being restored
    """
    restored = found.get("RestoreStatus", {}).get("RestoreExpiryDate") is not None
    return found.get("StorageClass") in _IN_GLACIER and not restored


def _milliseconds(found: dict[str, Any]) -> int:
    return int(found["LastModified"].timestamp() * 1000)
