"""The entry in Airflow's list of plugins; the entry point ``airflow.plugins`` of an installed package leads here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class StrataPlugin(AirflowPlugin):
    """Registers Strata with Airflow."""

    name = "strata"
