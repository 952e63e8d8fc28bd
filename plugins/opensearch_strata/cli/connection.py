"""The dataset and the cluster that a command works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.client import ClientSettings
    from opensearch_strata.dataset import Dataset

# Seconds for one answer: a whole day is one search of the proof, and a person at a terminal can end it.
PATIENCE = 300


def find_dataset(name: str, folder: Path | None) -> Dataset:
    """A dataset by name.

    :raises DefinitionError: unknown or broken
    """
    from opensearch_strata.definitions import datasets_dir, load_definitions

    return load_definitions(folder or datasets_dir()).get(name)


def client_settings(url: str, ca_certs: Path | None) -> ClientSettings:
    """How to reach a cluster; a login in the URL goes before the one in the environment.

    :raises DefinitionError: the URL or the login cannot be used
    """
    from opensearch_strata.client import ClientSettings

    settings = ClientSettings.from_url(url, ca_certs=ca_certs, timeout=PATIENCE)
    login = {"username": os.environ.get("OPENSEARCH_USERNAME"), "password": os.environ.get("OPENSEARCH_PASSWORD")}
    if settings.auth == "none" and any(login.values()):
        return ClientSettings.from_url(url, ca_certs=ca_certs, timeout=PATIENCE, auth="basic", **login)
    return settings


@contextmanager
def connected(url: str, ca_certs: Path | None) -> Iterator[OpenSearch]:
    """A client, closed at the end."""
    from opensearch_strata.client import build_client

    client = build_client(client_settings(url, ca_certs))
    try:
        yield client
    finally:
        client.close()
