"""Operators, hooks, triggers and links: the layer in which Airflow runs the workflows.

The only room that imports Airflow. ``__all__`` lists what users may import in their DAG files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__ as _airflow_version

if TYPE_CHECKING:
    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.airflow.operators.daily_cycle.condense import CondenseOperator
    from opensearch_strata.airflow.operators.daily_cycle.ensure_history import EnsureHistoryOperator
    from opensearch_strata.airflow.operators.daily_cycle.resolve_day import ResolveDayOperator
    from opensearch_strata.airflow.operators.daily_cycle.retention import DeleteOperator, ListExpiredOperator
    from opensearch_strata.airflow.operators.daily_cycle.verify import VerifyOperator

__all__ = [
    "CondenseOperator",
    "DeleteOperator",
    "EnsureHistoryOperator",
    "ListExpiredOperator",
    "OpenSearchHook",
    "ResolveDayOperator",
    "VerifyOperator",
]

FLOOR = (3, 3)
"""Airflow 3.2 has no retry policies, and it names the day of a run in UTC, which is the wrong day in many zones."""

if tuple(int(part) for part in _airflow_version.split(".")[:2]) < FLOOR:
    raise ImportError(f"strata needs Airflow {FLOOR[0]}.{FLOOR[1]} or newer; this is {_airflow_version}.")

_PLACES = {
    "CondenseOperator": "operators.daily_cycle.condense",
    "DeleteOperator": "operators.daily_cycle.retention",
    "EnsureHistoryOperator": "operators.daily_cycle.ensure_history",
    "ListExpiredOperator": "operators.daily_cycle.retention",
    "OpenSearchHook": "hooks.opensearch",
    "ResolveDayOperator": "operators.daily_cycle.resolve_day",
    "VerifyOperator": "operators.daily_cycle.verify",
}


def __getattr__(name: str) -> Any:
    """Import a name of ``__all__`` on demand."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
