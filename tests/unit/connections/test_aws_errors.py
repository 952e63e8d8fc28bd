"""What is worth another attempt at AWS, and the sentence with the cure, from real answers of botocore."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)

from local.ports import free_port
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient
from tests.servers.recording_server import Answer, serving

SECRET = "TOPSECRET"
SIGNED = f"https://b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}"


def client_of(url: str, **login: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=0.3)
    login = {"aws_access_key_id": "AKIA", "aws_secret_access_key": SECRET, **login}
    return boto3.client("s3", endpoint_url=url, region_name="eu-west-1", config=config, **login)


def failure_of(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def answered(status: int, code: str, message: str = "Something is so.") -> Exception:
    """What boto3 raises for an answer as S3 writes it, secrets repeated and all."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message>'
        f"<Token-0>{SECRET}</Token-0><StringToSign>{SECRET}</StringToSign></Error>"
    )
    with serving(Answer(status, text)) as server:
        return failure_of(lambda: client_of(server.url).get_object(Bucket="b", Key="k"))


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (500, "InternalError", True),
        (502, "BadGateway", True),
        (503, "SlowDown", True),
        (503, "ServiceUnavailable", True),
        (504, "GatewayTimeout", True),
        (429, "TooManyRequests", True),
        (400, "RequestTimeout", True),
        (400, "ThrottlingException", True),
        (403, "AccessDenied", False),
        (403, "InvalidAccessKeyId", False),
        (403, "SignatureDoesNotMatch", False),
        (400, "ExpiredToken", False),
        (404, "NoSuchBucket", False),
        (404, "NoSuchKey", False),
        (412, "PreconditionFailed", False),
        (501, "NotImplemented", False),
    ],
)
def test_which_answers_pass(status: int, code: str, transient: bool) -> None:
    error = answered(status, code)
    assert is_transient(error) is transient
    assert error_code(error) == code
    assert explain(error).startswith(f"AWS answered {status} {code} to GetObject (Something is so).")


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("AccessDenied", "Allow s3:GetObject for the identity in use"),
        ("NoSuchBucket", "Check the name of the bucket"),
        ("InvalidAccessKeyId", "Set the access key and the secret of the right account"),
        ("SignatureDoesNotMatch", "Set the access key and the secret of the right account"),
        ("ExpiredToken", "Log in again"),
        ("RequestTimeTooSkewed", "Correct the clock"),
        ("InvalidObjectState", "restore it first"),
        ("PermanentRedirect", "Set the bucket's region"),
    ],
)
def test_each_refusal_has_its_cure(code: str, cure: str) -> None:
    sentence = explain(answered(403, code))
    assert cure in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize(
    ("elements", "where", "restoration"),
    [
        ("<StorageClass>GLACIER</StorageClass>", "in an archive tier (Glacier)", "Days=7`"),
        ("<StorageClass>DEEP_ARCHIVE</StorageClass>", "in an archive tier (Glacier)", "Days=7`"),
        ("", "in an archive tier (Glacier)", "Days=7`"),
        (
            "<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>ARCHIVE_ACCESS</AccessTier>",
            "in an archive tier of S3 Intelligent-Tiering (ARCHIVE_ACCESS)",
            "{}`",
        ),
        ("<AccessTier>DEEP_ARCHIVE_ACCESS</AccessTier>", "Intelligent-Tiering (DEEP_ARCHIVE_ACCESS)", "{}`"),
        ("<StorageClass>INTELLIGENT_TIERING</StorageClass>", "of S3 Intelligent-Tiering, which", "{}`"),
    ],
)
def test_an_archived_object_is_to_be_restored_as_its_tier_wants(elements: str, where: str, restoration: str) -> None:
    """Elements of InvalidObjectState as docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html has them;
    RestoreObject refuses a number of days for Intelligent-Tiering."""
    text = f"<Error><Code>InvalidObjectState</Code><Message>It is so.</Message>{elements}</Error>"
    with serving(Answer(403, text)) as server:
        error = failure_of(lambda: client_of(server.url).get_object(Bucket="b", Key="k"))
    sentence = explain(error)
    assert sentence.startswith("AWS answered 403 InvalidObjectState to GetObject (It is so). The object is ")
    assert where in sentence
    assert f"restore it first with `aws s3api restore-object --restore-request {restoration}" in sentence
    assert not is_transient(error)


def test_a_message_loses_signed_urls_logins_and_length() -> None:
    sentence = explain(answered(403, "AccessDenied", f"See {SIGNED.replace('&', '&amp;')} and http://me:{SECRET}@p/ ."))
    assert SECRET not in sentence
    assert "https://b.s3.amazonaws.com/k" in sentence
    assert len(explain(answered(403, "AccessDenied", "x" * 3000))) < 700


def test_the_listing_names_its_permission() -> None:
    with serving(Answer(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")) as server:
        error = failure_of(lambda: client_of(server.url).list_objects_v2(Bucket="b"))
    assert "Allow s3:ListBucket for" in explain(error)


def test_nobody_listens() -> None:
    error = failure_of(lambda: client_of(f"http://127.0.0.1:{free_port()}").get_object(Bucket="b", Key="k"))
    assert is_transient(error)
    assert explain(error).startswith("The connection to AWS failed (Could not connect to the endpoint URL")


def test_no_answer_in_time() -> None:
    with serving(Answer(after=1.0)) as server:
        error = failure_of(lambda: client_of(server.url).get_object(Bucket="b", Key="k"))
    assert isinstance(error, ReadTimeoutError)
    assert is_transient(error)


def test_no_credentials() -> None:
    bare = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with patch.dict(os.environ, {**kept, **bare}, clear=True):
        client = client_of("http://127.0.0.1:9", aws_access_key_id=None, aws_secret_access_key=None)
        error = failure_of(lambda: client.get_object(Bucket="b", Key="k"))
    assert isinstance(error, NoCredentialsError)
    assert not is_transient(error)
    assert explain(error).startswith("No credentials for AWS were found (Unable to locate credentials). Set the access")


@pytest.mark.parametrize(
    ("error", "transient", "said"),
    [
        (EndpointConnectionError(endpoint_url=SIGNED), True, "The connection to AWS failed"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), True, "1 read, but total bytes expected is 2"),
        (ResponseStreamingError(error="reset"), True, "The connection to AWS failed"),
        (FlexibleChecksumError(error_msg="Expected checksum"), True, "Expected checksum"),
        (SSLError(endpoint_url=SIGNED, error="unknown CA"), False, "No trusted TLS connection to AWS"),
        (CredentialRetrievalError(provider="sso", error_msg="no"), False, "Log in again"),
    ],
)
def test_failures_beneath_http(error: Exception, transient: bool, said: str) -> None:
    assert is_transient(error) is transient
    assert said in explain(error)
    assert SECRET not in explain(error)


def test_other_errors_are_left_alone() -> None:
    assert not is_transient(ValueError("x"))
    assert explain(ValueError("x")) == "ValueError: x."
