"""Objects in S3: a client, and their bytes in the version that was planned."""

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
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.config import Config

_log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes that are read at once."""

_TRIES = 6  # in a row without a byte; each of them is tried by boto3 as often as it sees fit
_CHANGED = frozenset({"412", "PreconditionFailed"})
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


class ObjectGone(StrataError):  # noqa: N818 - reads as what happened
    """The object is no longer there."""


class ObjectChanged(StrataError):  # noqa: N818 - reads as what happened
    """The object was written again since it was listed."""


class ListedObject(NamedTuple):
    """An object as S3 lists it.

    :param size: bytes
    :param modified: time of its last change, epoch milliseconds
    """

    place: Place
    size: int
    modified: int


def build_s3(connections: int = 10, request_payer: str | None = None) -> BaseClient:
    """A client by the AWS CLI's chain of settings: environment, profile, role; ``AWS_ENDPOINT_URL`` counts.

    :param connections: kept open; as many as there are threads
    :param request_payer: ``requester``: see :func:`let_pay`
    :raises Refused: the settings cannot be used; the sentence says which
    """
    from botocore.exceptions import BotoCoreError

    try:
        session = default_session()
        client = session.client("s3", config=s3_config(connections))
        if not is_aws(client.meta.endpoint_url):
            client = session.client("s3", config=s3_config(connections, path_style=True))
    except (BotoCoreError, DefinitionError, ValueError) as error:
        raise Refused(f"No client for S3 could be made. {explain(error)}") from error
    return let_pay(client, request_payer)


def let_pay(client: BaseClient, request_payer: str | None) -> BaseClient:
    """The client, whose requests say from now on who pays for them; a bucket that asks for it refuses all others.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html

    :param request_payer: ``requester``, or None: the owner of the bucket
    """

    def add(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "RequestPayer" in model.input_shape.members:
            params.setdefault("RequestPayer", request_payer)

    if request_payer:
        client.meta.events.register("provide-client-params.s3", add, unique_id="strata-request-payer")
    return client


def is_aws(endpoint_url: str) -> bool:
    """Whether an endpoint is AWS's own; elsewhere there is no host name for each bucket.

    :param endpoint_url: of S3
    """
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def s3_config(connections: int = 10, path_style: bool = False) -> Config:
    """How a client for archives behaves, for the shell and for Airflow's hook alike.

    :param connections: most of them at a time
    :param path_style: the bucket in the path, not in the host name; needed where S3 is not AWS's
    """
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "total_max_attempts": 10},
        max_pool_connections=connections,
        s3={"addressing_style": "path" if path_style else "auto"},
    )


def open_object(s3: BaseClient, place: Place, size: int) -> Generator[bytes]:
    """The bytes of an object in blocks of at most 1 MiB; a connection that is lost is resumed where it broke off.

    The version is pinned by ``If-Match``: bytes of two versions are never mixed, and a body that is too short is
    never taken for the end.

    :param place: without an eTag, the version that is there now is read
    :param size: bytes, as listed
    :raises ObjectGone: nothing is there
    :raises ObjectChanged: there is another version than listed
    :raises Refused: S3 will not hand it out; the sentence has the cure
    :raises TransientError: the connection was lost again and again
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


class _Body:
    """A body that is opened when it is read, at the position that was reached."""

    def __init__(self, s3: BaseClient, place: Place, size: int) -> None:
        self.position = 0
        self._s3, self._place, self._size = s3, place, size
        self._etag = place.etag
        self._stream: Any = None

    def read(self) -> bytes:
        """The next block; empty at the end. After an error, the next call opens the object again."""
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
                raise TransientError(f"{self._place} broke off after {self.position:,} of {self._size:,} bytes.")
        return block

    def close(self) -> None:
        """Give the connection back, or up if there is more to come on it."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(Exception):  # of a connection that is of no use any more
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
        except KeyError:  # a connection that breaks off in the headers leaves fewer of them, or a shorter number
            self.close()
            raise TransientError(f"The answer on {self._place} broke off in its headers.") from None
        if there != self._size:
            self.close()
            raise ObjectChanged(f"{self._place} has {there:,} bytes, {self._size:,} were planned; plan again.")


def _told(error: Exception, place: Place, position: int, size: int) -> StrataError:
    code = error_code(error)
    if code in _CHANGED:
        return ObjectChanged(f"{place} was rewritten since it was listed, so none of it is taken any more; plan again.")
    if code in _GONE:
        return ObjectGone(f"{place} is gone: it was deleted since it was listed. Plan again, or restore it.")
    if is_transient(error):
        return TransientError(f"{place} could not be read beyond {position:,} of {size:,} bytes. {explain(error)}")
    return Refused(f"{place} cannot be read. {explain(error)}")


def _may_go_on(error: BaseException) -> bool:
    """Whether to open the object again: not if bytes were damaged on their way, which are given out already."""
    from botocore.exceptions import FlexibleChecksumError

    # A number of bytes that is not the listed one may be the half of a header line.
    return not isinstance(error, FlexibleChecksumError) and (is_transient(error) or isinstance(error, ObjectChanged))


def _log_attempt(state: RetryCallState) -> None:
    if state.outcome and (error := state.outcome.exception()):
        _log.warning("Reading goes on after: %s", explain(error))


_RETRYING = Retrying(
    retry=retry_if_exception(_may_go_on),
    stop=stop_after_attempt(_TRIES),
    wait=wait_random_exponential(multiplier=0.2, max=20),
    before_sleep=_log_attempt,
    reraise=True,
)
