"""The one file that Airflow's plugin scanner reads; the package beside it is imported by name."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class StrataPlugin(AirflowPlugin):
    """Registers Strata with Airflow."""

    name = "strata"
