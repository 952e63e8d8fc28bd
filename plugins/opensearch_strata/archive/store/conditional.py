"""Objects that are written once, or in place of the very version that was read: of two writers one wins.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata.archive.events import Place
from opensearch_strata.errors import TransientError
from opensearch_strata.errors.aws import error_code

if TYPE_CHECKING:
    from botocore.client import BaseClient

_CONFLICTS = frozenset({"409", "ConditionalRequestConflict"})
_LOST = frozenset({"412", "PreconditionFailed"})


class OtherWriterError(TransientError):
    """Somebody else wrote the object meanwhile."""


def put_in_place(s3: BaseClient, place: Place, body: bytes, **more: Any) -> str:
    """Write an object in place of the version that was read.

    :param place: with the ETag of that version; without one, there must be no object
    :param body: its content
    :param more: of the request
    :returns: the ETag of the object, without quotation marks
    :raises OtherWriterError: another version is there
    """
    condition = {"IfMatch": f'"{place.etag}"'} if place.etag else {"IfNoneMatch": "*"}
    again = Retrying(
        retry=retry_if_exception(lambda error: error_code(error) in _CONFLICTS),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_attempt(8),
        reraise=True,
    )
    try:
        answer = again(s3.put_object, Bucket=place.bucket, Key=place.key, Body=body, **condition, **more)
    except s3.exceptions.ClientError as error:
        if error_code(error) not in _LOST:
            raise
        there = s3.get_object(Bucket=place.bucket, Key=place.key)
        if there["Body"].read() != body:  # else a repeated request met what its first attempt wrote
            raise OtherWriterError(f"{place} was written by somebody else meanwhile; nothing was changed.") from None
        answer = there
    return str(answer["ETag"]).strip('"')
