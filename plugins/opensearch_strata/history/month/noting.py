"""Changes what a month notes in ``_meta.strata`` of its mapping, while others may do the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import uniform
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_TRIES = 20


def change_notes(
    client: OpenSearch,
    index: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    properties: Mapping[str, Any] | None = None,
) -> bool:
    """Read the notes of a month, change them and write them, until they are found changed. Returns whether they were.

    The server replaces ``_meta`` as a whole, without a condition. So somebody who read the notes before this write may
    overwrite it right afterwards: days of one month are settled at the same time. They are read again after a wait that
    is longer than reading and writing took, by which such a write has happened.

    :param index: name of the month
    :param change: ``_meta.strata`` as it is -> as it must be; it leaves the notes of others as they are, and what it
        has changed
    :param properties: fields that the mapping must have as well; None: as it is
    :raises TransientError: others overwrote the notes each time
    """
    for attempt in range(_TRIES):
        began = time.monotonic()
        meta = client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
        before = meta.get("strata", {})
        after = change(before)
        if after == before and (attempt or not properties):
            return attempt > 0
        body = {"_meta": {**meta, "strata": after}, **({"properties": dict(properties)} if properties else {})}
        client.indices.put_mapping(index=index, body=body)
        time.sleep((time.monotonic() - began) * uniform(1, 2))
    raise TransientError(
        f"The notes of {index} were overwritten {_TRIES} times in a row by others who noted something else. Its rows "
        f"are as they were; run it again."
    )
