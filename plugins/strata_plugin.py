"""The one file that Airflow's plugin scanner reads; the package beside it is imported by name.

An installed package registers its plugin by entry point, and a second one of its name would be an import error: then
there is nothing to do here.
"""

from __future__ import annotations

from importlib.metadata import entry_points

if not any(point.module.startswith("opensearch_strata.") for point in entry_points(group="airflow.plugins")):
    from opensearch_strata.airflow.plugin import StrataPlugin  # noqa: F401
