"""The entry in Airflow's list of plugins; the entry point ``airflow.plugins`` of an installed package leads here."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from opensearch_strata.airflow.ui.mounted import Pages


class StrataPlugin(AirflowPlugin):
    """Registers Strata with Airflow: its pages, in the navigation and as a tab of each DAG."""

    name = "strata"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {"name": "Strata", "app": Pages(), "url_prefix": "/strata"}
    ]
    # Relative, because Airflow may be served below a base path.
    external_views: list[Any] = [  # noqa: RUF012 - likewise
        {"name": "Strata", "href": "strata/", "destination": "nav", "url_route": "strata", "category": "browse"},
        {"name": "Days", "href": "strata/dags/{DAG_ID}", "destination": "dag", "url_route": "strata-days"},
    ]
