"""The manifest next to one of our own archives, and whether what is read is what was written. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from opensearch_strata.archive.events import Place
from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.amounts import counted

NAME = "_manifest.json"
"""Base name of a manifest, which lies in the folder of the objects that it names. Hive, Spark and Athena skip files
whose names begin with ``_``."""
FORMER_NAME = "manifest.json"
"""The name that manifests had before; they are still read."""


def manifest_of(place: Place) -> Place:
    """The place of an object's manifest, if it has one."""
    folder, slash, _ = place.key.rpartition("/")
    return Place(place.bucket, f"{folder}{slash}{NAME}")


class Archived(BaseModel):
    """One object of an archived day.

    :param key: in the same bucket; only the part after the last slash counts, so that a folder may be copied elsewhere
    :param documents: number of lines of the decoded object
    :param bytes: size of the decoded object
    :param sha256: SHA-256 of the decoded object, in hexadecimal digits
    :param stored_bytes: size of the object as it is stored; None in manifests of version 1
    :param etag: ETag of the object, without quotation marks
    :param checksum: the checksum that S3 keeps of the object, as ``CRC64NVME:<base64>``; None if it keeps none
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    documents: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    stored_bytes: int | None = None
    etag: str | None = None
    checksum: str | None = None


class MetricTotals(BaseModel):
    """One metric over all documents of a day, merged from its proven rows.

    :param sketch: the merged sketch in its wire form (docs/sketch.md), None without one
    :param registers: the merged registers in their wire form (docs/distinct.md), None without distinct counts
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    count: int
    min: float | None = None
    max: float | None = None
    sum: float | None = None
    sketch: str | None = None
    registers: str | None = None


class ArchivedIndex(BaseModel):
    """The raw index as it was when it was archived.

    :param name: its name
    :param uuid: its UUID
    :param history: its history UUID; empty unless it was restored from a snapshot, which keeps the UUID
    :param sequence: highest sequence number of each primary shard
    :param mappings: its mappings
    :param settings: the settings that a person or template chose, as ``index.*`` keys, without those of the server
    :param reconstructed: whether the server derives ``_source`` from other data, so that it is not what was sent
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    uuid: str
    sequence: tuple[int, ...]
    mappings: dict[str, Any]
    settings: dict[str, Any]
    reconstructed: bool = False
    history: str = ""

    def is_of(self, uuid: str, history: str) -> bool:
        """Whether an index is this one, and was not restored from a snapshot since.

        :param uuid: of the index
        :param history: its history UUID, empty without one
        """
        return (self.uuid, self.history) == (uuid, history)

    @field_validator("mappings")
    @classmethod
    def _mappings_are_objects(cls, mappings: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(mappings.get("_meta", {}), dict):
            raise ValueError("_meta is not an object")
        _require_properties(mappings)
        return mappings

    @field_validator("settings")
    @classmethod
    def _settings_are_flat(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if other := [name for name in settings if "." not in name]:
            raise ValueError(f"{other[0]!r} is not a setting of an index")
        return settings


def _require_properties(mapping: Any) -> None:
    """Demand that the properties of a mapping, and those below them, are objects.

    :param mapping: of an index or a field, parsed JSON
    :raises ValueError: they are not
    """
    properties = mapping.get("properties", {}) if isinstance(mapping, dict) else None
    if not isinstance(properties, dict):
        raise ValueError("a field or the properties of one are not an object")
    for body in properties.values():
        _require_properties(body)


class Manifest(BaseModel):
    """An archived day: all its objects, in the order in which they were written. Version 1 ends after ``objects``.

    :param generation: 1 for the first archive of a day, one more each time the day is archived again
    :param renewed: how often the manifest was written again, unchanged but for this, so that exports that had begun
        with it could no longer win
    :param hours: number of documents by UTC hour, like ``2013-01-05T10``; those without a time are under an empty text
    :param first: time of the first document, epoch milliseconds
    :param last: time of the last document, epoch milliseconds
    :param digest: digest of all documents, see :class:`~opensearch_strata.archive.export.content.Content`
    :param metrics: name of the metric -> its totals
    :param fingerprint: fingerprint of the definition by which the totals were made
    :param strata: version of the package that wrote the manifest
    :param proven_at: when all objects were proven and the manifest was written
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    strata_manifest: Literal[1, 2] = 2
    dataset: str
    day: date
    objects: tuple[Archived, ...]
    generation: Annotated[int, Field(ge=1)] = 1
    renewed: Annotated[int, Field(ge=0)] = 0
    index: ArchivedIndex | None = None
    hours: dict[str, int] = {}
    first: int | None = None
    last: int | None = None
    digest: str | None = None
    metrics: dict[str, MetricTotals] = {}
    fingerprint: str | None = None
    strata: str | None = None
    proven_at: datetime | None = None

    @property
    def documents(self) -> int:
        """Number of documents of the day."""
        return sum(archived.documents for archived in self.objects)

    @property
    def contradiction(self) -> str:
        """Why its parts do not agree, in a sentence; empty if they do, or if it only names objects."""
        counted = sum(self.hours.values())
        if self.index is None or counted == self.documents:
            return ""
        return f"Its objects have {self.documents:,} documents, but its hours {counted:,}: it was changed by hand."

    @property
    def is_complete(self) -> bool:
        """Whether it says everything that a proof says, and its parts agree: nobody took an object out of it."""
        stored = all(archived.etag and archived.stored_bytes for archived in self.objects)
        return bool(self.index and self.digest and stored and not self.contradiction)

    def names_all_of(self, uuid: str, history: str, sequence: tuple[int, ...]) -> bool:
        """Whether it says everything of an index in the state that it is in.

        :param uuid: of the index
        :param history: its history UUID, empty without one
        :param sequence: highest sequence number of each of its primary shards
        """
        index = self.index
        there = index is not None and index.is_of(uuid, history) and index.sequence == sequence
        return there and self.is_complete

    def named(self, key: str) -> Archived | None:
        """The entry of an object in the manifest's folder; None if the manifest does not name the object.

        :param key: of the object
        """
        return self._by_name.get(_base_name(key))

    @property
    def names(self) -> Collection[str]:
        """The names of its objects within the folder."""
        return self._by_name.keys()

    @cached_property
    def _by_name(self) -> dict[str, Archived]:
        return {_base_name(archived.key): archived for archived in self.objects}

    def written(self) -> bytes:
        """The manifest's own content."""
        return self.model_dump_json(indent=2, exclude_none=True).encode()


def read_manifest(content: bytes, url: str) -> Manifest:
    """Parse the content of a manifest.

    :param content: its bytes
    :param url: its URL, for the error
    :raises DefinitionError: the content is not a manifest
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its beginning"
        raise DefinitionError(f"{url} is not a valid archive manifest: at {where}: {first['msg']}.") from error


class Measure:
    """Counts and hashes the decoded bytes of an object while it is written or read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._documents = 0
        self._bytes = 0

    def add(self, block: bytes) -> None:
        """Add the next bytes.

        :param block: bytes of any length
        """
        self._hash.update(block)
        self._documents += block.count(b"\n")
        self._bytes += len(block)

    def watched(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the same blocks and add each as it passes.

        :param blocks: blocks of any length, in order
        """
        for block in blocks:
            self.add(block)
            yield block

    def archived(self, key: str) -> Archived:
        """The entry for the manifest.

        :param key: the object's key
        """
        return Archived(key=key, documents=self._documents, bytes=self._bytes, sha256=self._hash.hexdigest())

    def difference(self, archived: Archived) -> str:
        """How this differs from what was archived, as half a sentence; empty if it does not."""
        found = self.archived(archived.key)
        return "" if _shown(found) == _shown(archived) else f"it holds {_shown(found)} instead of {_shown(archived)}"


def _shown(archived: Archived) -> str:
    lines, size = counted(archived.documents, "line"), counted(archived.bytes, "byte")
    return f"{lines} in {size} (SHA-256 {archived.sha256})"


def _base_name(key: str) -> str:
    return key.rpartition("/")[2]
