"""Settings without which an index may lose what it has confirmed, or take something else than what it was sent. Pure.

Every index that is made here gets them, against whatever template matches its name. Sources:
https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/ and
https://docs.opensearch.org/latest/im-plugin/ism/settings/ (``auto_manage``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from opensearch_strata.errors.judging import explain

_T = TypeVar("_T")

SAFE: Mapping[str, str] = {
    "index.translog.durability": "request",  # async: a node that dies takes seconds of confirmed writes along
    "index.default_pipeline": "_none",  # an ingest pipeline may drop or change documents
    "index.final_pipeline": "_none",
    "index.search.default_pipeline": "_none",  # a search pipeline may hide them
}
"""Setting -> value; all of them can be changed while an index is open."""

UNMANAGED: Mapping[str, str] = {"index.plugins.index_state_management.auto_manage": "false"}
"""No policy of Index State Management takes the index by its name; a setting of that plugin, unknown without it."""


MONTH: Mapping[str, str] = {
    **SAFE,
    # How long a deleted row still refuses a writer that read an older state of its raw day.
    "index.gc_deletes": "1h",
}
"""Of a history month; all of them can be changed while it is open."""


def weaker(settings: Mapping[str, object], wanted: Mapping[str, str] = SAFE) -> dict[str, str]:
    """Those of the settings wanted that an index lacks.

    :param settings: flat, as the server shows them; what is not set is the server's default
    :param wanted: setting -> value, as the server writes it
    """
    defaults = {"index.translog.durability": "request", "index.gc_deletes": "60s"}
    return {
        key: value
        for key, value in wanted.items()
        if str(settings.get(key, defaults.get(key, "_none"))).lower() != value
    }


def made_safely(make: Callable[[Mapping[str, str]], _T]) -> _T:
    """What a request answers that makes an index, or a template of one, with the safe settings.

    :param make: sends the request with the settings it is given; called again without those of a plugin that the
        cluster lacks
    :raises RequestError: as the second request does
    """
    from opensearchpy import RequestError

    try:
        return make({**SAFE, **UNMANAGED})
    except RequestError as error:
        if not any(name in explain(error) for name in UNMANAGED):
            raise
    return make(SAFE)
