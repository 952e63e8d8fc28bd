"""The environment of the embedded Airflow, and its ports."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.airflow.environment import airflow_environment, keys_of
from local.errors import StackError
from local.places import PROJECT
from local.ports import Ports, free_port
from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook

PORTS = Ports(opensearch=19201, aws=15001, airflow=18081)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_nothing_but_this_machine_is_named(tmp_path: Path) -> None:
    environment = airflow_environment({}, tmp_path, PORTS, {})
    hosts = {host for value in environment.values() for host in re.findall(r"https?://([^:/\s\"]+)", value)}
    assert hosts == {"127.0.0.1"}
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_the_project_is_what_airflow_runs(tmp_path: Path) -> None:
    environment = airflow_environment({}, tmp_path, PORTS, {})
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(PROJECT / "dags")
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"] == str(PROJECT / "plugins")
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18081/execution/"
    assert str(tmp_path) in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_connections_are_those_that_tasks_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = airflow_environment({}, tmp_path, PORTS, {})
    monkeypatch.setenv("AIRFLOW_CONN_OPENSEARCH_DEFAULT", environment["AIRFLOW_CONN_OPENSEARCH_DEFAULT"])
    assert OpenSearchHook("opensearch_default").settings.url == "http://127.0.0.1:19201"
    aws = json.loads(environment["AIRFLOW_CONN_AWS_DEFAULT"])
    assert aws["conn_type"] == "aws"
    assert aws["extra"]["endpoint_url"] == "http://127.0.0.1:15001"


def test_settings_for_other_installations_do_not_get_in(tmp_path: Path) -> None:
    shell = {
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AWS_PROFILE": "production",
        "OPENSEARCH_URL": "https://production:9200",
        "OPENSEARCH_PLUGINS_DIR": "/plugins",
        "HTTP_PROXY": "http://proxy:3128",
        "PATH": "/usr/bin",
    }
    environment = airflow_environment(shell, tmp_path, PORTS, {})
    assert environment["AIRFLOW_HOME"] == str(tmp_path)
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert not {"AWS_PROFILE", "OPENSEARCH_URL"} & environment.keys()
    assert environment["OPENSEARCH_PLUGINS_DIR"] == "/plugins"
    assert environment["PATH"].endswith(":/usr/bin")
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_keys_are_random_kept_and_private(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    keys = keys_of(one)
    assert keys == keys_of(one)
    assert not set(keys.values()) & set(keys_of(other).values())
    assert (one / "keys.json").stat().st_mode & 0o077 == 0
    assert keys.items() <= airflow_environment({}, one, PORTS, keys).items()


def test_preferred_ports_give_way_when_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("OPENSEARCH", "AWS", "AIRFLOW"):
        monkeypatch.delenv(f"STRATA_{service}_PORT", raising=False)
    preferred = Ports(opensearch=taken, aws=free_port(), airflow=free_port())
    chosen = Ports.choose(preferred)
    assert (chosen.aws, chosen.airflow) == (preferred.aws, preferred.airflow)
    assert chosen.opensearch != taken


def test_named_ports_are_taken_at_their_word(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("STRATA_AIRFLOW_PORT", str(port))
    assert Ports.choose().airflow == port
    monkeypatch.setenv("STRATA_AIRFLOW_PORT", str(taken))
    with pytest.raises(StackError, match=f"STRATA_AIRFLOW_PORT names port {taken}, which is taken"):
        Ports.choose()
    monkeypatch.setenv("STRATA_AIRFLOW_PORT", "http")
    with pytest.raises(StackError, match="STRATA_AIRFLOW_PORT is 'http', which is not a TCP port"):
        Ports.choose()
