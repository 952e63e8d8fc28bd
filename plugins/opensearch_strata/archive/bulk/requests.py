"""The requests that create the documents of a body.

The bulk API ends a document at a line feed, so a source that contains one goes out in a request of its own.
https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.connections.typed_answers import answers_by

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Only the part of the response that is needed: what became of each document, and in which index.
_KEPT = {
    "filter_path": "errors,items.*.status,items.*.result,items.*._index,items.*._id,"
    "items.*.error.type,items.*.error.reason,items.*.error.caused_by"
}
_TOO_LARGE = 413
_AT_ONCE = 3  # requests for single documents, beside those of other bodies: a client keeps ten connections


class _Created(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")
    result: Literal["created"]
    status: int


class _Item(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    create: _Created


class AllCreated(msgspec.Struct, forbid_unknown_fields=True):
    """The usual answer of the bulk API: it created a document for every item. Decoded at a third of the usual price."""

    errors: bool
    items: list[_Item]

    def are(self, body: Body[Any]) -> bool:
        """Whether these are the documents of a body, in the indices and under the ids that they were sent with.

        :param body: as it was sent
        """
        return (
            not self.errors
            and [item.create.index for item in self.items] == body.indices
            and (not body.with_ids or [item.create.id for item in self.items] == body.ids)
        )

    def plain(self) -> dict[str, Any]:
        """The answer as other answers are."""
        items = [
            {"create": {"_index": of.index, "_id": of.id, "result": of.result, "status": of.status}}
            for of in (item.create for item in self.items)
        ]
        return {"errors": self.errors, "items": items}


_USUAL = msgspec.json.Decoder(AllCreated)


def _usual(body: bytes) -> AllCreated | None:
    try:
        return _USUAL.decode(body)
    except msgspec.DecodeError:
        return None


def create(client: OpenSearch, body: Body[Any]) -> Any:
    """Create the documents of a body.

    :param body: is left as it is
    :returns: the answer of the bulk API, with one item for each document, in order; :class:`AllCreated` if it is such
    :raises OpenSearchException: a request failed as a whole; documents may have been created
    """
    if not body.singles:
        with answers_by(_usual):
            return client.bulk(body=body.payload(), params=dict(_KEPT))
    positions = sorted(body.singles)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bulk-single") as pool:
        created = pool.map(partial(_create_single, client, body), positions)
        singles = {at: {"create": item} for at, item in zip(positions, created, strict=True)}
    others = body.part(at for at in range(len(body)) if at not in body.singles)
    answer = client.bulk(body=others.payload(), params=dict(_KEPT)) if others else {"errors": False, "items": []}
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != len(others):
        return answer
    rest = iter(items)
    errors = answer.get("errors") is not False or any("error" in item["create"] for item in singles.values())
    return {"errors": errors, "items": [singles.get(at) or next(rest) for at in range(len(body))]}


def unusual(answer: Any, body: Body[Any]) -> Any:
    """What has to be looked at item by item.

    :param answer: of :func:`create`
    :param body: as it was sent
    :returns: the answer as the bulk API gives it; None if all documents were created as they were sent
    """
    if not isinstance(answer, AllCreated):
        return answer
    return None if answer.are(body) else answer.plain()


def _create_single(client: OpenSearch, body: Body[Any], position: int) -> dict[str, Any]:
    """What the bulk API would say of a document."""
    from opensearchpy import TransportError

    index, identity, routing = body.indices[position], body.ids[position], body.event(position).routing
    params = {} if routing is None else {"routing": routing}
    send = partial(client.create, id=identity) if body.with_ids else client.index
    try:
        answer = send(index=index, body=body.source(position), params=params)
    except TransportError as error:
        status = error.status_code
        if not isinstance(status, int) or status == _TOO_LARGE:
            raise
        cause = error.info.get("error") if isinstance(error.info, dict) else None
        said = cause if isinstance(cause, dict) else {"type": str(error.error), "reason": str(error.error)}
        return {"_index": index, "_id": identity, "status": status, "error": said}
    return {**answer, "status": 201} if isinstance(answer, dict) else {}
