"""Documents whose ``_source`` stays the very bytes that the server holds, never decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import msgspec

from opensearch_strata.connections import decisive
from opensearch_strata.connections.loose_json import cut_sources, is_strict
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.connections.typed_answers import Decode, answers_by

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


class RawHit(msgspec.Struct):
    """One document as a search returns it.

    :param id: its ``_id``
    :param source: its ``_source``, UTF-8; empty if the index does not store it
    :param routing: its custom routing, None without one
    :param sort: its sort values as JSON; empty if the search does not sort
    :param strict: whether its ``_source`` is JSON to everybody
    """

    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    routing: str | None = msgspec.field(name="_routing", default=None)
    sort: msgspec.Raw = msgspec.Raw()
    strict: bool = True


class _Hits(TypedDict):
    total: NotRequired[dict[str, Any]]
    hits: list[RawHit]


class _Answer(TypedDict, total=False):
    timed_out: bool
    _shards: dict[str, Any]
    hits: _Hits


class RawDocument(msgspec.Struct):
    """One document as it is found by its id.

    :param source: its ``_source``, UTF-8; empty if there is no such document, or the index does not store it
    :param strict: whether it is JSON to everybody
    """

    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    strict: bool = True


class _Documents(TypedDict):
    docs: list[RawDocument]


class RawPage(NamedTuple):
    """Documents of one answer.

    :param total: how many documents match, which may be more than the hits
    """

    hits: list[RawHit]
    total: int


def _by(decoder: msgspec.json.Decoder[Any], depth: int, documents: Callable[[Any], list[Any]]) -> Decode:
    """Decodes answers with raw sources.

    :param depth: how many brackets are open in the answer where ``_source`` is a key
    :param documents: those of a decoded answer
    """

    def decode(body: bytes) -> Any:
        with suppress(UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            if not body.isascii():
                body.decode()
            return decoder.decode(body)
        cut = cut_sources(body, depth)
        try:
            answer = decoder.decode(cut.answer)
        except msgspec.DecodeError as error:
            from opensearchpy import SerializationError

            raise SerializationError(body[:200].decode(errors="replace"), error) from error
        for document in documents(answer):
            if document.source:
                source = cut.sources[int(bytes(document.source))]
                document.source, document.strict = msgspec.Raw(source), is_strict(source)
        return answer

    return decode


_HITS = _by(msgspec.json.Decoder(_Answer), 4, lambda answer: answer.get("hits", {}).get("hits", []))
_DOCUMENTS = _by(msgspec.json.Decoder(_Documents), 3, lambda answer: answer.get("docs", []))


def search_raw(client: OpenSearch, index: str, body: Mapping[str, Any], shard: int | None = None) -> RawPage:
    """The complete answer of the primary shards to a search, its hits as they are stored.

    :param index: exact name
    :param body: of the search; the total is always counted
    :param shard: ask this shard alone, by its number
    :raises IncompleteAnswer: see :func:`decisive.search`
    :raises OddAnswer: it was not counted
    """
    counted = {**body, "track_total_hits": True}
    with answers_by(_HITS):
        answer = decisive.search(client, index, counted, shard=shard, request_cache="false")
    return RawPage(answer["hits"]["hits"], int(part_of(answer, "hits", "total", "value")))


def raw_hits_at(client: OpenSearch, index: str, point: str, body: Mapping[str, Any]) -> list[RawHit]:
    """The complete answer of a shard at a point in time to a search, its hits as they are stored.

    :param index: name in the sentence of an error
    :param point: from :func:`decisive.open_point`
    :param body: of the search
    :raises IncompleteAnswer: see :func:`decisive.search_at`
    :raises NotFoundError: OpenSearch has lost the point in time
    """
    with answers_by(_HITS):
        answer = decisive.search_at(client, index, point, body)
    hits: list[RawHit] = answer["hits"]["hits"]
    return hits


def get_raw(client: OpenSearch, docs: list[dict[str, Any]]) -> list[RawDocument]:
    """Documents by id as they are at this moment, one for each that was asked for.

    :param docs: ``_index`` and ``_id`` of each, and ``routing`` if it has one
    :raises IncompleteAnswer: see :func:`decisive.get_documents`
    """
    with answers_by(_DOCUMENTS):
        # Without a filter_path, for which the server would decode every _source and encode it again.
        found: list[Any] = decisive.get_documents(client, docs)
    return found
