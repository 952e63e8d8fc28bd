"""A dead letter and its line in a file. Pure."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from opensearch_strata.archive.events import Place
from opensearch_strata.definition.loading.intake import Intake, split_s3_url

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.shaper import Dead

_VERSION = 1  # of the line format
_ORDINALS = 2**24  # more than the events that fit into a record, which has at most LONGEST bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be loaded.

    :param place: the object that it is from; ``record`` and ``ordinal`` say where in the object
    :param index: the index that it was meant for; empty if that is not known
    :param id: its ``_id``; empty if that is not known
    :param reason: a code: broken, unparsed, no_time, bad_value, rejected, dropped (by an ingest pipeline)
    :param detail: the reason as a sentence
    :param attempts: how often loading it was tried
    :param first_time: time of the first attempt, ISO 8601 in UTC
    :param raw: its bytes; read on their own in ``format``, they give the same event, but without what the parser
        remembered from earlier lines
    """

    place: Place
    record: int
    ordinal: int
    index: str
    id: str
    reason: str
    detail: str
    attempts: int
    first_time: str
    last_time: str
    format: str
    raw: bytes

    def again(self, reason: str, detail: str) -> DeadLetter:
        """The same record after one more failed attempt.

        A broken record stays broken, and no other record becomes broken: see :func:`letter_key`.

        :param reason: a code, as for a first attempt
        :param detail: the sentence for this attempt
        """
        if (reason == "broken") != (self.reason == "broken"):
            reason = self.reason
        return replace(self, reason=reason, detail=detail, attempts=self.attempts + 1, last_time=now())

    def to_line(self) -> bytes:
        """One line of JSON with its newline; the place is split into three fields, and ``raw`` is base64."""
        rest = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("place", "raw")}
        raw = b64encode(self.raw).decode()
        line = {"version": _VERSION, **self.place._asdict(), **rest, "raw": raw}
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_line(cls, line: bytes) -> DeadLetter:
        """Parse a line.

        :param line: JSON of one letter, without the newline
        :raises ValueError: the line is damaged or has another version
        """
        try:
            line_fields = orjson.loads(line)
            if (version := line_fields.pop("version")) != _VERSION:
                raise ValueError(f"its version {version!r} is not known")
            place = Place(*(line_fields.pop(name) for name in Place._fields))
            return cls(place=place, **line_fields | {"raw": b64decode(line_fields["raw"], validate=True)})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its fields are not those of a dead letter: {error}") from error


def letter_key(letter: DeadLetter | Dead) -> int:
    """The key of a letter within its file: the record, the event in it, and whether the letter is about the record.

    Letters about a record are those of a broken one, which has either no events or some that could be read. The key is
    a number because there may be millions of them.
    """
    return 2 * (letter.record * _ORDINALS + letter.ordinal) + (letter.reason == "broken")


def dead_letters_url(intake: Intake, source_url: str) -> str:
    """The prefix of all dead letters, as s3://bucket/prefix/: the one in the definition, else one below the source.

    :param source_url: used if the definition names neither
    :raises ValueError: a URL is not a valid S3 URL
    """
    bucket, source = split_s3_url(intake.source or source_url)
    if intake.dead_letters is None:
        return f"s3://{bucket}/{source}dead-letters/"
    bucket, prefix = split_s3_url(intake.dead_letters)
    return f"s3://{bucket}/{prefix.rstrip('/') or 'dead-letters'}/"


def letters_key(dataset_name: str, place: Place) -> str:
    """Key of the file with the dead letters of an object version, below the prefix of all dead letters."""
    identity = "\0".join(place).encode("utf-8", "surrogatepass")
    return f"{dataset_name}/{hashlib.blake2b(identity, digest_size=16).hexdigest()}.ndjson.gz"


def now() -> str:
    """The current time in the form that dead letters use."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
