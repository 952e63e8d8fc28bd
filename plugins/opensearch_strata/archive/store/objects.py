"""Objects in S3: the client, and the bytes of objects in the version that was planned."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata.archive.events import Place
from opensearch_strata.connections.sigv4 import default_session
from opensearch_strata.errors import DefinitionError, Refused, StrataError, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.config import Config

_log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes per read."""

_TRIES = 6  # in a row without receiving a byte; boto3 does its own retries within each of them
_CHANGED = frozenset({"412", "PreconditionFailed"})
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


class ObjectGone(StrataError):  # noqa: N818 - the name says what happened
    """The object no longer exists."""


class ObjectChanged(StrataError):  # noqa: N818 - the name says what happened
    """The object has been rewritten since it was listed."""


class ListedObject(NamedTuple):
    """An object as S3 lists it.

    :param size: bytes
    :param modified: time of its last change, epoch milliseconds
    """

    place: Place
    size: int
    modified: int


def build_s3(connections: int = 10, request_payer: str | None = None) -> BaseClient:
    """Create a client from the AWS CLI's chain of settings: environment, profile, role; ``AWS_ENDPOINT_URL`` is used.

    :param connections: number of connections that are kept open; as many as there are threads
    :param request_payer: ``requester``: see :func:`let_pay`
    :raises Refused: the settings cannot be used; the message says which
    """
    from botocore.exceptions import BotoCoreError

    try:
        session = default_session()
        client = session.client("s3", config=s3_config(connections))
        if not is_aws(client.meta.endpoint_url):
            client = session.client("s3", config=s3_config(connections, path_style=True))
    except (BotoCoreError, DefinitionError, ValueError) as error:
        raise Refused(f"The S3 client could not be created. {explain(error)}") from error
    return let_pay(client, request_payer)


def let_pay(client: BaseClient, request_payer: str | None) -> BaseClient:
    """Make a client's requests state who pays for them; a Requester Pays bucket refuses all other requests.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html

    :param request_payer: ``requester``, or None: the owner of the bucket
    :returns: the same client
    """

    def add(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "RequestPayer" in model.input_shape.members:
            params.setdefault("RequestPayer", request_payer)

    if request_payer:
        client.meta.events.register("provide-client-params.s3", add, unique_id="strata-request-payer")
    return client


def is_aws(endpoint_url: str) -> bool:
    """Whether an endpoint is AWS's own; elsewhere, buckets do not have host names of their own.

    :param endpoint_url: the endpoint of S3
    """
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def s3_config(connections: int = 10, path_style: bool = False) -> Config:
    """The configuration of a client for archives, for both the shell and Airflow's hook.

    :param connections: maximum number of simultaneous connections
    :param path_style: put the bucket in the path, not in the host name; required if S3 is not AWS's own
    """
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "total_max_attempts": 10},
        max_pool_connections=connections,
        s3={"addressing_style": "path" if path_style else "auto"},
    )


def open_object(s3: BaseClient, place: Place, size: int) -> Generator[bytes]:
    """Yield the bytes of an object in blocks of at most 1 MiB; if the connection is lost, reading resumes where it
    broke off.

    The version is pinned by ``If-Match``: bytes of two versions are never mixed, and a body that is too short is
    never taken for the whole object.

    :param place: without an ETag, the current version is read
    :param size: bytes, as listed
    :raises ObjectGone: the object does not exist
    :raises ObjectChanged: the object has another version than the listed one
    :raises Refused: S3 refuses to return the object; the message says what to do
    :raises TransientError: the connection was lost repeatedly
    """
    body = _Body(s3, place, size)
    try:
        while block := _RETRYING(body.read):
            yield block
    except (StrataError, GeneratorExit):
        raise
    except Exception as error:
        raise _told(error, place, body.position, size) from error
    finally:
        body.close()


def object_now(s3: BaseClient, bucket: str, key: str) -> ListedObject | None:
    """The version of an object that is there now; None if there is none.

    :param bucket: its name
    :param key: the object's full key
    :raises Refused: S3 refuses to say
    :raises TransientError: S3 does not answer
    """
    from botocore.exceptions import BotoCoreError, ClientError

    place = Place(bucket, key)
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) in _GONE:
            return None
        raise _told(error, place, 0, 0) from error
    modified = int(found["LastModified"].timestamp() * 1000)
    return ListedObject(Place(bucket, key, found["ETag"].strip('"')), found["ContentLength"], modified)


class _Body:
    """A body that is opened when it is read, at the position reached so far."""

    def __init__(self, s3: BaseClient, place: Place, size: int) -> None:
        self.position = 0
        self._s3, self._place, self._size = s3, place, size
        self._etag = place.etag
        self._told_size = size
        self._stream: Any = None

    def read(self) -> bytes:
        """Return the next block, empty at the end. After an error, the next call opens the object again."""
        if self._stream is None and self.position < self._size:
            self._open()
        if self._stream is None:
            return b""
        try:
            block: bytes = self._stream.read(BLOCK)
        except Exception:
            self.close()
            raise
        self.position += len(block)
        if not block:
            self.close()
            if self.position < self._size:
                raise TransientError(
                    f"Reading {self._place} broke off after {self.position:,} of {counted(self._size, 'byte')}."
                )
        return block

    def close(self) -> None:
        """Return the connection to the pool, or drop it if there is more to come on it."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(Exception):  # the connection is of no more use
                stream.close()

    def _open(self) -> None:
        wanted = {"IfMatch": f'"{self._etag}"'} if self._etag else {}
        if self.position:
            wanted["Range"] = f"bytes={self.position}-"
        answer = self._s3.get_object(Bucket=self._place.bucket, Key=self._place.key, **wanted)
        self._stream = answer["Body"]
        try:
            self._etag = self._etag or answer["ETag"].strip('"')
            there = self.position + answer["ContentLength"]
        except KeyError:  # if the connection breaks off within the headers, some are missing or a number is cut short
            self.close()
            raise TransientError(f"The response for {self._place} broke off within its headers.") from None
        if there != self._size:
            self.close()
            told, self._told_size = self._told_size, there
            problem = f"{self._place} has {counted(there, 'byte')} instead of the {self._size:,} that were planned"
            if there != told:  # it may come from half of a header line
                raise TransientError(f"{problem}, as one answer says.")
            raise ObjectChanged(f"{problem}; plan again.")


def _told(error: Exception, place: Place, position: int, size: int) -> StrataError:
    code = error_code(error)
    if code in _CHANGED:
        return ObjectChanged(f"{place} has been rewritten since it was listed, so no more of it is read; plan again.")
    if code in _GONE:
        return ObjectGone(f"{place} is gone: it has been deleted since it was listed. Plan again, or restore it.")
    if is_transient(error):
        return TransientError(
            f"{place} could not be read beyond {position:,} of {counted(size, 'byte')}. {explain(error)}"
        )
    return Refused(f"{place} cannot be read. {explain(error)}")


def _may_go_on(error: BaseException) -> bool:
    """Whether to open the object again. If bytes were damaged in transit, no: they have already been handed out."""
    from botocore.exceptions import FlexibleChecksumError

    return not isinstance(error, FlexibleChecksumError) and is_transient(error)


def _log_attempt(state: RetryCallState) -> None:
    if state.outcome and (error := state.outcome.exception()):
        _log.warning("Reading continues after an error: %s", explain(error))


_RETRYING = Retrying(
    retry=retry_if_exception(_may_go_on),
    stop=stop_after_attempt(_TRIES),
    wait=wait_random_exponential(multiplier=0.2, max=20),
    before_sleep=_log_attempt,
    reraise=True,
)
