"""Exceptions of botocore: whether another attempt may help, and a sentence that names the cure.

Used by :mod:`opensearch_strata.errors.judging`; botocore is imported only when an error is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.errors.printable import brief

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, botocore's own list in retries/standard.py, and
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html#API_ReceiveMessage_Errors
_TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "KmsThrottled",
        "OperationAborted",
        "OverLimit",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)

_PERMISSION = (
    "Allow {action} for the identity in use: in its own policy, in the bucket's and in that of the KMS key. For a "
    "Requester Pays bucket, set intake.request_payer: requester."
)
_PERMISSION_OF_QUEUE = (
    "Allow {action} for the identity in use: in its own policy, in the queue's and in that of the KMS key."
)
_WRONG_KEYS = "Set the access key and the secret of the right account, in the connection or in the environment."
_LOG_IN = "Log in again, or use a role whose credentials renew themselves."
_WRONG_REGION = "Set the bucket's region in the connection or in AWS_REGION."
_CURES = {
    "AccessDenied": _PERMISSION,
    "AllAccessDisabled": _PERMISSION,
    "403": _PERMISSION,
    "NoSuchBucket": "Check the name of the bucket and the endpoint.",
    "NoSuchKey": "Check the key; the object may have been deleted in the meantime.",
    "InvalidAccessKeyId": _WRONG_KEYS,
    "SignatureDoesNotMatch": _WRONG_KEYS,
    "InvalidClientTokenId": _WRONG_KEYS,
    "UnrecognizedClientException": _WRONG_KEYS,
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "InvalidToken": _LOG_IN,
    "TokenRefreshRequired": _LOG_IN,
    "RequestExpired": _LOG_IN,
    "RequestTimeTooSkewed": "Correct the clock of this machine.",
    "PermanentRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "PreconditionFailed": "The object was written in the meantime; start again.",
}

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
_RESTORE_GLACIER = (
    "The object is in an archive tier (Glacier) and stays there: restore it first with `aws s3api restore-object "
    "--restore-request Days=7`, and run again once it is back, some hours later."
)
_RESTORE_TIERED = (
    "The object is in an archive tier of S3 Intelligent-Tiering{tier}, which a listing does not show, and stays there: "
    "restore it first with `aws s3api restore-object --restore-request {{}}` (without a number of days), and run again "
    "once it is back, some hours later."
)

_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "ReceiveMessage": "sqs:ReceiveMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetQueueUrl": "sqs:GetQueueUrl",
}


def is_transient(error: BaseException) -> bool:
    """Whether AWS may answer the next attempt although nobody changes anything.

    True if the connection cannot be made or is lost, if no answer comes in time, if a body is cut off or damaged in
    transit, and for 429, 500, 502, 503, 504 and codes such as SlowDown. False for everything else, including
    certificates.
    """
    from botocore import exceptions

    match error:
        case exceptions.ClientError():
            return _code(error) in _TRANSIENT_CODES or _status(error) in _TRANSIENT_STATUSES
        case exceptions.SSLError():
            return False
        case (
            exceptions.ConnectionError()
            | exceptions.HTTPClientError()
            | exceptions.IncompleteReadError()
            | exceptions.FlexibleChecksumError()
        ):
            return True
    return False


def explain(error: BaseException) -> str | None:
    """Sentences about an exception of botocore: what AWS answered, and the cure. None if it is not botocore's.

    Never contain a signed URL, a header or a token, even if the server repeats one.
    """
    from botocore import exceptions

    match error:
        case exceptions.ClientError():
            return _explain_answer(error)
        case exceptions.SSLError():
            return f"No trusted TLS connection to AWS could be established ({brief(str(error))})."
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return f"No credentials for AWS were found ({brief(str(error))}). {_WRONG_KEYS}"
        case (
            exceptions.CredentialRetrievalError()
            | exceptions.TokenRetrievalError()
            | exceptions.UnauthorizedSSOTokenError()
        ):
            return f"Credentials for AWS could not be renewed ({brief(str(error))}). {_LOG_IN}"
        case exceptions.NoRegionError():
            return f"No AWS region is known. {_WRONG_REGION}"
        case exceptions.BotoCoreError() if is_transient(error):
            return f"The connection to AWS failed ({brief(str(error))})."
        case exceptions.BotoCoreError():
            return f"No request was sent to AWS ({type(error).__name__}: {brief(str(error))})."
    return None


def error_code(error: BaseException) -> str:
    """The code in AWS's answer, such as NoSuchKey; empty if AWS did not answer."""
    from botocore.exceptions import ClientError

    return _code(error) if isinstance(error, ClientError) else ""


def _explain_answer(error: ClientError) -> str:
    code, status = _code(error), _status(error)
    action = _ACTIONS.get(error.operation_name, f"s3:{error.operation_name}")
    message = brief(str(_answer(error).get("Message") or ""))
    said = f" ({message})" if message and message != code else ""
    number = f"{status} " if status and f"{status}" != code else ""
    cure = _CURES.get(code, "")
    if cure is _PERMISSION and action.startswith("sqs:"):
        cure = _PERMISSION_OF_QUEUE
    cure = _restore(error) if code == "InvalidObjectState" else cure.format(action=action)
    return f"AWS answered {number}{code or 'without a code'} to {error.operation_name}{said}. {cure}".rstrip()


def _restore(error: ClientError) -> str:
    """How to get an archived object back, depending on the storage class and tier in the answer, if it has them."""
    answer = _answer(error)
    tier = answer.get("AccessTier")
    if tier or answer.get("StorageClass") == "INTELLIGENT_TIERING":
        return _RESTORE_TIERED.format(tier=f" ({brief(str(tier))})" if tier else "")
    return _RESTORE_GLACIER


def _answer(error: ClientError) -> dict[str, Any]:
    answer: dict[str, Any] = error.response.get("Error") or {}
    return answer


def _code(error: ClientError) -> str:
    return str(_answer(error).get("Code") or "")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
