"""What a message of a queue says: which objects are new. Pure.

Sources: S3's notifications (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), also
inside SNS messages (docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html), and S3's events of
EventBridge (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html). Names of other events:
docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html, EventBridge.html
beside it, and MinIO's for objects that are read or move to another tier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson

from opensearch_strata.errors.printable import brief

_CREATED = "ObjectCreated:"
_OF_S3 = ("aws:s3", "minio:s3")
_TEST = "s3:TestEvent"

# Events that announce no new object. A message is set aside for nothing but these: what is not known may be new.
_OTHERS = frozenset({"ReducedRedundancyLostObject", "LifecycleTransition", "IntelligentTiering", "ObjectAcl:Put"})
_OTHER_FAMILIES = (
    "ObjectRemoved:",
    "ObjectRestore:",
    "ObjectTagging:",
    "LifecycleExpiration:",
    "Replication:",
    "ObjectAccessed:",
    "ObjectTransition:",
)
_OTHERS_OF_EVENTBRIDGE = frozenset(
    {
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
        "Object ACL Updated",
        "Object Tags Added",
        "Object Tags Deleted",
    }
)

_ETAG = re.compile(r"[!#-~]{1,128}")  # visible ASCII without quotes (RFC 9110, 8.8.3), longer than any that S3 makes
_MOST_BYTES = 1 << 50  # of an object, twenty times as many as S3 takes
_LONGEST_KEY = 1024  # bytes, docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MOST_WRAPPED = 4  # a notification in a message of SNS, each of which somebody has encoded once more


class NewObject(NamedTuple):
    """An object as a message names it.

    Versions and sequencers are not kept: the version that is there when the object is read is the one to load.

    :param key: as the message's shape prescribes to read it
    :param other_key: the same text read the other way, for writers of messages that do not keep to that; empty if it
        is the same
    :param etag: without quotes; empty if the message does not say it, or something that cannot be one
    :param size: bytes; -1 if the message does not say it, or a number that no object has. 0 counts as not said: writers
        that do not know it say so, and an object that is taken for empty is not loaded
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
    :param aside: what else it says, which is not about new objects: names of events, all of them known
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
        told = _unwrapped(body)
    except _NotUnderstood as problem:
        return Told(not_understood=str(problem))
    if isinstance(told, dict) and told.get("Event") == _TEST and "Records" not in told:
        return Told(aside=(_TEST,))
    new: list[NewObject] = []
    aside: list[str] = []
    problems: list[str] = []
    for part in _parts(told):
        try:
            found = _read(_parsed(part) if isinstance(part, str) else part)
        except _NotUnderstood as problem:
            problems.append(str(problem))
            continue
        if isinstance(found, str):
            aside.append(found)
        else:
            new.append(found)
    return Told(tuple(new), tuple(aside), next(iter(problems), ""))


def _unwrapped(body: str) -> Any:
    """What a message says, taken out of the message of SNS or the JSON text that it is in."""
    text = body
    for _ in range(_MOST_WRAPPED):
        told = _parsed(text)
        if isinstance(told, dict) and told.get("Type") == "Notification" and isinstance(told.get("Message"), str):
            text = told["Message"]
        elif isinstance(told, str):
            text = told
        else:
            return told
    raise _NotUnderstood(f"It is wrapped more than {_MOST_WRAPPED} times: {brief(body)!r}.")


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _NotUnderstood(f"It is not JSON: {brief(text)!r}.") from None


def _parts(told: Any) -> Iterator[Any]:
    """The parts of a message: its records, or itself."""
    if isinstance(told, dict) and isinstance(told.get("Records"), list) and told["Records"]:
        yield from told["Records"]
    else:
        yield told


def _read(part: Any) -> NewObject | str:
    """The new object that a part of a message names, or the name of another event that is known."""
    if isinstance(part, dict) and part.get("source") == "aws.s3" and isinstance(part.get("detail"), dict):
        kind = part.get("detail-type")
        if kind == "Object Created":
            return _object(part["detail"], _bucket(part["detail"]), is_encoded=False)
        if isinstance(kind, str) and kind in _OTHERS_OF_EVENTBRIDGE:
            return kind
        raise _NotUnderstood(f"Its detail-type is none that S3 sends: {_shown(part)}.")
    if isinstance(part, dict) and part.get("eventSource") in _OF_S3 and isinstance(part.get("s3"), dict):
        name = part.get("eventName")
        name = name.removeprefix("s3:") if isinstance(name, str) else ""
        if name.startswith(_CREATED):
            return _object(part["s3"], _bucket(part["s3"]), is_encoded=True)
        if name in _OTHERS or name.startswith(_OTHER_FAMILIES):
            return brief(name)
        raise _NotUnderstood(f"Its eventName is none that S3 sends: {_shown(part)}.")
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
    ways = dict.fromkeys((decoded, key) if is_encoded else (key, decoded))
    possible = [one for one in ways if len(one.encode()) <= _LONGEST_KEY]
    if not possible:
        raise _NotUnderstood(f"Its key has more than {_LONGEST_KEY:,} bytes, which S3 does not take: {_shown(about)}.")
    return NewObject(bucket, possible[0], "".join(possible[1:]), _etag(found), _size(found))


def _etag(found: Mapping[str, Any]) -> str:
    """The ETag; empty, as if it were not said, unless it can be one: it is sent in a header and kept in the ledger."""
    etag = found.get("eTag") or found.get("etag")
    etag = etag.strip('"') if isinstance(etag, str) else ""
    return etag if _ETAG.fullmatch(etag) else ""


def _size(found: Mapping[str, Any]) -> int:
    size = found.get("size")
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= _MOST_BYTES else -1


def _decoded(key: str) -> str:
    """The key that a notification encodes like a form; as it is, if it cannot be one that was encoded."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return key


def _shown(part: Any) -> str:
    try:
        text = orjson.dumps(part).decode()
    except orjson.JSONEncodeError:  # it reads what is nested four times as deep as what it writes
        return "it is nested too deeply to be shown"
    return repr(brief(text))
