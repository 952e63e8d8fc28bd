"""What a message of a queue says: which objects are new. Pure.

Sources: S3's notifications (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), also
inside SNS messages (docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html), and S3's events of
EventBridge (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson

from opensearch_strata.errors.printable import brief

_CREATED = "ObjectCreated:"
_OF_S3 = ("aws:s3", "minio:s3")


class NewObject(NamedTuple):
    """An object as a message names it.

    Versions and sequencers are not kept: the version that is there when the object is read is the one to load.

    :param key: as the message's shape prescribes to read it
    :param other_key: the same text read the other way, for writers of messages that do not keep to that; empty if it
        is the same
    :param etag: without quotes; empty if the message does not say it
    :param size: bytes; -1 if the message does not say it
    """

    bucket: str
    key: str
    other_key: str
    etag: str
    size: int


@dataclass(frozen=True)
class Told:
    """What a message says.

    :param new: the objects that it names, in its order
    :param aside: what else it says, which is not about new objects: names of events
    :param not_understood: a sentence about the first part of it that is not understood; empty if all of it is
    """

    new: tuple[NewObject, ...] = ()
    aside: tuple[str, ...] = ()
    not_understood: str = ""


class _NotUnderstood(ValueError):  # noqa: N818 - says what the part is
    """A part of a message has no known shape; the message is a sentence."""


def read_message(body: str) -> Told:
    """Read the body of a message: a notification of S3, one inside a message of SNS, or an event of EventBridge.

    :param body: the text of the message
    """
    try:
        told = _parsed(body)
        if isinstance(told, dict) and told.get("Type") == "Notification" and isinstance(told.get("Message"), str):
            told = _parsed(told["Message"])
    except _NotUnderstood as problem:
        return Told(not_understood=str(problem))
    new: list[NewObject] = []
    aside: list[str] = []
    problems: list[str] = []
    for part in _parts(told):
        try:
            found = part if isinstance(part, str) else _read(part)
        except _NotUnderstood as problem:
            problems.append(str(problem))
            continue
        if isinstance(found, str):
            aside.append(found)
        else:
            new.append(found)
    return Told(tuple(new), tuple(aside), next(iter(problems), ""))


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _NotUnderstood(f"It is not JSON: {brief(text)!r}.") from None


def _parts(told: Any) -> Iterator[Any]:
    """The parts of a message: its records, itself, or the name of S3's test event."""
    if isinstance(told, dict) and isinstance(told.get("Records"), list) and told["Records"]:
        yield from told["Records"]
    elif isinstance(told, dict) and told.get("Event") == "s3:TestEvent":
        yield "s3:TestEvent"
    else:
        yield told


def _read(part: Any) -> NewObject | str:
    """The new object that a part of a message names, or the name of another event."""
    if not isinstance(part, dict):
        raise _NotUnderstood(f"It is no notification of S3, nor an event of EventBridge: {_shown(part)}.")
    if part.get("source") == "aws.s3" and isinstance(part.get("detail"), dict):
        kind = part.get("detail-type")
        if kind != "Object Created":
            return brief(str(kind))
        return _object(part["detail"], _bucket(part["detail"]), is_encoded=False)
    if part.get("eventSource") in _OF_S3 and isinstance(part.get("s3"), dict):
        name = str(part.get("eventName")).removeprefix("s3:")
        if not name.startswith(_CREATED):
            return brief(name)
        return _object(part["s3"], _bucket(part["s3"]), is_encoded=True)
    raise _NotUnderstood(f"It is no notification of S3, nor an event of EventBridge: {_shown(part)}.")


def _bucket(about: Mapping[str, Any]) -> str:
    bucket = about.get("bucket")
    name = bucket.get("name") if isinstance(bucket, dict) else None
    if not isinstance(name, str) or not name:
        raise _NotUnderstood(f"It names no bucket: {_shown(about)}.")
    return name


def _object(about: Mapping[str, Any], bucket: str, *, is_encoded: bool) -> NewObject:
    found = about.get("object")
    key = found.get("key") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(key, str) or not key:
        raise _NotUnderstood(f"It names no key: {_shown(about)}.")
    decoded = _decoded(key)
    first, other = (decoded, key) if is_encoded else (key, decoded)
    etag = found.get("eTag") or found.get("etag")
    size = found.get("size")
    return NewObject(
        bucket,
        first,
        other if other != first else "",
        etag.strip('"') if isinstance(etag, str) else "",
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else -1,
    )


def _decoded(key: str) -> str:
    """The key that a notification encodes like a form; as it is, if it cannot be one that was encoded."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key


def _shown(part: Any) -> str:
    return repr(brief(orjson.dumps(part).decode()))
