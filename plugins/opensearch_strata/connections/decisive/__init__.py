"""The requests whose answers decide what is proven, overwritten or deleted. All of them are made here.

A decision reads from the primary shards (with segment replication or remote stores, a replica may lag behind by any
amount of time), bypasses search pipelines (which may filter), and reads every shard in full: a partial answer proves
nothing. A test keeps the rest of the package from making such requests itself.
"""

from opensearch_strata.connections.decisive.completeness import Answer, IncompleteAnswer
from opensearch_strata.connections.decisive.searches import (
    close_point,
    count,
    flush,
    get_documents,
    multi_search,
    open_point,
    refresh,
    search,
    search_at,
)
from opensearch_strata.connections.decisive.shards import (
    Primaries,
    live_copies,
    primaries,
    primaries_in,
    uuid_of,
    uuids_of,
)

__all__ = [
    "Answer",
    "IncompleteAnswer",
    "Primaries",
    "close_point",
    "count",
    "flush",
    "get_documents",
    "live_copies",
    "multi_search",
    "open_point",
    "primaries",
    "primaries_in",
    "refresh",
    "search",
    "search_at",
    "uuid_of",
    "uuids_of",
]
