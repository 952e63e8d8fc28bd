"""What is written beside an archive of our own, and the proof that what is read is what was written. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opensearch_strata.archive.source import Damaged
from opensearch_strata.errors import DefinitionError


class Archived(BaseModel):
    """One object of an archived day.

    :param documents: lines of the decoded object
    :param bytes: of the decoded object
    :param sha256: of the decoded object, in hexadecimal digits
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    documents: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """An archived day: every object, in the order in which they were written."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    strata_manifest: Literal[1] = 1
    dataset: str
    day: date
    objects: tuple[Archived, ...]

    @property
    def documents(self) -> int:
        """Documents of the day."""
        return sum(archived.documents for archived in self.objects)

    def written(self) -> bytes:
        """The manifest's own content."""
        return self.model_dump_json(indent=2).encode()


def read_manifest(content: bytes, url: str) -> Manifest:
    """A manifest from its content.

    :param url: where it was, for the error
    :raises DefinitionError: it is none
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its beginning"
        raise DefinitionError(f"{url} is no manifest of an archive: at {where}: {first['msg']}.") from error


class Measure:
    """Counts and sums up the decoded bytes of an object, while it is written or read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._documents = 0
        self._bytes = 0

    def add(self, block: bytes) -> None:
        """The next bytes."""
        self._hash.update(block)
        self._documents += block.count(b"\n")
        self._bytes += len(block)

    def archived(self, key: str) -> Archived:
        """What the manifest says of it."""
        return Archived(key=key, documents=self._documents, bytes=self._bytes, sha256=self._hash.hexdigest())


def verified(blocks: Iterable[bytes], archived: Archived) -> Iterator[bytes]:
    """The decoded blocks of an object, compared with its manifest when they are at their end.

    :raises Damaged: after the last block, if they are not what was written
    """
    measure = Measure()
    for block in blocks:
        measure.add(block)
        yield block
    found = measure.archived(archived.key)
    if found != archived:
        raise Damaged(
            f"{archived.key} holds {found.documents} documents in {found.bytes} bytes (sha256 {found.sha256}), its "
            f"manifest says {archived.documents} in {archived.bytes} (sha256 {archived.sha256}).",
            found.bytes,
        )
