"""The S3 client of an Airflow connection: whom it talks to, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensearch_strata.airflow.hooks.s3 import s3_client


def client_of(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> Any:
    """The client of a connection with these extras."""
    fields = {"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "eu-west-1", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVES", json.dumps(fields))
    return s3_client("archives", connections=17)


def test_it_talks_to_aws_as_the_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch)
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.endpoint_url.endswith(".amazonaws.com")
    assert client.meta.config.s3["addressing_style"] == "auto"
    assert client.meta.config.max_pool_connections == 17
    assert client.meta.config.retries["mode"] == "standard"


def test_another_s3_gets_the_bucket_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, endpoint_url="http://127.0.0.1:9000")
    assert client.meta.endpoint_url == "http://127.0.0.1:9000"
    assert client.meta.config.s3["addressing_style"] == "path"


def test_an_endpoint_of_aws_itself_is_no_other_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, endpoint_url="https://s3.eu-west-1.amazonaws.com")
    assert client.meta.config.s3["addressing_style"] == "auto"


def test_what_the_connection_says_of_the_client_counts_above_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, config_kwargs={"max_pool_connections": 3})
    assert client.meta.config.max_pool_connections == 3
    assert client.meta.config.retries["mode"] == "standard"
