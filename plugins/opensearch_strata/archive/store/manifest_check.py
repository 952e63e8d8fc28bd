"""Checks what was read of our own archives against the manifests next to them in S3."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.manifest import FORMER_NAME, NAME, Manifest, Measure, manifest_of, read_manifest
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.errors import DefinitionError, Refused, StrataError
from opensearch_strata.errors.amounts import counted, size

if TYPE_CHECKING:
    from botocore.client import BaseClient

_log = logging.getLogger(__name__)

_FOLDERS = 64  # whose manifests are cached: more than the objects claimed at the same time, which come in any order
_LARGEST = 16 << 20  # bytes of a manifest, enough to name some 80,000 objects
_NAMED = 3
_NOTHING = {"Size": 0}


class Unproven(StrataError):  # noqa: N818 - the name says what is so
    """Nothing proves that an object, or the folder that it is in, is what was archived."""


class _Folder(NamedTuple):
    """A manifest, where it is, and the objects named in it that are missing or empty."""

    url: Place
    manifest: Manifest
    missing: Sequence[str]


class Manifests:
    """The manifests of one load's objects, each read once for a run of objects in its folder. Not thread-safe."""

    def __init__(self, s3: BaseClient) -> None:
        self._s3 = s3
        self._kept = lru_cache(_FOLDERS)(self._read)

    def check(self, place: Place, measure: Measure) -> str:
        """Check that an object, which was read to its end, is what its manifest says. Without a manifest, it passes.

        :returns: a sentence if the manifest does not name the object, else an empty string
        :raises Unproven: the object is not what was archived, other objects are missing, or the manifest is not valid
        :raises Refused: S3 refuses to return the manifest
        :raises TransientError: S3 does not answer
        """
        folder = self._kept(manifest_of(place))
        if folder is None:
            return ""
        if isinstance(folder, DefinitionError):
            raise Unproven(
                f"{place} is loaded, but nothing proves that it is complete: {folder} Put the right manifest there, or "
                f"remove it to load without one, and plan again."
            )
        url, archived = folder.url, folder.manifest.named(place.key)
        if archived is None:
            return f"The manifest {url} does not name it, so nothing proves that it is complete."
        if folder.manifest.contradiction:
            raise Unproven(f"{url} does not name the whole day. {folder.manifest.contradiction}")
        if difference := measure.difference(archived):
            raise Unproven(
                f"{place} is not what was archived: {difference}, according to {url}. What can be read is loaded; put "
                f"the archived object back and plan again. If it was changed on purpose, remove the manifest."
            )
        if folder.missing:
            missing = len(folder.missing)
            raise Unproven(
                f"{place} is loaded as it was archived, but of the {counted(len(folder.manifest.objects), 'object')} "
                f"that {url} names, {missing:,} {'is' if missing == 1 else 'are'} missing or empty: "
                f"{', '.join(folder.missing[:_NAMED])}. Put back what is missing and plan again. If it was removed on "
                f"purpose, remove the manifest."
            )
        return ""

    def naming(self, place: Place) -> Manifest:
        """The manifest that names an object.

        :raises Refused: no valid manifest names it, or S3 refuses to return the manifest
        :raises TransientError: S3 does not answer
        """
        folder = self._kept(manifest_of(place))
        if isinstance(folder, DefinitionError):
            raise Refused(f"{place} was not restored. {folder} Put the right manifest there and run again.")
        if folder is None or folder.manifest.named(place.key) is None:
            manifest = manifest_of(place) if folder is None else folder.url
            state = "is gone" if folder is None else "does not name it any more: the day was archived again"
            raise Refused(f"{place} was not restored: its manifest {manifest} {state}. Run again.")
        return folder.manifest

    def _read(self, url: Place) -> _Folder | DefinitionError | None:
        """The content of a folder, or why its manifest is not valid; None without a manifest."""
        folder = url.key.removesuffix(NAME)
        there = self._listed(url.bucket, folder)
        name = next((one for one in (NAME, FORMER_NAME) if folder + one in there), None)
        if name is None:
            _log.info("There is no manifest %s, so the objects in its folder are loaded without a check.", url)
            return None
        url = url._replace(key=folder + name)
        found = there[url.key]
        length = found["Size"]
        if length > _LARGEST:
            return DefinitionError(f"{url} is not a valid archive manifest: its size is {size(length)}.")
        try:
            content = b"".join(open_object(self._s3, url._replace(etag=found["ETag"].strip('"')), length))
            manifest = read_manifest(content, f"{url}")
        except DefinitionError as error:
            return error
        missing = [name for name in manifest.names if not there.get(folder + name, _NOTHING)["Size"]]
        return _Folder(url, manifest, missing)

    def _listed(self, bucket: str, prefix: str) -> dict[str, dict[str, Any]]:
        """Objects by key, without those in subfolders."""
        answers = listed_pages(self._s3, bucket, prefix, Delimiter="/")
        return {found["Key"]: found for page in answers for found in page.get("Contents", [])}
