"""What an installed package declares to Airflow; its entry point ``apache_airflow_provider`` leads here."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

OTHER_PROVIDER = "apache-airflow-providers-opensearch"
"""Has the same connection type. Where it is installed, its form stays, as Airflow reads providers in order of name."""

_EXAMPLE = {"use_ssl": True, "verify_certs": True, "auth": "basic", "timeout": 60}

CONNECTION_TYPE: dict[str, Any] = {
    "connection-type": "opensearch",
    "hook-class-name": "opensearch_strata.airflow.hooks.opensearch.OpenSearchHook",
    "hook-name": "OpenSearch",
    "ui-field-behaviour": {
        "hidden-fields": ["schema"],
        "relabeling": {"extra": "OpenSearch Configuration"},
        "placeholders": {"extra": json.dumps(_EXAMPLE, indent=2), "host": "https://search.example.com"},
    },
}
"""The connection type and its form."""


def get_provider_info() -> dict[str, Any]:
    """Return name, description and connection type, as in Airflow's schema ``provider_info.schema.json``.

    The connection type is left out where :data:`OTHER_PROVIDER` registers it, so that Airflow does not warn about a
    second one in every process.
    """
    try:
        distribution(OTHER_PROVIDER)
        types = []
    except PackageNotFoundError:
        types = [CONNECTION_TYPE]
    return {
        "package-name": "opensearch-strata",
        "name": "Strata",
        "description": "Sliding window, exact history and archives for daily OpenSearch indices.",
        "connection-types": types,
    }
