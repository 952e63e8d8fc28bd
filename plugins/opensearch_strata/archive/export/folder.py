"""The folder of an archived day in S3: its manifest, which counts, and objects that no manifest names any more.

A manifest is written once (``If-None-Match: *``) or in place of the one that was read (``If-Match``), so that of two
exports one wins: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

Leftovers of other exports are listed before a manifest is written, and removed after it. An export that is still under
way can then no longer win, because it began with another manifest: its objects are never removed from under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.decode.layers import TooLarge
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.parts import head
from opensearch_strata.archive.export.read_back import read_back
from opensearch_strata.archive.store.conditional import OtherWriterError, put_in_place
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.manifest import FORMER_NAME, NAME, Archived, Manifest, read_manifest
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.aws import error_code

if TYPE_CHECKING:
    from botocore.client import BaseClient

SYMLINKS = "hive/"
"""Beside the days, Hive's ``SymlinkTextInputFormat`` finds for each of them the objects that its manifest names, as S3
Inventory does it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html"""

SUPERSEDED = "superseded/"
"""Beside the days, archives that later ones took the place of, where a dataset keeps them."""

SAME = "_same.json"
"""In the folder of a day, the last raw index that was found to hold the very documents of the archive though it is
another one: the day was restored. It saves reading the index again each day; no deletion trusts it."""

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchUpload"})
_IN_ARCHIVE_TIER = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"})


class OtherExportError(TransientError):
    """Another export of the day was faster."""


class KnownManifest(NamedTuple):
    """A manifest as it is in S3.

    :param etag: of the manifest itself, without quotation marks
    """

    manifest: Manifest
    place: Place
    etag: str


class Leftovers(NamedTuple):
    """What exports left that did not win.

    :param keys: of objects
    :param uploads: key and id of each multipart upload that was not completed
    """

    keys: Sequence[str]
    uploads: Sequence[tuple[str, str]]


class DayFolder:
    """Everything that is archived of one day.

    :param s3: client of the bucket
    :param settings: where the archive is
    :param day: in the dataset's time zone
    """

    def __init__(self, s3: BaseClient, settings: ArchiveSettings, day: date) -> None:
        self._s3, self._settings, self._day = s3, settings, day
        self.prefix = settings.folder(day)

    @property
    def url(self) -> str:
        """``s3://bucket/prefix/dt=2013-01-05/``."""
        return f"s3://{self._settings.bucket}/{self.prefix}"

    def read(self) -> KnownManifest | None:
        """The manifest that counts; None if the day is not archived.

        :raises DefinitionError: what is there is not a manifest
        """
        for name in (NAME, FORMER_NAME):
            place = Place(self._settings.bucket, self.prefix + name)
            try:
                answer = self._s3.get_object(Bucket=place.bucket, Key=place.key)
            except self._s3.exceptions.ClientError as error:
                if error_code(error) in _ABSENT:
                    continue
                raise
            manifest = read_manifest(answer["Body"].read(), str(place))
            return KnownManifest(manifest, place, answer["ETag"].strip('"'))
        return None

    def write(self, manifest: Manifest, replaced: KnownManifest | None) -> KnownManifest:
        """Let a manifest count from now on.

        :param replaced: the one that was read; None if there was none
        :raises OtherExportError: another export was faster; nothing of this one counts
        """
        there = replaced.etag if replaced and replaced.place.key == self.prefix + NAME else ""
        place = Place(self._settings.bucket, self.prefix + NAME, there)
        more = {"ContentType": "application/json", **self._encryption()}
        try:
            etag = put_in_place(self._s3, place, manifest.written(), **more)
        except OtherWriterError:
            raise OtherExportError(
                f"{place} was written by another export meanwhile. Nothing of this one counts, and its objects are "
                f"removed; run again to see that the day is archived."
            ) from None
        return KnownManifest(manifest, Place(place.bucket, place.key), etag)

    def note_same(self, known: KnownManifest, uuid: str, history: str, sequence: tuple[int, ...]) -> None:
        """Note that a raw index holds the very documents of the archive.

        :param known: the manifest that counts
        :param uuid: of the index
        :param history: its history UUID, empty without one
        :param sequence: highest sequence number of each primary shard when it was read
        """
        body = _same(known, uuid, history, sequence)
        self._s3.put_object(Bucket=self._settings.bucket, Key=self.prefix + SAME, Body=body, **self._encryption())

    def is_same(self, known: KnownManifest, uuid: str, history: str, sequence: tuple[int, ...]) -> bool:
        """Whether :meth:`note_same` noted this very index for this very manifest.

        :param known: the manifest that counts
        :param uuid: of the index
        :param history: its history UUID, empty without one
        :param sequence: highest sequence number of each primary shard
        """
        try:
            answer = self._s3.get_object(Bucket=self._settings.bucket, Key=self.prefix + SAME)
        except self._s3.exceptions.ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
        return bool(answer["Body"].read() == _same(known, uuid, history, sequence))

    def keep(self, known: KnownManifest) -> None:
        """Copy an archive that is about to be superseded, as far as it is there, to where no reader looks for days.

        :param known: the one that still counts
        :raises Refused: S3 must first restore it from an archive tier
        """
        generation = f"generation={known.manifest.generation}-{known.etag[:8]}"
        to = f"{self._settings.prefix}{SUPERSEDED}dt={self._day.isoformat()}/{generation}/"
        bucket = self._settings.bucket
        for name in [*known.manifest.names, known.place.key.removeprefix(self.prefix)]:
            source = {"Bucket": bucket, "Key": self.prefix + name}
            try:
                self._s3.copy(source, bucket, to + name, ExtraArgs=self._encryption())
            except self._s3.exceptions.ClientError as error:
                if error_code(error) in _IN_ARCHIVE_TIER:
                    raise Refused(
                        f"s3://{bucket}/{self.prefix}{name} is in an archive tier, so it cannot be copied to {to}, "
                        f"where the former archive is kept. Restore it first (aws s3api restore-object), or copy the "
                        f"folder elsewhere and remove it."
                    ) from error
                if error_code(error) not in _ABSENT:
                    raise

    def _encryption(self) -> dict[str, str]:
        key = self._settings.kms_key
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}

    def leftovers(self, known: KnownManifest | None, own: str = "") -> Leftovers:
        """What exports left that did not win: objects that no manifest names, and uploads that were not completed.

        :param known: the manifest that counts now
        :param own: attempt whose objects are not leftovers
        """
        named = set(known.manifest.names) if known else set()
        bucket, ours = self._settings.bucket, f"-{own}."
        keys = [
            key for key in self._parts() if key.removeprefix(self.prefix) not in named and not (own and ours in key)
        ]
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=f"{self.prefix}part-")
        found = [(one["Key"], one["UploadId"]) for page in pages for one in page.get("Uploads", [])]
        return Leftovers(keys, [one for one in found if not (own and ours in one[0])])

    def renew(self, known: KnownManifest) -> KnownManifest:
        """Write a manifest again, so that no export that began with it can win any more.

        :param known: the one that was read
        :returns: the same with another ETag
        :raises OtherExportError: another export was faster
        """
        return self.write(known.manifest.model_copy(update={"renewed": known.manifest.renewed + 1}), known)

    def tidy(self, known: KnownManifest, leftovers: Leftovers) -> None:
        """Tell Hive and Athena which objects are the day, then remove what exports left.

        :param known: the manifest that counts, written after the leftovers were listed
        :param leftovers: what is removed
        """
        self._link(known.manifest)
        named = {self.key_of(one.key) for one in known.manifest.objects}
        for key in leftovers.keys:
            if key not in named:
                self._s3.delete_object(Bucket=self._settings.bucket, Key=key)
        for key, upload in leftovers.uploads:
            try:
                self._s3.abort_multipart_upload(Bucket=self._settings.bucket, Key=key, UploadId=upload)
            except self._s3.exceptions.ClientError as error:
                if error_code(error) not in _ABSENT:  # its own export ended it
                    raise

    def remove_former(self, former: KnownManifest, now: KnownManifest) -> None:
        """Remove the objects of a manifest that no longer counts.

        :param former: the one that was replaced
        :param now: the one that counts, whose objects are there
        """
        for name in set(former.manifest.names) - set(now.manifest.names):
            self._s3.delete_object(Bucket=self._settings.bucket, Key=self.prefix + name)

    def _link(self, manifest: Manifest) -> None:
        urls = "".join(f"s3://{self._settings.bucket}/{self.key_of(one.key)}\n" for one in manifest.objects)
        body = urls.encode()
        self._s3.put_object(Bucket=self._settings.bucket, Key=self._link_key, Body=body, **self._encryption())

    def was_archived(self) -> bool:
        """Whether a manifest of the day once counted, as the link for Hive shows."""
        try:
            self._s3.head_object(Bucket=self._settings.bucket, Key=self._link_key)
        except self._s3.exceptions.ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
        return True

    @property
    def _link_key(self) -> str:
        return f"{self._settings.prefix}{SYMLINKS}dt={self._day.isoformat()}/symlink.txt"

    def key_of(self, key: str) -> str:
        """Where an object of the manifest is: in this folder, wherever the folder was when it was written.

        :param key: as the manifest has it
        """
        return self.prefix + key.rpartition("/")[2]

    def require_there(self, known: KnownManifest) -> None:
        """Ask S3 for the manifest and for each object that it names, by ETag, size and checksum.

        :raises Refused: one is missing or is not the one that was proven
        """
        now = self.read()
        if now is None or now.etag != known.etag:
            raise Refused(f"{known.place} {'is gone' if now is None else 'was written anew'} since it was proven.")
        if damage := self.damage(known):
            raise Refused(damage)

    def damage(self, known: KnownManifest) -> str:
        """Why the objects of a manifest are not what was proven, in a sentence; empty if they are.

        An object that was put back from a copy has another ETag. It is read, and counts if it holds what was written.

        :param known: the manifest
        """
        for archived in known.manifest.objects:
            key = self.key_of(archived.key)
            try:
                found = head(self._s3, self._settings.bucket, key)
            except self._s3.exceptions.ClientError as error:
                if error_code(error) not in _ABSENT:
                    raise
                return f"s3://{self._settings.bucket}/{key} is missing, which {known.place} names."
            wanted = {name: getattr(archived, name) for name in found}
            differ = {name for name, value in wanted.items() if value is not None and value != found[name]}
            if "stored_bytes" in differ or (differ and not self._holds_the_same(key, archived, found)):
                return f"s3://{self._settings.bucket}/{key} is not the object that {known.place} names."
        return ""

    def _holds_the_same(self, key: str, archived: Archived, found: Mapping[str, Any]) -> bool:
        try:
            read_back(self._s3, self._settings.bucket, key, archived.model_copy(update=found))
        except (Refused, Damaged, TooLarge):
            return False
        return True

    def remove(self, attempt: str) -> None:
        """Remove the objects of one export.

        :param attempt: of the export
        """
        for key in self._parts():
            if f"-{attempt}." in key:
                self._s3.delete_object(Bucket=self._settings.bucket, Key=key)

    def _parts(self) -> Iterator[str]:
        pages = listed_pages(self._s3, self._settings.bucket, f"{self.prefix}part-", Delimiter="/")
        return iter([found["Key"] for page in pages for found in page.get("Contents", [])])


def _same(known: KnownManifest, uuid: str, history: str, sequence: tuple[int, ...]) -> bytes:
    return json.dumps({"manifest": known.etag, "uuid": uuid, "history": history, "sequence": sequence}).encode()
