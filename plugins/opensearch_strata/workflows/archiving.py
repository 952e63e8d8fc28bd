"""A raw day to its proven archive, and what a deletion demands of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from opensearch_strata.archive.export.day import ArchiveCheck, DayExport, ExportedDay, OnStep
from opensearch_strata.archive.export.folder import DayFolder, KnownManifest, OtherExportError
from opensearch_strata.archive.export.source_index import source_index
from opensearch_strata.archive.store.manifest import Manifest, MetricTotals
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.connections import decisive
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.history.raw_day.inspection import RawDay
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.sketches.ddsketch import pack, step_of

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

ArchiveOutcome = Literal["archived", "already archived"]


@dataclass(frozen=True)
class ProvenArchive:
    """A raw day as it was when its archive was proven, and the manifest that proves it.

    :param url: of the manifest
    :param etag: of the manifest
    :param uuid: of the raw index
    :param sequence: highest sequence number of each of its primary shards
    :param documents: that it held
    :param history: history UUID of the raw index
    """

    url: str
    etag: str
    uuid: str
    sequence: tuple[int, ...]
    documents: int
    history: str = ""

    def as_json(self) -> dict[str, Any]:
        """As a small JSON object, for a task that deletes what another one has archived."""
        return {**vars(self), "sequence": list(self.sequence)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ProvenArchive:
        """The reverse of :meth:`as_json`.

        :param value: a JSON object, parsed
        """
        return cls(**{**value, "sequence": tuple(value["sequence"])})


@dataclass(frozen=True)
class ArchivedDay:
    """What became of a day.

    :param manifest: the one that counts now
    :param checks: lines of the proof, empty if nothing had to be written or read
    """

    index: str
    day: date
    outcome: ArchiveOutcome
    manifest: Manifest
    proven: ProvenArchive
    checks: tuple[ArchiveCheck, ...] = ()

    @property
    def stored_bytes(self) -> int:
        """Bytes of its objects in S3."""
        return sum(one.stored_bytes or 0 for one in self.manifest.objects)


def settings_of(dataset: Dataset) -> ArchiveSettings:
    """Where a dataset's raw days are archived.

    :raises DefinitionError: it does not say
    """
    if dataset.archive is None:
        raise DefinitionError(
            f"Dataset {dataset.name!r} does not say where its raw days are archived. Name a bucket in its archive: key."
        )
    return dataset.archive


def archive_day(
    client: OpenSearch, s3: BaseClient, dataset: Dataset, proof: Proof, on_step: OnStep = lambda *_: None
) -> ArchivedDay:
    """Archive a raw day whose rows are proven, unless its archive holds the very same documents.

    Objects are written first, read back, and compared with a second reading of the index; the manifest is written last.
    What fails leaves the archive as it was.

    :param proof: of the day's rows, just made
    :param on_step: called with the name of a step and the documents that it has done since
    :raises Refused: the rows are not proven, the day holds less than its archive, the archive is of another dataset, or
        what was written is not what the index holds
    :raises TransientError: the day was written to meanwhile, or another export was faster
    """
    raw = proof.raw
    if raw is None or proof.state not in ("verified", "held"):
        raise Refused(f"{proof.index} was not archived: its rows are not proven ({proof.state}). Nothing was changed.")
    settings = settings_of(dataset)
    folder = DayFolder(s3, settings, proof.day)
    with s3_errors(f"{raw.index} cannot be archived to {folder.url}"):
        known = folder.read()
        task = _Task(client, s3, dataset, settings, folder, raw, on_step)
        if known and task.holds(known) and not folder.damage(known):
            if any(leftovers := folder.leftovers(known)):
                known = folder.renew(known)
            folder.tidy(known, leftovers)
            return ArchivedDay(raw.index, raw.day, "already archived", known.manifest, _proven(known, raw))
        return task.archive(proof, known)


@dataclass(frozen=True)
class _Task:
    client: OpenSearch
    s3: BaseClient
    dataset: Dataset
    settings: ArchiveSettings
    folder: DayFolder
    raw: RawDay
    on_step: OnStep

    def holds(self, known: KnownManifest) -> bool:
        """Whether a manifest names the very documents of the day, all of them.

        :raises Refused: it is of another dataset or day, or holds more
        """
        manifest, raw = known.manifest, self.raw
        require_own(known, self.dataset, raw)
        if manifest.names_all_of(raw.uuid, raw.history, raw.sequence) and manifest.documents == raw.documents:
            return True
        require_not_poorer(self.folder, known, raw)
        if raw.documents != manifest.documents or not manifest.is_complete:
            return False
        export = self._export("")
        content, differ = export.read_again(export.count_by_hour())
        self._require_unchanged()
        if differ or content.digest != manifest.digest:
            return False
        self.folder.note_same(known, raw.uuid, raw.history, raw.sequence)
        return True

    def archive(self, proof: Proof, known: KnownManifest | None) -> ArchivedDay:
        attempt = uuid4().hex[:12]
        try:
            exported = self._export(attempt).run()
            self._require_unchanged()
            if exported.failed:
                lines = ", ".join(f"{check.name}: {check.raw} against {check.archive}" for check in exported.failed)
                raise Refused(f"The archive of {self.raw.index} was not proven, and was removed again: {lines}.")
            if known and (self.settings.keep_superseded or not self._grew(known)):
                self.folder.keep(known)
            leftovers = self.folder.leftovers(known, attempt)
        except BaseException:
            self.folder.remove(attempt)
            raise
        try:  # whatever else happens here, the manifest may have been written: its objects stay
            written = self.folder.write(self._manifest(proof, exported, known), known)
        except OtherExportError:
            self.folder.remove(attempt)
            raise
        if damage := self.folder.damage(written):
            if known:
                self.folder.write(known.manifest, written)
            raise TransientError(f"{damage} It was removed while it was written; the day is kept. Run again.")
        self.folder.tidy(written, leftovers)
        if known:
            self.folder.remove_former(known, written)
        self.folder.require_there(written)
        proven = _proven(written, self.raw)
        return ArchivedDay(self.raw.index, self.raw.day, "archived", written.manifest, proven, exported.checks)

    def _grew(self, known: KnownManifest) -> bool:
        """Whether the day holds everything that its former archive holds: it is the same index, and every operation
        since then has added a document."""
        index = known.manifest.index
        if index is None or not known.manifest.is_complete or not index.is_of(self.raw.uuid, self.raw.history):
            return False
        operations = sum(self.raw.sequence) - sum(index.sequence)
        return operations == self.raw.documents - known.manifest.documents

    def _export(self, attempt: str) -> DayExport:
        return DayExport(
            client=self.client,
            s3=self.s3,
            settings=self.settings,
            source=source_index(self.client, self.raw.index, self.raw.sequence),
            timestamp=self.dataset.raw.timestamp,
            documents=self.raw.documents,
            folder=self.folder.prefix,
            attempt=attempt,
            alike=alike_field(self.dataset),
            on_step=self.on_step,
        )

    def _require_unchanged(self) -> None:
        from opensearchpy import NotFoundError

        try:
            now = decisive.primaries(self.client, self.raw.index)
        except NotFoundError:
            now = None
        if now is None or (now.uuid, now.sequence) != (self.raw.uuid, self.raw.sequence):
            raise TransientError(
                f"{self.raw.index} was written to or deleted while it was archived. What was written of it was removed "
                f"again; the next run archives it."
            )

    def _manifest(self, proof: Proof, exported: ExportedDay, known: KnownManifest | None) -> Manifest:
        errors = self.dataset.sketches
        totals = {}
        for name, values in proof.metrics.items():
            bins = values.get("bins")
            sketch = pack(bins, step_of(errors[name])) if bins and name in errors else None
            stats = {stat: values.get(stat) for stat in ("count", "min", "max", "sum", "registers")}
            totals[name] = MetricTotals.model_validate({**stats, "sketch": sketch})
        return Manifest(
            dataset=self.dataset.name,
            day=self.raw.day,
            objects=exported.objects,
            generation=known.manifest.generation + 1 if known else 1,
            index=source_index(self.client, self.raw.index, self.raw.sequence).archived,
            hours=exported.hours.named,
            first=exported.hours.first,
            last=exported.hours.last,
            digest=exported.content.digest,
            metrics=totals,
            fingerprint=self.dataset.fingerprint,
            strata=installed_version(),
            proven_at=datetime.now(UTC),
        )


def installed_version() -> str | None:
    """The version of the package; None if it lies in a plugins folder."""
    try:
        return version("opensearch-strata")
    except PackageNotFoundError:
        return None


def _proven(known: KnownManifest, raw: RawDay) -> ProvenArchive:
    return ProvenArchive(str(known.place), known.etag, raw.uuid, raw.sequence, raw.documents, raw.history)


def require_own(known: KnownManifest, dataset: Dataset, raw: RawDay) -> None:
    """Demand that an archive is of this dataset and day.

    :param raw: the day that is to be archived
    :raises Refused: it is of another one
    """
    manifest = known.manifest
    if (manifest.dataset, manifest.day) != (dataset.name, raw.day):
        raise Refused(
            f"{known.place} is the archive of {manifest.dataset!r}, day {manifest.day}. {raw.index} cannot be archived "
            f"there. Give {dataset.name!r} another archive.prefix."
        )


def require_not_poorer(folder: DayFolder, known: KnownManifest, raw: RawDay) -> None:
    """Demand that a day holds at least as many documents as the archive whose place it is to take.

    :param folder: of the archive
    :param raw: the day that is to be archived
    :raises Refused: it holds fewer
    """
    if raw.documents < known.manifest.documents:
        raise Refused(
            f"{raw.index} holds {raw.documents:,} documents, but {known.place} names {known.manifest.documents:,}, so "
            f"it cannot take that archive's place. Restore the day first; or, if the day is right, move the folder "
            f"{folder.url} elsewhere."
        )


def require_archived(s3: BaseClient, dataset: Dataset, archive: ProvenArchive, raw: RawDay) -> None:
    """Demand that a raw day is still what its archive was proven for, and that the archive is still there.

    :param archive: what :func:`archive_day` proved
    :param raw: the day as it is now, before or under its write block
    :raises Refused: one of them changed; the raw day is kept
    """
    now = (raw.uuid, raw.history, raw.sequence, raw.documents)
    if now != (archive.uuid, archive.history, archive.sequence, archive.documents):
        raise Refused(f"{raw.index} was kept: it was written to since it was archived. The next run archives it again.")
    folder = DayFolder(s3, settings_of(dataset), raw.day)
    with s3_errors(f"{raw.index} was kept: its archive {archive.url} cannot be looked at"):
        known = folder.read()
        if known is None or known.etag != archive.etag:
            state = "is gone" if known is None else "was written anew"
            raise Refused(f"{raw.index} was kept: its manifest {archive.url} {state} since it was proven. Run again.")
        folder.require_there(known)


def alike_field(dataset: Dataset) -> str:
    """The field that lines are sorted by: documents of one group look alike."""
    return next(iter(dataset.history.group_by), dataset.raw.timestamp)
