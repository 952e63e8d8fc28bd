"""The dataset and the cluster that a command works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.connections.opensearch import ClientSettings
    from opensearch_strata.connections.sigv4 import AwsService
    from opensearch_strata.definition.dataset import Dataset

# Seconds for one answer: one search of the proof covers a whole day, and a person at a terminal can stop it.
PATIENCE = 300


def find_dataset(name: str, folder: Path | None) -> Dataset:
    """Return a dataset by its name.

    :raises DefinitionError: it is unknown or broken
    """
    from opensearch_strata.definition.files import datasets_dir, load_definitions

    return load_definitions(folder or datasets_dir()).get(name)


def client_settings(url: str, ca_certs: Path | None) -> ClientSettings:
    """Return the settings for a cluster; a login in the URL takes precedence over one in the environment.

    :raises DefinitionError: the URL, the login or the AWS credentials cannot be used
    """
    from opensearch_strata.connections.opensearch import ClientSettings
    from opensearch_strata.connections.sigv4 import default_session, sigv4_settings

    bare, settings = _login(url)
    if service := _aws_service(bare, has_login=bool(settings)):
        settings = {**sigv4_settings(default_session(), bare), "aws_service": service}
    return ClientSettings.checked(url=bare, ca_certs=ca_certs, timeout=PATIENCE, **settings)


def is_serverless(url: str) -> bool:
    """Whether a URL points to OpenSearch Serverless.

    :raises DefinitionError: the URL or the environment contradicts itself
    """
    bare, login = _login(url)
    return _aws_service(bare, has_login=bool(login)) == "aoss"


@contextmanager
def connected(url: str, ca_certs: Path | None, *, serverless: bool = False) -> Iterator[OpenSearch]:
    """Open a client, and close it at the end.

    :param serverless: whether OpenSearch Serverless is sufficient
    :raises DefinitionError: the settings cannot be used
    :raises Refused: the URL points to OpenSearch Serverless, which is not sufficient
    """
    from opensearch_strata.connections.opensearch import build_client
    from opensearch_strata.errors import Refused

    if not serverless and is_serverless(url):
        raise Refused(
            "OpenSearch Serverless lacks what this command needs: transforms, refresh and write blocks. Nothing was "
            "sent; use a managed domain or a cluster of your own."
        )
    client = build_client(client_settings(url, ca_certs))
    try:
        yield client
    finally:
        client.close()


def _login(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL without its login, and the fields of that login or of the environment's, if there is one."""
    from opensearch_strata.connections.opensearch import split_login

    bare, login = split_login(url)
    found = {"username": os.environ.get("OPENSEARCH_USERNAME"), "password": os.environ.get("OPENSEARCH_PASSWORD")}
    return bare, login or ({"auth": "basic", **found} if any(found.values()) else {})


def _aws_service(url: str, has_login: bool) -> AwsService | None:
    """Return the AWS service that requests are signed for, None if they are not signed."""
    from opensearch_strata.connections.sigv4 import aws_endpoint
    from opensearch_strata.errors import DefinitionError

    named, endpoint = _named_service(), aws_endpoint(url)
    if named and endpoint and named != endpoint.service:
        raise DefinitionError(
            f"OPENSEARCH_AWS_SERVICE is {named}, but the host belongs to {endpoint.service}; unset it."
        )
    service = named or (endpoint and endpoint.service)
    if has_login and (named or service == "aoss"):
        raise DefinitionError(
            f"There is a login, but requests for {service} are signed with AWS credentials (SigV4): remove the login "
            "from the URL, and OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD from the environment, or unset "
            "OPENSEARCH_AWS_SERVICE."
        )
    return None if has_login else service


def _named_service() -> AwsService | None:
    from opensearch_strata.errors import DefinitionError

    match os.environ.get("OPENSEARCH_AWS_SERVICE"):
        case None | "":
            return None
        case "es" | "aoss" as named:
            return named
        case other:
            raise DefinitionError(
                f"OPENSEARCH_AWS_SERVICE is {other!r}; set it to es (Amazon OpenSearch Service) or aoss (Serverless)."
            )
