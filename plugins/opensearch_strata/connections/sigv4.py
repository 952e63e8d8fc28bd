"""Who we are to an OpenSearch of AWS, which takes requests signed by SigV4; for the shell and the Airflow hook alike.

Each brings a boto3 session of its own: the shell the one of the AWS CLI, the hook that of an Airflow connection.
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
"""Amazon OpenSearch Service, and its Serverless: the service that a signature is made for."""

# https://docs.aws.amazon.com/general/latest/gr/opensearch-service.html; a custom domain name says neither
_ENDPOINT = re.compile(r"\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\.(?P<service>es|aoss)\.amazonaws\.com(?:\.cn)?$")


class AwsEndpoint(NamedTuple):
    """What the name of a host of AWS says."""

    service: AwsService
    region: str


def aws_endpoint(url: str) -> AwsEndpoint | None:
    """Service and region of ``https://<domain>.<region>.es|aoss.amazonaws.com``; None for any other host.

    :param url: of OpenSearch, without a login
    """
    try:
        found = _ENDPOINT.search(urlsplit(url).hostname or "")
    except ValueError:
        return None
    return AwsEndpoint("aoss" if found["service"] == "aoss" else "es", found["region"]) if found else None


def default_session() -> Session:
    """What the AWS CLI would use: profile, keys and role of the environment, and ``AWS_REGION``, unknown to boto3.

    :raises DefinitionError: the profile does not exist, or its file cannot be read
    """
    from boto3 import Session
    from botocore.exceptions import BotoCoreError

    try:
        return Session(region_name=os.environ.get("AWS_REGION") or None)
    except BotoCoreError as error:
        raise DefinitionError(explain(error)) from error


def sigv4_settings(session: Session, url: str) -> dict[str, Any]:
    """The fields of :class:`ClientSettings` that SigV4 adds: credentials, which refresh themselves, and the region.

    The region is the host's where its name says it, as AWS takes a signature for no other, else the session's.

    :param url: of OpenSearch, without a login
    :raises DefinitionError: the session has credentials that cannot be used
    :raises TransientError: AWS does not hand them out now
    """
    from botocore.exceptions import BotoCoreError, ClientError

    endpoint = aws_endpoint(url)
    try:
        credentials = session.get_credentials()
        if credentials:  # a role is assumed, or a login renewed, when they are first asked for
            credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise (TransientError if is_transient(error) else DefinitionError)(explain(error)) from error
    return {
        "auth": "sigv4",
        "credentials": credentials,
        "region_name": endpoint.region if endpoint else session.region_name,
    }
