"""What is archived of a dataset, whether it is still what was proven, and what is due."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.export.estimate import estimate_archive
from opensearch_strata.archive.export.folder import DayFolder, KnownManifest
from opensearch_strata.archive.export.read_back import read_back_all
from opensearch_strata.archive.export.source_index import source_index
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import expand
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.workflows.archiving import alike_field, require_not_poorer, require_own, settings_of

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_MANIFEST_GONE = (
    "it was deleted, and nobody can restore the day without it; put it back from an earlier version of the bucket"
)
_NOT_ENDED = (
    "an export has not ended; if the raw day is there, its next export removes the objects, else keep them: they may "
    "be the only copy"
)
_DAY = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/")


@dataclass(frozen=True)
class ArchiveState:
    """The archive of one day.

    :param generation: how often the day was archived; 0 without a manifest
    :param documents: that its manifest names
    :param stored_bytes: of its objects in S3
    :param proven_at: when all of them were proven, aware
    :param problem: why it is not what was proven, empty if it is
    """

    day: date
    generation: int = 0
    documents: int = 0
    objects: int = 0
    stored_bytes: int = 0
    proven_at: datetime | None = None
    problem: str = ""


def archive_states(
    s3: BaseClient, dataset: Dataset, *, deep: bool, on_documents: Callable[[int], None] = lambda _: None
) -> Iterator[ArchiveState]:
    """The archive of each day, oldest first: its manifest, and each object by its ETag, size and checksum.

    :param deep: also read every object and compare its lines, bytes, SHA-256 and the digest of all
    :param on_documents: called with documents that were read since
    :raises DefinitionError: the dataset has no archive
    """
    settings = settings_of(dataset)
    for day in sorted(_archived_days(s3, settings)):
        yield _state(s3, dataset, DayFolder(s3, settings, day), day, on_documents if deep else None)


def _archived_days(s3: BaseClient, settings: ArchiveSettings) -> set[date]:
    """Days that have a folder, one request for each thousand of them. Folders of no day in the calendar are not ours.

    :raises Refused: S3 may not be listed
    :raises TransientError: S3 did not answer
    """
    pages = listed_pages(s3, settings.bucket, f"{settings.prefix}dt=", Delimiter="/")
    folders = [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]
    days = set()
    for folder in folders:
        if named := _DAY.fullmatch(folder.removeprefix(settings.prefix)):
            with suppress(ValueError):
                days.add(date.fromisoformat(named[1]))
    return days


def _state(
    s3: BaseClient, dataset: Dataset, folder: DayFolder, day: date, on_documents: Callable[[int], None] | None
) -> ArchiveState:
    try:
        with s3_errors(f"{folder.url} cannot be looked at"):
            known = folder.read()
            was_archived = known is None and folder.was_archived()
    except DefinitionError as error:
        return ArchiveState(day, problem=str(error))
    if known is None:
        return ArchiveState(day, problem=f"there is no manifest: {_MANIFEST_GONE if was_archived else _NOT_ENDED}")
    manifest = known.manifest
    return ArchiveState(
        day,
        manifest.generation,
        manifest.documents,
        len(manifest.objects),
        sum(one.stored_bytes or 0 for one in manifest.objects),
        manifest.proven_at,
        _problem(s3, dataset, folder, day, known, on_documents),
    )


def _problem(
    s3: BaseClient,
    dataset: Dataset,
    folder: DayFolder,
    day: date,
    known: KnownManifest,
    on_documents: Callable[[int], None] | None,
) -> str:
    manifest = known.manifest
    if (manifest.dataset, manifest.day) != (dataset.name, day):
        return f"it is the archive of {manifest.dataset!r}, day {manifest.day}"
    try:
        with s3_errors(f"{folder.url} cannot be looked at"):
            folder.require_there(known)
            if on_documents:
                named = ((folder.key_of(archived.key), archived) for archived in manifest.objects)
                content = read_back_all(s3, known.place.bucket, named, on_documents)
                if manifest.digest and content.digest != manifest.digest:
                    return "its documents are not those of its manifest: the digest differs"
    except (Refused, Damaged, ObjectGone, ObjectChanged) as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class DayEstimate:
    """What archiving a day would do.

    :param outcome: ``would be archived`` or ``already archived``
    """

    day: date
    outcome: str
    documents: int
    objects: int
    bytes: int
    stored_bytes: int


def estimate_day(client: OpenSearch, s3: BaseClient, dataset: Dataset, day: date) -> DayEstimate | None:
    """How large the archive of a day is, or will be, about. Changes nothing.

    :param day: the raw day
    :returns: None if there is no raw day, or it is empty
    :raises Refused: it cannot be archived
    """
    settings, raw = settings_of(dataset), inspect_raw_day(client, dataset, day)
    if raw is None or not raw.documents:
        return None
    source = source_index(client, raw.index, raw.sequence)
    folder = DayFolder(s3, settings, day)
    with s3_errors(f"{folder.url} cannot be looked at"):
        known = folder.read()
        there = known.manifest if known and _holds(dataset, folder, known, raw) else None
    if there:
        stored, size = (sum(getattr(one, name) or 0 for one in there.objects) for name in ("stored_bytes", "bytes"))
        return DayEstimate(day, "already archived", there.documents, len(there.objects), size, stored)
    found = estimate_archive(client, source, raw.documents, settings.compression, alike_field(dataset))
    return DayEstimate(day, "would be archived", raw.documents, found.objects, found.bytes, found.stored_bytes)


def _holds(dataset: Dataset, folder: DayFolder, known: KnownManifest, raw: RawDay) -> bool:
    """Whether an archive is of a raw day as it is now, as far as that shows without reading the day.

    :raises Refused: the day may not take the archive's place
    """
    require_own(known, dataset, raw)
    if _is_of(folder, known, raw.uuid, raw.history, raw.sequence) and not folder.damage(known):
        return True
    require_not_poorer(folder, known, raw)
    return False


def days_due(client: OpenSearch, s3: BaseClient, dataset: Dataset, window_end: date) -> Iterator[date]:
    """Raw days that are old enough to be archived (``archive.after_days``) and differ from what their manifests name.

    A restored day is not due again while it is what it was when it was last compared with its archive. A day whose
    manifest or index cannot be read is due too: archiving it says why it cannot be, and does not keep the others from
    it.

    :param window_end: the newest complete day
    :raises Refused: the bucket may not be listed
    :raises TransientError: S3 or OpenSearch did not answer
    """
    settings = settings_of(dataset)
    if settings.after_days is None:
        return
    archived = _archived_days(s3, settings)
    for day, raw in sorted(_raw_days(client, dataset).items()):
        if (window_end - day).days + 1 < settings.after_days:
            continue
        try:
            due = _is_due(client, DayFolder(s3, settings, day), raw, has_folder=day in archived)
        except Exception:  # noqa: BLE001 - whatever it is, archiving the day raises it again
            due = True
        if due:
            yield day


def _is_due(client: OpenSearch, folder: DayFolder, raw: _RawIndex, *, has_folder: bool) -> bool:
    known = folder.read() if has_folder else None
    now = decisive.primaries(client, raw.name)
    return bool(now.documents) and not (known and _is_of(folder, known, now.uuid, raw.history, now.sequence))


def raw_days_between(client: OpenSearch, dataset: Dataset, first: date, last: date) -> list[date]:
    """The raw days of a range that exist, oldest first; also those that are closed or blocked.

    :param last: inclusive
    """
    return sorted(day for day in _raw_days(client, dataset) if first <= day <= last)


def _is_of(folder: DayFolder, known: KnownManifest, uuid: str, history: str, sequence: tuple[int, ...]) -> bool:
    """Whether an archive names all of this very index, or was found to hold the same."""
    manifest = known.manifest
    return manifest.names_all_of(uuid, history, sequence) or (
        manifest.is_complete and folder.is_same(known, uuid, history, sequence)
    )


class _RawIndex(NamedTuple):
    """A raw day's index.

    :param history: its history UUID, empty without one
    """

    name: str
    history: str


def _raw_days(client: OpenSearch, dataset: Dataset) -> dict[date, _RawIndex]:
    kept = "*.settings.index.uuid,*.settings.index.history"
    found = expand(client, dataset.raw.names.expression, kept)
    histories = {
        name: body["settings"]["index"].get("history", {}).get("uuid", "") for name, body in found.indices.items()
    }
    indices = [_RawIndex(name, histories.get(name, "")) for name in [*found.indices, *found.blocked]]
    named = ((dataset.raw.names.date_in(raw.name), raw) for raw in indices)
    return {day: raw for day, raw in named if day and not dataset.history.names.date_in(raw.name)}
