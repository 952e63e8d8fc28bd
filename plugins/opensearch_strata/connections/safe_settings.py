"""Settings without which an index may lose confirmed writes, or store something other than what it was sent. Pure.

Every index that Strata creates gets them, overriding any template that matches its name. Sources:
https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/ and
https://docs.opensearch.org/latest/im-plugin/ism/settings/ (``auto_manage``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from opensearch_strata.errors.judging import explain

_T = TypeVar("_T")

SAFE: Mapping[str, str] = {
    "index.translog.durability": "request",  # async: a node that dies takes seconds of confirmed writes with it
    "index.default_pipeline": "_none",  # an ingest pipeline may drop or change documents
    "index.final_pipeline": "_none",
    "index.search.default_pipeline": "_none",  # a search pipeline may hide them
}
"""Setting -> value; each can be changed while an index is open."""

UNMANAGED: Mapping[str, str] = {"index.plugins.index_state_management.auto_manage": "false"}
"""Keeps Index State Management policies from adopting the index by its name; unknown to clusters without the plugin."""


MONTH: Mapping[str, str] = {
    **SAFE,
    # How long a deleted row still blocks a writer that read an older state of its raw day.
    "index.gc_deletes": "1h",
}
"""Settings of a history month; each can be changed while it is open."""


def weaker(settings: Mapping[str, object], wanted: Mapping[str, str] = SAFE) -> dict[str, str]:
    """The wanted settings that an index lacks.

    :param settings: the index's settings, flat, as the server shows them; a missing one has the server's default
    :param wanted: setting -> value, as the server writes it
    """
    defaults = {"index.translog.durability": "request", "index.gc_deletes": "60s"}
    return {
        key: value
        for key, value in wanted.items()
        if str(settings.get(key, defaults.get(key, "_none"))).lower() != value
    }


def made_safely(make: Callable[[Mapping[str, str]], _T]) -> _T:
    """Create an index, or a template for indices, with the safe settings, and return the answer.

    :param make: sends the request with the settings that it is given; called again without those of a plugin if the
        cluster lacks the plugin
    :raises RequestError: the server refuses the request for another reason, or refuses the second one
    """
    from opensearchpy import RequestError

    try:
        return make({**SAFE, **UNMANAGED})
    except RequestError as error:
        if not any(name in explain(error) for name in UNMANAGED):
            raise
    return make(SAFE)
