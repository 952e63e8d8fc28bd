"""Strata: sliding window, history and archives for daily OpenSearch indices.

``__all__`` lists what users may import from here. Operators and the hook are in :mod:`opensearch_strata.airflow`, the
distributions of rows in :mod:`opensearch_strata.sketches.ddsketch`. Everything else may move between versions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.files import load_definitions
    from opensearch_strata.errors import DefinitionError, Refused, StrataError, TransientError
    from opensearch_strata.reader import read, read_pages

__all__ = [
    "Dataset",
    "DefinitionError",
    "Refused",
    "StrataError",
    "TransientError",
    "load_definitions",
    "read",
    "read_pages",
]

_PLACES = {
    "Dataset": "definition.dataset",
    "DefinitionError": "errors",
    "Refused": "errors",
    "StrataError": "errors",
    "TransientError": "errors",
    "load_definitions": "definition.files",
    "read": "reader",
    "read_pages": "reader",
}


def __getattr__(name: str) -> Any:
    """Import a name of ``__all__`` on first use, because DAG files import this package at every parse."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
