"""Strata as Airflow's plugin manager knows it, by the entry point of the package or by ``plugins/strata_plugin.py``."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class StrataPlugin(AirflowPlugin):
    """Registers Strata with Airflow."""

    name = "strata"
