"""Our identity for OpenSearch on AWS, which accepts requests signed with SigV4; for the shell and the Airflow hook.

Each provides its own boto3 session: the shell that of the AWS CLI, the hook that of an Airflow connection.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from opensearch_strata.errors import DefinitionError, TransientError
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from boto3 import Session

AwsService = Literal["es", "aoss"]
"""The service that a signature is made for: Amazon OpenSearch Service, or its Serverless."""

# https://docs.aws.amazon.com/general/latest/gr/opensearch-service.html; a custom domain name shows neither
_ENDPOINT = re.compile(r"\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\.(?P<service>es|aoss)\.amazonaws\.com(?:\.cn)?$")


class AwsEndpoint(NamedTuple):
    """What the host name of an AWS endpoint reveals."""

    service: AwsService
    region: str


def aws_endpoint(url: str) -> AwsEndpoint | None:
    """Service and region of ``https://<domain>.<region>.es|aoss.amazonaws.com``; None for any other host.

    :param url: URL of OpenSearch, without a login
    """
    try:
        found = _ENDPOINT.search(urlsplit(url).hostname or "")
    except ValueError:
        return None
    return AwsEndpoint("aoss" if found["service"] == "aoss" else "es", found["region"]) if found else None


def default_session() -> Session:
    """The session that the AWS CLI would use: profile, keys and role of the environment, and also ``AWS_REGION``.

    boto3 itself does not read ``AWS_REGION``.

    :raises DefinitionError: the profile does not exist, or its file cannot be read
    """
    from boto3 import Session
    from botocore.exceptions import BotoCoreError

    try:
        return Session(region_name=os.environ.get("AWS_REGION") or None)
    except BotoCoreError as error:
        raise DefinitionError(explain(error)) from error


def sigv4_settings(session: Session, url: str) -> dict[str, Any]:
    """The fields of :class:`ClientSettings` that SigV4 needs: credentials, which refresh themselves, and the region.

    The region is that of the host if its name shows it, because AWS accepts a signature for no other; else it is the
    session's.

    :param url: URL of OpenSearch, without a login
    :raises DefinitionError: the session's credentials cannot be used
    :raises TransientError: AWS does not provide them now
    """
    from botocore.exceptions import BotoCoreError, ClientError

    endpoint = aws_endpoint(url)
    try:
        credentials = session.get_credentials()
        if credentials:  # this assumes a role or renews a login
            credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise (TransientError if is_transient(error) else DefinitionError)(explain(error)) from error
    return {
        "auth": "sigv4",
        "credentials": credentials,
        "region_name": endpoint.region if endpoint else session.region_name,
    }
