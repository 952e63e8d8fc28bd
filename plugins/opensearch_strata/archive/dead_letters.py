"""Records that could not be loaded, kept in S3 with their reason and bytes until they can: one file per object version.

A file is gzip NDJSON, a line per record (see :class:`DeadLetter`), under ``<prefix><dataset>/``. A load adds lines or
replaces those of the same records; only a redrive takes lines away. So a second load of the same version, also for
other days or after a crash, doubles nothing and loses nothing. Another version of an object has a file of its own.
"""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.letters import DeadLetter, letter_key, letters_key, now
from opensearch_strata.archive.objects import ObjectChanged, ObjectGone, open_object
from opensearch_strata.aws_errors import error_code
from opensearch_strata.errors import Refused, TransientError, explain, is_transient
from opensearch_strata.intake import split_s3_url

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.archive.shape import Dead

_log = logging.getLogger(__name__)

_IN_MEMORY = 1 << 20  # bytes; what is more lies in a temporary file
_WRITTEN_MEANWHILE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class DeadLetterFile:
    """Takes the dead letters of one object while it is loaded; nothing is sent before :meth:`save`.

    :param url_prefix: s3://bucket/prefix/ of all dead letters
    """

    def __init__(self, s3: BaseClient, url_prefix: str, dataset_name: str, place: Place) -> None:
        bucket, prefix = split_s3_url(url_prefix)
        self._s3, self._place = s3, place
        self._target = Place(bucket, prefix + letters_key(dataset_name, place))
        self._spool: IO[bytes] | None = None
        self._added: set[int] = set()
        self._size = self._saved = 0

    def add(self, dead: Dead, format_name: str) -> None:
        """Keep a record, in memory or in a temporary file.

        :param format_name: of the object, in which the record's bytes are read again
        """
        if self._spool is None:
            self._spool = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - open until the object is done
        moment = now()
        letter = DeadLetter(
            self._place, dead.record, dead.ordinal, dead.index, dead.id, dead.reason, dead.detail,
            1, moment, moment, format_name, dead.raw,
        )  # fmt: skip
        self._spool.seek(0, os.SEEK_END)  # an upload that failed leaves it anywhere
        self._size += self._spool.write(letter.to_line())
        self._added.add(letter_key(dead))

    def save(self) -> str | None:
        """Upload what was added so far; to be called before the ledger says that these records are resolved.

        :returns: URL of the file; None if nothing was added
        :raises Refused: S3 does not take them
        :raises TransientError: S3 does not answer, or others write the same file again and again
        """
        if self._spool is None:
            return None
        if self._saved != self._size:
            _CONTENDED(self._upload)
            self._saved = self._size
        return str(self._target)

    def close(self) -> str | None:
        """:meth:`save`, and give memory and temporary file back."""
        try:
            return self.save()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Forget what was not saved."""
        if self._spool is not None:
            self._spool.close()
        self._spool = None

    def _upload(self) -> None:
        stored = _stored(self._s3, self._target)
        _put(self._s3, stored.place if stored else self._target, self._lines(stored))

    def _lines(self, stored: StoredLetters | None) -> Iterator[bytes]:
        assert self._spool is not None
        self._spool.seek(0)
        yield from self._spool
        for line, letter in stored.lines() if stored else ():
            if letter is None or letter_key(letter) not in self._added:
                yield line


class StoredLetters:
    """One file of dead letters, as it is in S3.

    :param place: of the file itself
    """

    def __init__(self, s3: BaseClient, place: Place, size: int) -> None:
        self._s3, self.place, self._size = s3, place, size
        self.damage: list[str] = []
        """What could not be read, a sentence each; known when all was."""

    def __iter__(self) -> Iterator[DeadLetter]:
        """The letters, one by one.

        :raises StrataError: the file cannot be read, see :func:`open_object`
        """
        return (letter for _, letter in self.lines() if letter)

    def lines(self) -> Iterator[tuple[bytes, DeadLetter | None]]:
        """Each line, with the letter that it is; None if it is damaged, which is told and stops nothing."""
        self.damage = []
        number = 0
        with SpooledTemporaryFile(_IN_MEMORY) as packed:
            packed.writelines(open_object(self._s3, self.place, self._size))
            packed.seek(0)
            try:
                for number, line in enumerate(gzip.GzipFile(fileobj=packed, mode="rb"), 1):
                    yield line.rstrip(b"\n") + b"\n", self._letter(number, line)
            except (EOFError, OSError, zlib.error) as error:
                self._tell(f"{self.place} is damaged behind line {number}: {error}.")

    def keep(self, letters: Iterable[DeadLetter]) -> None:
        """Replace the letters by these, which still cannot be loaded; without any, the file goes.

        Lines that are damaged stay as they are.

        :raises Refused: S3 does not allow it, or the file is damaged as a whole; it is left as it was
        :raises TransientError: S3 does not answer, or a load wrote the file since it was read; redrive again
        """
        try:
            broken = [line for line, letter in self.lines() if letter is None]
            if len(self.damage) > len(broken):
                raise Refused(f"{self.damage[-1]} It is left as it is.")
            _put(self._s3, self.place, chain(broken, (letter.to_line() for letter in letters)))
        except (_WrittenMeanwhile, ObjectChanged, ObjectGone) as error:
            sentence = f"{self.place} was written by a load meanwhile; its letters stay. Redrive again."
            raise TransientError(sentence) from error

    def _letter(self, number: int, line: bytes) -> DeadLetter | None:
        try:
            return DeadLetter.from_line(line)
        except ValueError as error:
            self._tell(f"Line {number} of {self.place} is no dead letter: {error}. It is left there.")
        return None

    def _tell(self, sentence: str) -> None:
        _log.warning(sentence)
        self.damage.append(sentence)


class _WrittenMeanwhile(TransientError):  # noqa: N818 - reads as what happened
    """Another writer was faster."""


def read_dead_letters(s3: BaseClient, url_prefix: str, dataset_name: str) -> Iterator[StoredLetters]:
    """The files of a dataset's dead letters, lazily.

    :param url_prefix: s3://bucket/prefix/ of all dead letters
    :raises Refused: S3 does not allow it, or there is no such bucket
    :raises TransientError: S3 does not answer
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = split_s3_url(url_prefix)
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}{dataset_name}/"):
            for found in page.get("Contents", []):
                if found["Size"]:
                    place = Place(bucket, found["Key"], found["ETag"].strip('"'))
                    yield StoredLetters(s3, place, found["Size"])
    except (BotoCoreError, ClientError) as error:
        raise _told(error, f"Dead letters in {url_prefix} cannot be listed") from error


def _stored(s3: BaseClient, target: Place) -> StoredLetters | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        head = s3.head_object(Bucket=target.bucket, Key=target.key)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) in ("404", "NoSuchKey"):
            return None
        raise _told(error, f"Dead letters in {target} cannot be read") from error
    return StoredLetters(s3, target._replace(etag=head["ETag"].strip('"')), head["ContentLength"])


def _put(s3: BaseClient, target: Place, lines: Iterable[bytes]) -> None:
    """Write a file, or remove it if it would hold nothing, unless somebody else has written it meanwhile.

    :param target: with the eTag of the file to replace; without one, there must be none
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
                raise _WrittenMeanwhile(f"{target} was written by somebody else meanwhile.") from error
            raise _told(error, f"Dead letters cannot be written to {target}") from error


def _told(error: Exception, what: str) -> TransientError | Refused:
    return (TransientError if is_transient(error) else Refused)(f"{what}. {explain(error)}")


_CONTENDED = Retrying(
    retry=retry_if_exception_type((_WrittenMeanwhile, ObjectChanged, ObjectGone)),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    reraise=True,
)
