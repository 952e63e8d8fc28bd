"""The one file that Airflow's plugin scanner reads where the package is not installed but lies beside it."""

from __future__ import annotations

from opensearch_strata.airflow.plugin import StrataPlugin

__all__ = ["StrataPlugin"]
