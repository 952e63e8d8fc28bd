"""Changes what a month notes in ``_meta.strata`` of its mapping, while others may do the same.

The server replaces ``_meta`` as a whole, without a condition, so whoever changes it reads it, changes it and writes it.
Of several who do so at once, the changes of all but the last would be lost. So they take turns: the turn is a document
of the month, which is created and deleted like its rows, and belongs to no day.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import uniform
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.retrying import part_of
from opensearch_strata.errors import StrataError, TransientError
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

TURN = "strata-notes"
"""``_id`` of the document that whoever changes the notes has created."""

_DEAD = (4.0, 6.0)
"""Seconds after which whoever has the turn is taken for dead: many times what reading and writing a mapping takes."""

_PAUSE = (0.01, 0.05)  # seconds
_TRIES = 5
_CREATED, _FORBIDDEN, _CONFLICT, _BUSY = 201, 403, 409, (429, 503)


def change_notes(
    client: OpenSearch,
    index: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    properties: Mapping[str, Any] | None = None,
) -> None:
    """Read the notes of a month, change them and write them; nothing is written if they need no change.

    :param index: name of the month
    :param change: ``_meta.strata`` as it is -> as it must be; it leaves the notes of others as they are, and what it
        has changed
    :param properties: fields that the mapping must have as well; None: as it is
    :raises TransientError: others overwrote the notes each time
    """
    # Read in any case: to write the turn to a month that is gone would create it.
    if _is_as_changed(client, index, change) and not properties:
        return
    for _ in range(_TRIES):
        with _turn(client, index):
            meta = _meta(client, index)
            body = {"_meta": {**meta, "strata": change(meta.get("strata", {}))}}
            more = {"properties": dict(properties)} if properties else {}
            client.indices.put_mapping(index=index, body={**body, **more})
        if _is_as_changed(client, index, change):  # else somebody took us for dead
            return
    raise TransientError(
        f"The notes of {index} were overwritten {_TRIES} times in a row by others who noted something else. Its rows "
        f"are as they were; run it again."
    )


def _is_as_changed(client: OpenSearch, index: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
    strata = _meta(client, index).get("strata", {})
    return bool(change(strata) == strata)


def _meta(client: OpenSearch, index: str) -> dict[str, Any]:
    meta: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
    return meta


@contextmanager
def _turn(client: OpenSearch, index: str) -> Iterator[None]:
    """Have the turn; where no document can be written to the month, go on without one."""
    from opensearchpy import OpenSearchException

    dead = time.monotonic() + uniform(*_DEAD)
    while (status := _do(client, index, "create")) in (_CONFLICT, *_BUSY):
        if time.monotonic() >= dead:
            if status in _BUSY:
                break
            _log.info("Whoever changed the notes of %s before has not ended, and is taken for dead.", index)
            _do(client, index, "delete")
            dead = time.monotonic() + uniform(*_DEAD)
        time.sleep(uniform(*_PAUSE))
    try:
        yield
    finally:
        if status == _CREATED:
            try:
                _do(client, index, "delete")
            except (OpenSearchException, StrataError) as error:  # the next one takes us for dead
                _log.info("The turn to change the notes of %s was not given back. %s", index, explain(error))


def _do(client: OpenSearch, index: str, action: str) -> int:
    """Create or delete the document of the turn; the status that the server answers."""
    from opensearchpy import AuthorizationException

    body: list[dict[str, Any]] = [{action: {"_id": TURN}}, *([{}] if action == "create" else [])]
    try:
        answer = client.bulk(index=index, body=body, params={"pipeline": "_none"})
    except AuthorizationException:
        return _FORBIDDEN
    (item,) = part_of(answer, "items")
    return int(part_of(item, action, "status"))
