"""Archived days drawn by chance, restored into scratch indices, condensed, and compared with their rows bin for bin.

The only proof of an archive that needs to believe nobody: the documents come from S3, the rows are computed by the same
code as every row, and they must be those that readers get.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.decode.layers import TooLarge, decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.folder import DayFolder, KnownManifest
from opensearch_strata.archive.load.scratch_load import write_archived
from opensearch_strata.archive.store.manifest import ArchivedIndex, Measure
from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone, open_object
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.archive.targets.disk import free_below_watermark
from opensearch_strata.connections import decisive
from opensearch_strata.definition.archive import COLD_CLASSES
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused, StrataError
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify.same_rows import compare_rows
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.audit.archived import from_archive, severity_of
from opensearch_strata.workflows.audit.cost import Cost, Meter
from opensearch_strata.workflows.audit.drawn_days.scratch_indices import Scratch, drop, make_raw, scratch_of
from opensearch_strata.workflows.audit.findings import Finding, failed, is_bad
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, StoredObject
from opensearch_strata.workflows.audit.looking import moving

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_UNREADABLE = (Refused, Damaged, TooLarge, ObjectGone, ObjectChanged)
_MOST_TRIED = 20  # manifests that are read to find a day that can be compared


@dataclass(frozen=True)
class Drawn:
    """An archived day that is to be restored.

    :param known: its manifest, which names at least one document
    """

    state: DayState
    known: KnownManifest

    @property
    def cost(self) -> Cost:
        """What its restore will take."""
        manifest = self.known.manifest
        stored = sum(one.size for name, one in self.state.objects.items() if name in manifest.names)
        return Cost(manifest.documents if manifest.index else 0, stored, len(manifest.objects))

    @property
    def bytes(self) -> int:
        """Bytes of its documents."""
        return sum(one.bytes for one in self.known.manifest.objects)


def draw(s3: BaseClient, dataset: Dataset, inventory: Inventory, seed: str, number: int) -> list[Drawn]:
    """Choose archived days by chance; the same seed chooses the same days as long as they can be compared.

    A day can be compared if its rows carry as many documents as its archive, and if S3 reads its objects at once.

    :param seed: any text
    :param number: how many days
    """
    candidates = [
        state
        for state in inventory.days
        if state.has_manifest and state.rows and not any(map(_is_cold, state.objects.values()))
    ]
    drawn: list[Drawn] = []
    for state in sorted(candidates, key=lambda state: _place(seed, dataset, state.day))[:_MOST_TRIED]:
        if len(drawn) == number:
            break
        known = _known(s3, dataset, state)
        if known:
            drawn.append(Drawn(state, known))
    return drawn


def _is_cold(one: StoredObject) -> bool:
    return one.storage_class in COLD_CLASSES and not one.restored


def _place(seed: str, dataset: Dataset, day: date) -> bytes:
    return hashlib.sha256(f"{seed}\0{dataset.name}\0{day}".encode()).digest()


def _known(s3: BaseClient, dataset: Dataset, state: DayState) -> KnownManifest | None:
    """The manifest of a day that can be compared; what is wrong with other manifests, the audit of their days says."""
    folder = DayFolder(s3, settings_of(dataset), state.day)
    try:
        with s3_errors(f"{folder.url} cannot be looked at"):
            known = folder.read()
    except DefinitionError:
        return None
    if known is None or (known.manifest.dataset, known.manifest.day) != (dataset.name, state.day):
        return None
    documents = known.manifest.documents
    comparable = state.rows is not None and documents == state.rows.documents
    return known if documents and comparable else None


def restore_drawn(
    client: OpenSearch,
    s3: BaseClient,
    dataset: Dataset,
    drawn: Drawn,
    owner: str,
    meter: Meter,
    on_documents: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Restore a day into scratch indices, condense and compare it, and drop them again, whatever happens.

    A day whose manifest does not say which mapping it had is only read. What is found counts only if neither its
    archive nor its rows change meanwhile.

    :param owner: this run
    :param on_documents: called with documents that were written or condensed since
    :raises TransientError: OpenSearch or S3 did not answer; nothing was found out
    """
    day = drawn.state.day
    index = drawn.known.manifest.index
    before = (drawn.known.etag, drawn.state.rows.version if drawn.state.rows else "")
    if index is None:
        found = [*_read_only(s3, dataset, drawn, meter)]
    else:
        found = _restored(client, s3, dataset, drawn, index, owner, meter, on_documents)
    if failed(found) and _versions(client, s3, dataset, day) != before:
        told = "It was drawn, and archived or condensed again before it was read and compared."
        return [moving(day, told), *(one for one in found if not is_bad(one))]
    return found


def _versions(client: OpenSearch, s3: BaseClient, dataset: Dataset, day: date) -> tuple[str, str]:
    """What changes when a day is archived again, and when its rows are written."""
    folder = DayFolder(s3, settings_of(dataset), day)
    with s3_errors(f"{folder.url} cannot be looked at"):
        known = folder.read()
    return known.etag if known else "", carried(client, dataset, day).rows_version


def _read_only(s3: BaseClient, dataset: Dataset, drawn: Drawn, meter: Meter) -> Iterator[Finding]:
    """Read every object of an archive, and compare it with what its manifest says of its content."""
    day, manifest = drawn.state.day, drawn.known.manifest
    folder = DayFolder(s3, settings_of(dataset), day)
    try:
        with s3_errors(f"{folder.url} cannot be read"):
            for archived in manifest.objects:
                place = Place(drawn.known.place.bucket, folder.key_of(archived.key), archived.etag or "")
                there = drawn.state.objects.get(archived.key.rpartition("/")[2])
                measure = Measure()
                for block in decoded(open_object(s3, place, there.size if there else 0)):
                    measure.add(block)
                if difference := measure.difference(archived):
                    raise Refused(f"{place} is not what was written: {difference}.")
        meter.add(bytes=drawn.cost.bytes)
    except _UNREADABLE as error:
        yield _unrestorable(folder, drawn, error)
        return
    documents = counted(manifest.documents, "document")
    told = f"It was drawn and read: its {documents} are those of its manifest, which does not say which mapping it had."
    yield Finding("restored", day, told, "fine")


def _unrestorable(folder: DayFolder, drawn: Drawn, error: Exception) -> Finding:
    cure = f"Put the archive back from an earlier version of the bucket or from a copy, into {folder.url}."
    told = f"It was drawn, and could not be restored: {explain(error)}"
    severity = severity_of(drawn.state, drawn.known.manifest.documents)
    return Finding("restored", drawn.state.day, told, severity, cure)


def _restored(
    client: OpenSearch,
    s3: BaseClient,
    dataset: Dataset,
    drawn: Drawn,
    index: ArchivedIndex,
    owner: str,
    meter: Meter,
    on_documents: Callable[[int], None],
) -> list[Finding]:
    day = drawn.state.day
    findings: list[Finding] = []
    try:
        scratch = scratch_of(dataset, day, owner)
        _require_room(client, drawn)
        make_raw(client, scratch, index)
    except Refused as error:
        return [_not_restored(day, str(error))]
    try:
        findings += _compared(client, s3, dataset, drawn, scratch, meter, on_documents)
    finally:
        findings += _dropped(client, scratch)
    return findings


def _require_room(client: OpenSearch, drawn: Drawn) -> None:
    free = free_below_watermark(client)
    if free is not None and drawn.bytes > free:
        raise Refused(f"{size(drawn.bytes)} of documents do not fit below the high watermark ({size(free)} are free).")


def _not_restored(day: date, why: str) -> Finding:
    return Finding("restored", day, f"It was drawn, but not restored. {why}", "look", "Do what the sentence says.")


def _compared(
    client: OpenSearch,
    s3: BaseClient,
    dataset: Dataset,
    drawn: Drawn,
    scratch: Scratch,
    meter: Meter,
    on_documents: Callable[[int], None],
) -> Iterator[Finding]:
    from opensearchpy import AuthorizationException, RequestError

    day, manifest = drawn.state.day, drawn.known.manifest

    def on_written(documents: int) -> None:
        meter.add(documents=documents)
        on_documents(documents)

    folder = DayFolder(s3, settings_of(dataset), day)
    try:
        with s3_errors(f"{folder.url} cannot be read"):
            content = write_archived(client, s3, drawn.known, folder.key_of, scratch.raw, on_written)
        meter.add(bytes=drawn.cost.bytes)
        _require_same(client, drawn, scratch, content.digest)
    except _UNREADABLE as error:
        yield _unrestorable(folder, drawn, error)
        return
    try:
        condense(client, scratch.dataset, day, engine="search", on_documents=on_documents)
    except (Refused, DefinitionError, RequestError, AuthorizationException) as error:
        told = f"It was drawn and restored, but could not be condensed: {explain(error)}"
        cure = (
            "Do what the sentence says, and exclude strata-audit-* from the patterns of index templates; its archive "
            "holds every document."
        )
        yield Finding("restored", day, told, "look", cure)
        return
    compared = compare_rows(client, dataset, scratch.dataset, day)
    documents, rows = counted(manifest.documents, "document"), counted(compared.rows, "row")
    if compared.holds:
        told = f"It was drawn and restored: {documents} gave the very {rows} that history has."
        yield Finding("restored", day, told, "fine")
        return
    told = f"It was drawn and restored: {documents} gave {rows}, but history has others: {compared.difference}."
    if _is_older(dataset, drawn):
        cure = "Nothing, if the definition of these metrics was changed since the day was archived."
        yield Finding("restored", day, told, "look", cure)
    else:
        in_rows = drawn.state.rows.documents if drawn.state.rows else 0
        cure = from_archive(dataset, manifest.documents, in_rows)
        if drawn.state.has_proven_rows:
            cure = (
                "Its rows are those of their last proof, so do not condense the day from its archive. Put a later "
                "version of its folder back, if the bucket has one."
            )
        if drawn.state.documents is not None:
            cure = f"strata verify {dataset.name} {{first}} --repair"
        yield Finding("restored", day, told, "would be lost", cure)


def _is_older(dataset: Dataset, drawn: Drawn) -> bool:
    """Whether the rows may be from another definition than the present one."""
    return drawn.known.manifest.fingerprint != dataset.fingerprint


def _require_same(client: OpenSearch, drawn: Drawn, scratch: Scratch, digest: str) -> None:
    manifest = drawn.known.manifest
    if manifest.digest and digest != manifest.digest:
        raise Refused("Its documents are not those of its manifest: the digest differs.")
    found = decisive.count(client, scratch.raw)
    if found != manifest.documents:
        raise Refused(f"{found:,} of {counted(manifest.documents, 'document')} are in the scratch index.")


def _dropped(client: OpenSearch, scratch: Scratch) -> list[Finding]:
    from opensearchpy import OpenSearchException

    try:
        drop(client, scratch)
    except (StrataError, OpenSearchException) as error:
        told = f"Its scratch indices could not be dropped. {explain(error)}"
        return [Finding("leftover", scratch.day, told, "look", "Nothing: the next audit drops them.")]
    return []
