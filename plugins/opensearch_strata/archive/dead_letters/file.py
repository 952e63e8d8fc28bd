"""Files of dead letters in S3: records that could not be loaded, kept with reason and bytes until they can be.

There is one file for each object version: gzip NDJSON with one line per record (see :class:`DeadLetter`), under
``<prefix><dataset>/``. A load adds lines or replaces those of the same records; only a redrive removes lines. So a
second load of the same version neither duplicates nor loses anything, even if it is for other days or follows a crash.
Each version of an object has a separate file.

While an object is being loaded, each checkpoint writes the new letters as a part, ``<file without its ending>/<time>``.
When the load of the object ends, the parts are joined into the file. A load that was killed leaves its parts, which are
read like any other file of dead letters.
"""

from __future__ import annotations

import gzip
import logging
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING
from uuid import uuid4

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from opensearch_strata.archive.dead_letters.letter import DeadLetter, letter_key, letters_key, now
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone, open_object
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.archive.documents.shaper import Dead

_log = logging.getLogger(__name__)

_ENDING = ".ndjson.gz"
_IN_MEMORY = 1 << 20  # bytes; anything larger goes to a temporary file
_WRITTEN_MEANWHILE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class DeadLetterFile:
    """Collects the dead letters of one object while it is being loaded. Nothing is uploaded before :meth:`save`.

    :param url_prefix: the prefix of all dead letters, as s3://bucket/prefix/
    """

    def __init__(self, s3: BaseClient, url_prefix: str, dataset_name: str, place: Place) -> None:
        bucket, prefix = split_s3_url(url_prefix)
        self._s3, self._place = s3, place
        self._target = Place(bucket, prefix + letters_key(dataset_name, place))
        self._spool: IO[bytes] | None = None
        self._added: set[int] = set()
        self._size = self._saved = 0
        self._parts: list[str] = []
        self._is_joined = True

    def add(self, dead: Dead, format_name: str) -> None:
        """Keep a record, in memory or in a temporary file.

        :param format_name: the object's format, which a redrive uses to read the record's bytes again
        """
        if self._spool is None:
            self._spool = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - open until the object is done
        moment = now()
        letter = DeadLetter(
            self._place, dead.record, dead.ordinal, dead.index, dead.id, dead.reason, dead.detail,
            1, moment, moment, format_name, dead.raw,
        )  # fmt: skip
        self._spool.seek(0, os.SEEK_END)  # a failed upload may have left the position anywhere
        self._size += self._spool.write(letter.to_line())
        self._added.add(letter_key(dead))

    @property
    def has_unsaved(self) -> bool:
        """Whether records have been added that :meth:`save` would upload."""
        return self._spool is not None and self._saved != self._size

    def save(self) -> str | None:
        """Upload the records added since the last save, as a part. Call it before the ledger marks them as resolved.

        :returns: URL of the file that the part will be joined into; None if nothing was added
        :raises Refused: S3 refuses them
        :raises TransientError: S3 does not answer
        """
        if self._spool is None:
            return None
        if self._saved != self._size:
            part = f"{_stem(self._target.key)}/{time.time_ns() // 1_000_000:013d}-{uuid4().hex[:8]}{_ENDING}"
            self._spool.seek(self._saved)
            _put(self._s3, self._target._replace(key=part), self._spool)
            self._saved = self._size
            self._parts.append(part)
            self._is_joined = False
        return str(self._target)

    def join(self) -> str | None:
        """Join all letters into one file, including those that earlier loads left.

        :returns: its URL; None if nothing was added
        :raises Refused: S3 refuses them; what was saved stays
        :raises TransientError: S3 does not answer, or others keep writing the same file
        """
        if self._spool is None:
            return None
        if self._saved != self._size or not self._is_joined:
            _CONTENDED(self._join)
            self._saved, self._is_joined = self._size, True
        return str(self._target)

    def close(self) -> str | None:
        """Call :meth:`join`, then release the memory and the temporary file."""
        try:
            return self.join()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Discard the records that were not saved."""
        if self._spool is not None:
            self._spool.close()
        self._spool = None

    def _join(self) -> None:
        prefix = _stem(self._target.key)
        there = {stored.place.key: stored for stored in _stored(self._s3, self._target.bucket, prefix)}
        file = there.pop(self._target.key, None)
        parts = [stored for key, stored in there.items() if key.startswith(f"{prefix}/")]
        others = [stored for stored in parts if stored.place.key not in self._parts]
        _put(self._s3, file.place if file else self._target, self._lines([*others, *([file] if file else [])]))
        for stored in parts:  # deleting a part also makes a redrive that is working on it fail, and so notice this load
            _put(self._s3, stored.place, ())

    def _lines(self, stored: Iterable[StoredLetters]) -> Iterator[bytes]:
        """Our own lines, then those that others left, newest part first; each letter once."""
        assert self._spool is not None
        self._spool.seek(0)
        yield from self._spool
        known = set(self._added)
        for one in sorted(stored, key=lambda one: one.place.key, reverse=True):
            for line, letter in one.lines():
                key = letter_key(letter) if letter else None
                if key is None or key not in known:
                    yield line
                if key is not None:
                    known.add(key)


class StoredLetters:
    """One file of dead letters in S3.

    :param place: where the file itself is
    """

    def __init__(self, s3: BaseClient, place: Place, size: int) -> None:
        self._s3, self.place, self._size = s3, place, size
        self.damage: list[str] = []
        """What could not be read, one sentence each; complete once the whole file has been read."""

    def __iter__(self) -> Iterator[DeadLetter]:
        """Iterate over the letters.

        :raises StrataError: the file cannot be read, see :func:`open_object`
        """
        return (letter for _, letter in self.lines() if letter)

    def lines(self) -> Iterator[tuple[bytes, DeadLetter | None]]:
        """Yield each line with its letter, or with None if the line is damaged, which is logged and stops nothing."""
        self.damage = []
        number = 0
        with SpooledTemporaryFile(_IN_MEMORY) as packed:
            packed.writelines(open_object(self._s3, self.place, self._size))
            packed.seek(0)
            try:
                for number, line in enumerate(gzip.GzipFile(fileobj=packed, mode="rb"), 1):
                    yield line.rstrip(b"\n") + b"\n", self._letter(number, line)
            except (EOFError, OSError, zlib.error) as error:
                self._tell(f"{self.place} is damaged after line {number}: {error}.")

    def keep(self, letters: Iterable[DeadLetter]) -> None:
        """Replace the letters with those that still cannot be loaded. If none remain, delete the file.

        Damaged lines stay as they are.

        :param letters: in any order; read once
        :raises Refused: S3 does not allow it, or the file is damaged as a whole; the file stays as it was
        :raises TransientError: S3 does not answer, or a load has written the file since it was read; redrive again
        """
        try:
            broken = [line for line, letter in self.lines() if letter is None]
            if len(self.damage) > len(broken):
                raise Refused(f"{self.damage[-1]} The file is left as it is.")
            _put(self._s3, self.place, chain(broken, (letter.to_line() for letter in letters)))
        except (_WrittenMeanwhile, ObjectChanged, ObjectGone) as error:
            sentence = f"A load wrote {self.place} in the meantime; its letters are kept. Redrive again."
            raise TransientError(sentence) from error

    def _letter(self, number: int, line: bytes) -> DeadLetter | None:
        try:
            return DeadLetter.from_line(line)
        except ValueError as error:
            self._tell(f"Line {number} of {self.place} is not a dead letter: {error}. The line is left in the file.")
        return None

    def _tell(self, sentence: str) -> None:
        _log.warning(sentence)
        self.damage.append(sentence)


class _WrittenMeanwhile(TransientError):  # noqa: N818 - reads as what happened
    """Another writer wrote the file first."""


def read_dead_letters(s3: BaseClient, url_prefix: str, dataset_name: str) -> Iterator[StoredLetters]:
    """Yield the files of a dataset's dead letters, lazily.

    :param url_prefix: the prefix of all dead letters, as s3://bucket/prefix/
    :param dataset_name: the dataset whose letters are wanted
    :raises Refused: S3 does not allow it, or the bucket does not exist
    :raises TransientError: S3 does not answer
    """
    bucket, prefix = split_s3_url(url_prefix)
    yield from _stored(s3, bucket, f"{prefix}{dataset_name}/")


def _stem(key: str) -> str:
    return key.removesuffix(_ENDING)


def _stored(s3: BaseClient, bucket: str, prefix: str) -> Iterator[StoredLetters]:
    """Yield the files under a prefix, lazily."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                if found["Size"]:
                    place = Place(bucket, found["Key"], found["ETag"].strip('"'))
                    yield StoredLetters(s3, place, found["Size"])
    except (BotoCoreError, ClientError) as error:
        raise _told(error, f"Dead letters in s3://{bucket}/{prefix} cannot be listed") from error


def _put(s3: BaseClient, target: Place, lines: Iterable[bytes]) -> None:
    """Write a file, or delete it if it would be empty, unless somebody else has written it in the meantime.

    :param target: with the ETag of the file to replace; without an ETag, no file may exist there
    """
    from botocore.exceptions import BotoCoreError, ClientError

    condition = {"IfMatch": f'"{target.etag}"'} if target.etag else {"IfNoneMatch": "*"}
    with SpooledTemporaryFile(_IN_MEMORY) as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as file:
            written = sum(file.write(line) for line in lines)
        packed.seek(0)
        try:
            if written:
                s3.put_object(Bucket=target.bucket, Key=target.key, Body=packed, **condition)
            else:
                s3.delete_object(Bucket=target.bucket, Key=target.key, **condition)
        except (BotoCoreError, ClientError) as error:
            if error_code(error) in _WRITTEN_MEANWHILE:
                raise _WrittenMeanwhile(f"Somebody else wrote {target} in the meantime.") from error
            raise _told(error, f"Dead letters cannot be written to {target}") from error


def _told(error: Exception, what: str) -> TransientError | Refused:
    return (TransientError if is_transient(error) else Refused)(f"{what}. {explain(error)}")


_CONTENDED = Retrying(
    retry=retry_if_exception_type((_WrittenMeanwhile, ObjectChanged, ObjectGone)),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    reraise=True,
)
