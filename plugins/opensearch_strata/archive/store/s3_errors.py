"""What botocore raises, as errors of ours with a sentence that says what could not be done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain, is_transient


@contextmanager
def s3_errors(what: str) -> Iterator[None]:
    """Requests to S3 whose failure becomes a sentence.

    :param what: what cannot be done if one fails, like ``s3://bucket/key cannot be written``
    :raises Refused: S3 does not allow it
    :raises TransientError: S3 did not answer, or its fault may pass
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise (TransientError if is_transient(error) else Refused)(f"{what}. {explain(error)}") from error
