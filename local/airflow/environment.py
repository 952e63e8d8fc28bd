"""The environment of the embedded Airflow: one machine, SQLite, no login, 127.0.0.1 only."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from local.places import PROJECT
from local.ports import Ports

_LOCKED_SECONDS = 60  # for which a service waits while others write to SQLite; its default is 5
FOREIGN = ("AIRFLOW", "AWS_", "OPENSEARCH_URL")
"""Prefixes of variables that a user's shell may contain for other installations; none of them reaches the stack."""


def keys_of(home: Path) -> dict[str, str]:
    """The keys of one Airflow installation, generated at random the first time and kept in `home` for its owner only.

    If Airflow's parts started simultaneously in a fresh home, each would write an airflow.cfg with its own keys, and
    they would then refuse each other's tokens.
    """
    file = home / "keys.json"
    if not file.exists():
        keys = {
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(32),
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(keys))
    return dict(json.loads(file.read_text()))


def airflow_environment(base: Mapping[str, str], home: Path, ports: Ports, keys: Mapping[str, str]) -> dict[str, str]:
    """The environment of every Airflow process of one stack.

    `base` is the environment to build on (PATH, HOME, locale), and `home` becomes AIRFLOW_HOME. Tasks find the stack's
    OpenSearch as the connection `opensearch_default`, and its S3 and SQS as `aws_default`. `keys` are those of
    `keys_of`.
    """
    own = {name: value for name, value in base.items() if not name.startswith(FOREIGN)}
    airflow = f"http://127.0.0.1:{ports.airflow}"
    return (
        own
        | dict(keys)
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", os.defpath)]),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout={_LOCKED_SECONDS}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(ports.airflow),
            "AIRFLOW__API__BASE_URL": airflow,
            "AIRFLOW_CONN_OPENSEARCH_DEFAULT": json.dumps(
                {
                    "conn_type": "opensearch",
                    "host": "127.0.0.1",
                    "port": ports.opensearch,
                    "extra": {"use_ssl": False},
                }
            ),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(
                {
                    "conn_type": "aws",
                    "login": "embedded",
                    "password": "embedded",
                    "extra": {"endpoint_url": f"http://127.0.0.1:{ports.aws}", "region_name": "us-east-1"},
                }
            ),
        }
    )
