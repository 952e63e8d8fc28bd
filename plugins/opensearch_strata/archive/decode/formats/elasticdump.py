"""Documents as search returns them, one per line: ``{"_index": ..., "_id": ..., "_score": ..., "_source": {...}}``.

elasticdump writes them (``--type=data``, https://github.com/elasticsearch-dump/elasticsearch-dump), and so does any
tool that prints the hits of a search line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensearch_strata.archive.decode.formats import strata
from opensearch_strata.archive.events import Broken, Event

# The keys before _source are metadata: strings, numbers, null, or the list of values that a hit was sorted by.
_LINE = re.compile(
    rb'(?:\A|\n)\{\s*"_index"\s*:\s*"[^"\\]{1,255}"\s*,'
    rb'(?=[^\n]{0,2000}"_id"\s*:\s*")(?:\s*"[a-z_]{1,40}"\s*:\s*(?:"[^"\\]{0,512}"|-?[\d.eE+-]{1,40}|null|\[[^\]]{0,512}\])\s*,){1,12}'
    rb'\s*"_source"\s*:\s*\{'
)


def matches(head: bytes) -> bool:
    """Whether a line begins with ``_index`` and continues with ``_id`` and ``_source``."""
    return _LINE.search(head) is not None


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each document, with the ``_id`` that it had; nothing else alongside ``_source`` is kept.

    :raises Damaged: if the blocks raise it
    """
    return strata.events(blocks)
