"""Archived days: the manifest, every object that it names, and the rows against its totals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.archive.export.folder import DayFolder, KnownManifest
from opensearch_strata.archive.store.manifest import Manifest
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.definition.archive import COLD_CLASSES
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify.totals import totals_of_rows
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.audit.against_manifest import differences, unreadable_totals
from opensearch_strata.workflows.audit.findings import Finding, Severity
from opensearch_strata.workflows.audit.inventory import DayState
from opensearch_strata.workflows.audit.looking import moving

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_WARMTH = ("STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", *COLD_CLASSES)
"""Storage classes in the order in which a lifecycle rule may move objects:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""

_TRIES = 3  # to read rows and manifest while neither of them changes


@dataclass(frozen=True)
class ArchiveSeen:
    """The archive of a day, as the audit found it.

    :param holds: whether its manifest and all its objects are what was proven
    :param documents: that its manifest names
    :param version: UUID and sequence numbers of the raw index that was archived; None in old manifests
    :param totals_agree: whether the rows amount to what its manifest says; None if that was not compared
    :param checked: whether S3 could be asked if its objects are the very ones that were proven
    :param rows_proven: whether its manifest shows that the day had proven rows when it was archived
    """

    day: date
    holds: bool = False
    documents: int = 0
    version: tuple[str, tuple[int, ...]] | None = None
    totals_agree: bool | None = None
    checked: bool = True
    rows_proven: bool = False
    findings: list[Finding] = field(default_factory=list)


def listed_archive(dataset: Dataset, state: DayState) -> ArchiveSeen | None:
    """The archive of a day as far as the list of its objects shows it; None if there are none. Pure.

    Nothing is read of it, so what it holds is unknown: it counts as sound if it has a manifest.
    """
    if not state.objects:
        return None
    if not state.has_manifest:
        return ArchiveSeen(state.day, findings=[_without_manifest(dataset, state)])
    return ArchiveSeen(state.day, holds=True)


def see_archive(client: OpenSearch, s3: BaseClient, dataset: Dataset, state: DayState) -> ArchiveSeen:
    """Look at the archive of a day that has objects in its folder.

    :raises Refused: S3 may not be read
    :raises TransientError: S3 or OpenSearch did not answer
    """
    folder = DayFolder(s3, settings_of(dataset), state.day)
    known, problem = _read(dataset, folder, state.day)
    if known is None and not problem:
        return ArchiveSeen(state.day, findings=[_without_manifest(dataset, state)])
    if problem or known is None:
        other = known.manifest if known else None
        return ArchiveSeen(state.day, findings=[_broken(dataset, folder, state, problem, other)])
    manifest = known.manifest
    problem = _missing(folder, known)
    findings = [_broken(dataset, folder, state, problem, manifest)] if problem else []
    findings += _classes(dataset, folder, state, manifest)
    checked = all(one.etag or one.checksum for one in manifest.objects)
    if not checked and not problem:
        findings.append(_unchecked(dataset, state))
    agree = None
    if unreadable := unreadable_totals(manifest):
        told = f"{known.place} is damaged: {unreadable}, so that its rows cannot be compared with it."
        findings.append(Finding("archive", state.day, told, "would be lost", _put_back(folder.url)))
    elif state.rows and state.documents in (None, manifest.documents):
        agree, differs = _against_totals(client, dataset, folder, known, state)
        findings += differs
    index = manifest.index
    return ArchiveSeen(
        day=state.day,
        holds=not problem,
        documents=manifest.documents,
        version=(index.uuid, index.sequence) if index else None,
        totals_agree=agree,
        checked=checked,
        rows_proven=manifest.fingerprint is not None,
        findings=findings,
    )


def _read(dataset: Dataset, folder: DayFolder, day: date) -> tuple[KnownManifest | None, str]:
    """The manifest, and why it cannot count."""
    try:
        with s3_errors(f"{folder.url} cannot be looked at"):
            known = folder.read()
    except DefinitionError as error:
        return None, str(error)
    if known and (known.manifest.dataset, known.manifest.day) != (dataset.name, day):
        return known, f"{known.place} is the archive of {known.manifest.dataset!r}, day {known.manifest.day}."
    if known and (problem := known.manifest.contradiction):
        return known, f"{known.place} contradicts itself. {problem}"
    return known, ""


def _missing(folder: DayFolder, known: KnownManifest) -> str:
    """Why the archive is not what was proven; empty if it is.

    :raises Refused: S3 does not let us look
    """
    for last_try in (False, True):
        with s3_errors(f"{folder.url} cannot be looked at"):
            try:
                folder.require_there(known)
            except Refused as error:
                now = None if last_try else folder.read()  # the day may just have been archived again
                if now is None or now.etag == known.etag:
                    return str(error)
                known = now
            else:
                break
    return ""


def severity_of(state: DayState, documents: int = 0) -> Severity:
    """How bad it is that the archive of a day does not hold.

    :param documents: that were archived, as far as it is known
    """
    gone = state.documents is None and not state.problem
    return "lost" if gone or (state.documents is not None and state.documents < documents) else "would be lost"


def _broken(dataset: Dataset, folder: DayFolder, state: DayState, problem: str, manifest: Manifest | None) -> Finding:
    cure = _put_back(folder.url)
    if manifest and manifest.dataset != dataset.name:
        cure = f"Give {dataset.name!r} or {manifest.dataset!r} another archive.prefix, and put the right manifest back."
    elif state.documents is not None:
        cure += f" Or archive the raw day again: move the folder elsewhere, then {_again(dataset)}"
    return Finding("archive", state.day, problem, severity_of(state, manifest.documents if manifest else 0), cure)


def _put_back(url: str) -> str:
    return f"Put it back from an earlier version of the bucket or from a copy, into {url}."


def _unchecked(dataset: Dataset, state: DayState) -> Finding:
    told = (
        "Its manifest notes neither ETags nor checksums of its objects: they are there, but only reading them shows "
        "whether they are those that were written."
    )
    return Finding("archive", state.day, told, "look", f"strata archives {dataset.name} --deep")


def _without_manifest(dataset: Dataset, state: DayState) -> Finding:
    objects, settings = counted(len(state.objects), "object"), settings_of(dataset)
    url = f"s3://{settings.bucket}/{settings.folder(state.day)}"
    if state.documents is not None and state.linked:
        told = f"Its archive has {objects} but no manifest: it was deleted since the day was archived."
        cure = f"{_put_back(url)} Or archive the raw day again: {_again(dataset)}"
        return Finding("archive", state.day, told, "would be lost", cure)
    if state.documents is not None:
        told = f"Its archive has {objects} but no manifest: an export did not end."
        return Finding("archive", state.day, told, "look", f"Nothing: the next export clears it up. {_again(dataset)}")
    return Finding(
        "archive", state.day, f"Its archive has {objects} but no manifest, and the raw day is gone.", "lost",
        f"Put _manifest.json back into {url} from an earlier version of the bucket.",
    )  # fmt: skip


def _again(dataset: Dataset) -> str:
    return f"strata archive {dataset.name} --from {{first}} --to {{last}} --apply"


def _classes(dataset: Dataset, folder: DayFolder, state: DayState, manifest: Manifest) -> Iterator[Finding]:
    """Objects that cannot be read at once, and those that cost more than the dataset wants."""
    wanted = settings_of(dataset).storage_class
    named = {name: state.objects[name] for name in manifest.names if name in state.objects}
    cold = [name for name, one in named.items() if one.storage_class in COLD_CLASSES and not one.restored]
    if cold:
        classes = ", ".join(sorted({named[name].storage_class for name in cold}))
        yield Finding(
            "storage class", state.day, f"Its objects are in {classes}: S3 must restore them before they can be read.",
            "look",
            f"Nothing, until the day is wanted. Then: aws s3api restore-object --bucket {settings_of(dataset).bucket} "
            f"--restore-request Days=7 --key KEY, for each object in {folder.url}.",
        )  # fmt: skip
    warm = {one.storage_class for one in named.values() if _warmer(one.storage_class, wanted)}
    if warm:
        yield Finding(
            "storage class", state.day,
            f"Its objects are in {', '.join(sorted(warm))}, although archive.storage_class is {wanted}.", "look",
            "Let a lifecycle rule of the bucket move them, which keeps their ETags. Copying them would not.",
        )  # fmt: skip


def _warmer(one: str, wanted: str) -> bool:
    return one in _WARMTH and _WARMTH.index(one) < _WARMTH.index(wanted)


def _against_totals(
    client: OpenSearch, dataset: Dataset, folder: DayFolder, known: KnownManifest, state: DayState
) -> tuple[bool | None, list[Finding]]:
    """Whether the rows are those of a manifest, and what to say if they are not.

    If they are not, both are read again until neither changed in between: a day may just be condensed and archived.
    """
    manifest, version = known.manifest, state.rows.version if state.rows else ""
    documents = state.rows.documents if state.rows else 0
    differs: list[str] = []
    for _ in range(_TRIES):
        differs = _differences(client, dataset, state, manifest, documents)
        if not differs:
            return True, []
        with s3_errors(f"{folder.url} cannot be looked at"):
            again = folder.read()
        now = carried(client, dataset, state.day)
        if again and (again.etag, now.rows_version) == (known.etag, version):
            is_proven = state.has_proven_rows and state.rows is not None and state.rows.version == version
            return False, [_tampered(dataset, state, manifest, documents, differs, is_proven=is_proven)]
        if again is None or (again.manifest.dataset, again.manifest.day) != (manifest.dataset, manifest.day):
            break
        known, manifest, version, documents = again, again.manifest, now.rows_version, now.documents
    return None, [moving(state.day, _told(differs))]


def _differences(
    client: OpenSearch, dataset: Dataset, state: DayState, manifest: Manifest, documents: int
) -> list[str]:
    try:
        totals = totals_of_rows(client, dataset, state.day) if manifest.metrics else {}
    except Refused as error:
        return [str(error)]
    return differences(dataset, manifest, documents, totals)


def _told(differs: list[str]) -> str:
    return f"Its rows are not those that were archived: {', '.join(differs)}."


def _tampered(
    dataset: Dataset, state: DayState, manifest: Manifest, documents: int, differs: list[str], *, is_proven: bool
) -> Finding:
    told = _told(differs)
    if manifest.fingerprint != dataset.fingerprint:
        cure = "Nothing, if the definition of these metrics was changed since the day was archived."
        return Finding("rows", state.day, told, "look", cure)
    if state.documents is not None:
        cure = f"strata verify {dataset.name} {{first}} --repair"
        return Finding("rows", state.day, told, "would be lost", cure)
    if is_proven:
        return Finding("archive", state.day, *_not_of_its_rows(manifest, documents, differs))
    return Finding("rows", state.day, told, "would be lost", from_archive(dataset, manifest.documents, documents))


def _not_of_its_rows(manifest: Manifest, documents: int, differs: list[str]) -> tuple[str, Severity, str]:
    """What to say of an archive if nobody touched the rows since they were proven: it is the archive that is wrong."""
    told = f"Its archive is not that of its rows, which are those of their last proof: {', '.join(differs)}."
    cure = (
        f"Put a later version of the folder back: this is generation {manifest.generation}. Do not condense the day "
        f"from it: its rows are right."
    )
    return told, "lost" if manifest.documents < documents else "would be lost", cure


def from_archive(dataset: Dataset, archived: int, in_rows: int) -> str:
    """The cure of rows that are wrong or missing while the archive has the documents. It never costs any of them.

    :param archived: documents of the archive
    :param in_rows: documents that the rows stand for now; 0 if there are none
    """
    if in_rows > archived:
        return (
            f"Keep its rows: they stand for {counted(in_rows - archived, 'document')} that its archive lacks. Find out "
            f"who wrote to the month; condense the day again only if these documents are in its raw day."
        )
    more = " --allow-poorer" if in_rows else ""  # the rows are not of these documents, so they are no reason to refuse
    return (
        f"strata backfill {dataset.name} --source archive --from {{first}} --to {{last}} --apply; then, for each day, "
        f"strata condense {dataset.name} DAY{more} and strata verify {dataset.name} DAY."
    )
