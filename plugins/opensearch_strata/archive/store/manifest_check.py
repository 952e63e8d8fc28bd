"""What was read of archives of our own, against the manifests that lie beside them in S3."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.manifest import NAME, Manifest, Measure, manifest_of, read_manifest
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.errors import DefinitionError, StrataError

if TYPE_CHECKING:
    from botocore.client import BaseClient

_log = logging.getLogger(__name__)

_FOLDERS = 64  # whose manifests are kept: more than there are objects claimed at once, which come in any order
_LARGEST = 16 << 20  # bytes of a manifest; it names some 80,000 objects in them
_NAMED = 3
_NOTHING = {"Size": 0}


class Unproven(StrataError):  # noqa: N818 - reads as what is so
    """Nothing proves that an object, or the folder it is of, is what was archived."""


class _Folder(NamedTuple):
    """A manifest, and which of the objects that it names are not there, or hold no byte."""

    manifest: Manifest
    missing: Sequence[str]


class Manifests:
    """The manifests of one load's objects, each read once for a run of objects in its folder. For one thread."""

    def __init__(self, s3: BaseClient) -> None:
        self._s3 = s3
        self._kept = lru_cache(_FOLDERS)(self._read)

    def check(self, place: Place, measure: Measure) -> str:
        """Whether what was read of an object, to its end, is what its manifest says. Without a manifest it is.

        :returns: a sentence if the manifest does not name the object, else an empty text
        :raises Unproven: it is not what was archived, objects beside it are missing, or the manifest is none
        :raises Refused: S3 will not hand out the manifest
        :raises TransientError: S3 does not answer
        """
        url = manifest_of(place)
        folder = self._kept(url)
        if folder is None:
            return ""
        if isinstance(folder, DefinitionError):
            raise Unproven(
                f"{place} is loaded, but nothing proves that it is whole: {folder} Put the right manifest there, or "
                f"remove it to load without one, and plan again."
            )
        archived = folder.manifest.named(place.key)
        if archived is None:
            return f"The manifest {url} does not name it, so nothing proves that it is whole."
        if difference := measure.difference(archived):
            raise Unproven(
                f"{place} is not what was archived: {difference}, as {url} says. What can be read is loaded; put the "
                f"archived object back and plan again. If it was changed on purpose, correct the manifest."
            )
        if folder.missing:
            raise Unproven(
                f"{place} is loaded as it was archived, but {url} names {len(folder.manifest.objects):,} objects, of "
                f"which {len(folder.missing):,} are missing or empty: {', '.join(folder.missing[:_NAMED])}. Put them "
                f"back and plan again. If they were removed on purpose, correct the manifest."
            )
        return ""

    def _read(self, url: Place) -> _Folder | DefinitionError | None:
        """What is in a folder, or why its manifest is none; None without a manifest."""
        found = self._listed(url.bucket, url.key).get(url.key)
        if found is None:
            _log.info("There is no manifest %s, so what is in its folder is loaded without a check.", url)
            return None
        size = found["Size"]
        if size > _LARGEST:
            return DefinitionError(f"{url} is no manifest of an archive: it has {size:,} bytes.")
        try:
            content = b"".join(open_object(self._s3, url._replace(etag=found["ETag"].strip('"')), size))
            manifest = read_manifest(content, f"{url}")
        except DefinitionError as error:
            return error
        folder = url.key.removesuffix(NAME)
        there = self._listed(url.bucket, folder)
        missing = [name for name in manifest.names if not there.get(folder + name, _NOTHING)["Size"]]
        return _Folder(manifest, missing)

    def _listed(self, bucket: str, prefix: str) -> dict[str, dict[str, Any]]:
        """Objects by their keys, without those in folders."""
        answers = listed_pages(self._s3, bucket, prefix, Delimiter="/")
        return {found["Key"]: found for page in answers for found in page.get("Contents", [])}
