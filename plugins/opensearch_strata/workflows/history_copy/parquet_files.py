"""The Parquet files of a dataset's history in S3: one object per day, replaced as a whole."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.conditional import put_in_place
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.days import months_between
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ABSENT = frozenset({"404", "NoSuchKey"})
_NOTED = ("dataset", "day", "format", "documents", "made-of", "sha256")
_NAME = re.compile(r"day=(\d{4}-\d{2}-\d{2})\.parquet")


class Contents(NamedTuple):
    """What the object of a file says of its content; empty where it says nothing, because another tool copied it.

    :param dataset: name of the dataset
    :param day: whose rows it holds, ``YYYY-MM-DD``
    :param format: version of the file
    :param documents: raw documents that the rows stand for
    :param made_of: what it was made from, in one word: another file of the same would be the same
    :param sha256: in hexadecimal digits
    """

    dataset: str = ""
    day: str = ""
    format: str = ""
    documents: str = ""
    made_of: str = ""
    sha256: str = ""


class KnownFile(NamedTuple):
    """A file as S3 has it.

    :param place: with the ETag of this version
    :param size: bytes
    :param contents: what was noted when it was written, of an object that is what was written then; of any other one,
        the SHA-256 that it should have, at most
    """

    place: Place
    size: int
    contents: Contents

    @property
    def is_replaced(self) -> bool:
        """Whether the object is not what was written, although it bears the notes of what was."""
        return bool(self.contents.sha256) and not self.contents.made_of


class HistoryFiles:
    """The files of one dataset.

    :param s3: client of the bucket
    :param settings: where the archive is
    """

    def __init__(self, s3: BaseClient, settings: ArchiveSettings) -> None:
        self._s3, self._settings = s3, settings

    def place(self, day: date) -> Place:
        """Where the file of a day is."""
        return Place(self._settings.bucket, self._settings.history_file(day))

    def days(self, first: date, last: date) -> list[date]:
        """The days of a span that have a file.

        :param first: inclusive
        :param last: inclusive
        :raises Refused: S3 does not allow it
        :raises TransientError: S3 does not answer
        """
        found = []
        for month in months_between(first, last):
            folder = self._settings.history_folder(month)
            for page in listed_pages(self._s3, self._settings.bucket, folder, Delimiter="/"):
                names = (one["Key"].removeprefix(folder) for one in page.get("Contents", []))
                found += [day for name in names if (day := _day_in(name)) and first <= day <= last]
        return sorted(found)

    def all_days(self) -> set[date]:
        """Every day that has a file; one request for each thousand of them.

        :raises Refused: S3 does not allow it
        :raises TransientError: S3 does not answer
        """
        folder = self._settings.history_root
        pages = listed_pages(self._s3, self._settings.bucket, folder)
        keys = (one["Key"] for page in pages for one in page.get("Contents", []))
        days = {day: key for key in keys if (day := _day_in(key.rpartition("/")[2]))}
        return {day for day, key in days.items() if key == self._settings.history_file(day)}

    def find(self, day: date) -> KnownFile | None:
        """The file of a day; None if there is none.

        One request, because S3 knows the SHA-256 of what we wrote. Where it does not, the object is read.

        :raises Refused: S3 does not allow it
        :raises TransientError: S3 does not answer
        """
        place = self.place(day)
        with _in_words(place, "read"):
            try:
                there = self._s3.head_object(Bucket=place.bucket, Key=place.key, ChecksumMode="ENABLED")
            except self._s3.exceptions.ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
        said = there.get("Metadata", {})
        contents = Contents(*(said.get(f"strata-{name}", "") for name in _NOTED))
        place, size = place._replace(etag=there["ETag"].strip('"')), int(there["ContentLength"])
        if not contents.sha256:
            return KnownFile(place, size, Contents())
        stored = _hex(there.get("ChecksumSHA256", "")) or hashlib.sha256(self._content(place, size)).hexdigest()
        if stored != contents.sha256:  # somebody replaced the object, and kept what was noted of the one before
            contents = Contents(sha256=contents.sha256)
        return KnownFile(place, size, contents)

    def _content(self, place: Place, size: int) -> bytes:
        return b"".join(open_object(self._s3, place, size))

    def read(self, known: KnownFile) -> bytes:
        """The content of a file, in the version that was found.

        :raises Refused: it is damaged
        :raises StrataError: it is gone, changed or cannot be read
        """
        content = self._content(known.place, known.size)
        if (noted := known.contents.sha256) and hashlib.sha256(content).hexdigest() != noted:
            raise Refused(f"{known.place} is damaged: its SHA-256 is not the one that was noted when it was written.")
        return content

    def write(self, day: date, content: bytes, about: Contents, replaced: KnownFile | None) -> KnownFile:
        """Write the file of a day in place of the one that was found.

        :param content: of the file
        :param about: what is noted of it, but for the SHA-256
        :param replaced: what :meth:`find` found
        :returns: what S3 has now
        :raises OtherWriterError: somebody else wrote it meanwhile
        :raises Refused: S3 does not allow it
        :raises TransientError: S3 does not answer
        """
        place = replaced.place if replaced else self.place(day)
        digest = hashlib.sha256(content)
        noted = about._replace(sha256=digest.hexdigest())
        more: dict[str, Any] = {
            "ContentType": "application/vnd.apache.parquet",
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(digest.digest()).decode(),
            "StorageClass": self._settings.storage_class,
            "Metadata": {f"strata-{name}": value for name, value in zip(_NOTED, noted, strict=True)},
        }
        if self._settings.kms_key:
            more |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._settings.kms_key}
        with _in_words(place, "written"):
            etag = put_in_place(self._s3, place, content, **more)
        return KnownFile(place._replace(etag=etag), len(content), noted)


def _hex(checksum: str) -> str:
    """A checksum of S3 in hexadecimal digits; empty if it is not one of a whole object."""
    try:
        return base64.b64decode(checksum, validate=True).hex()
    except ValueError:  # of the checksums of parts, as <base64>-<number of parts>
        return ""


def _day_in(name: str) -> date | None:
    match = _NAME.fullmatch(name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


@contextmanager
def _in_words(place: Place, done: str) -> Iterator[None]:
    """Failures of S3 as sentences.

    :param done: what was to be done with the object
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        sentence = f"{place} could not be {done}. {explain(error)} The history in OpenSearch is as it was."
        raise (TransientError if is_transient(error) else Refused)(sentence) from error
