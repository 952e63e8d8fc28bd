"""Rows of a month read out as tables, in ranges of sequence numbers.

Every row of a shard has a sequence number of its own: a range of them is one search without a cursor, which can be
asked again after any fault. That number also tells, row by row, as how many documents aggregations count it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.buckets.scripts import row_values
from opensearch_strata.history.copy.layout import DOC_COUNT, IDENTITY, VERSION, Kind, RowLayout
from opensearch_strata.history.copy.numbers import writable
from opensearch_strata.history.copy.row_tables import arrow, schema_of

if TYPE_CHECKING:
    import pyarrow as pa
    from opensearchpy import OpenSearch

PAGE = 5000
"""The most rows of a page."""

_KEPT = (
    "timed_out,_shards,hits.total,hits.hits._id,hits.hits._version,hits.hits._seq_no,hits.hits.fields,"
    "aggregations.counts.buckets"
)
_WIDEST = 2**40

Query = Mapping[str, Any]


def read_rows(client: OpenSearch, index: str, layout: RowLayout, query: Query) -> pa.Table:
    """All rows that a query finds, in no particular order.

    :param index: the month, or its stand-in, by its exact name; refreshed before
    :param query: which rows
    :raises Refused: a row holds what no row of ours holds
    :raises TransientError: rows came or went while they were read
    """
    pa = arrow()
    pages = [_table(index, layout, hits, counts) for hits, counts in _pages(client, index, layout, query)]
    table = pa.concat_tables([schema_of(layout).empty_table(), *pages])
    found = PATIENTLY(decisive.search, client, index, {"size": 0, "track_total_hits": True, "query": query})
    if (total := found["hits"]["total"]["value"]) != table.num_rows:
        raise TransientError(
            f"Rows of {index} came or went while they were read: {table.num_rows:,} were read, {total:,} are there. "
            f"Nothing was changed; try again."
        )
    return table


def _pages(
    client: OpenSearch, index: str, layout: RowLayout, query: Query
) -> Iterator[tuple[Sequence[Mapping[str, Any]], Mapping[int, int]]]:
    """Hits of each page, and sequence number -> documents that aggregations count."""
    shards = int(client.indices.get_settings(index=index)[index]["settings"]["index"]["number_of_shards"])
    ends = {"first": {"min": {"field": "_seq_no"}}, "last": {"max": {"field": "_seq_no"}}}
    script = row_values(layout.fields)
    for shard in range(shards):
        answer = PATIENTLY(decisive.search, client, index, {"size": 0, "query": query, "aggs": ends}, shard=shard)
        first, last = (answer["aggregations"][end]["value"] for end in ("first", "last"))
        if first is None:
            continue
        start, end, width = int(first), int(last) + 1, PAGE
        while start < end:
            numbers = {"range": {"_seq_no": {"gte": start, "lt": start + width}}}
            body = {
                "size": PAGE,
                "track_total_hits": True,
                "query": {"bool": {"filter": [query, numbers]}},
                "sort": ["_doc"],
                "version": True,
                "seq_no_primary_term": True,
                "script_fields": {"row": {"script": script}},
                "aggs": {"counts": {"terms": {"field": "_seq_no", "size": PAGE}}},
            }
            answer = PATIENTLY(decisive.search, client, index, body, shard=shard, filter_path=_KEPT)
            total = answer["hits"]["total"]["value"]
            if total > PAGE:  # the page before was sparse
                width = max(1, width // 4)
                continue
            buckets = answer.get("aggregations", {}).get("counts", {}).get("buckets", [])
            yield answer["hits"].get("hits", []), {bucket["key"]: bucket["doc_count"] for bucket in buckets}
            start += width
            width = min(width * 4, _WIDEST) if total < PAGE // 4 else width


def _table(index: str, layout: RowLayout, hits: Sequence[Mapping[str, Any]], counts: Mapping[int, int]) -> pa.Table:
    pa = arrow()
    schema = schema_of(layout)
    columns: dict[str, Sequence[Any]] = {
        IDENTITY: [hit["_id"] for hit in hits],
        VERSION: [hit["_version"] for hit in hits],
        DOC_COUNT: [counts.get(hit["_seq_no"]) for hit in hits],
    }
    factors = {leaf.column: leaf.factor for leaf in layout.leaves}
    values = zip(*(hit["fields"]["row"] for hit in hits), strict=True) if hits else [()] * len(layout.fields)
    for (name, kind), column in zip(layout.stored.items(), values, strict=True):
        columns[name] = _decoded(index, name, kind, column)
    try:
        arrays = [_array(columns[field.name], field.type, factors.get(field.name, 0)) for field in schema]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise Refused(
            f"{index} holds a row with a value that no row of Strata has ({error}). Nothing was copied."
        ) from None
    return pa.table(arrays, schema=schema)


def _array(values: Sequence[Any], kind: Any, factor: float) -> pa.Array:
    pa = arrow()
    array = pa.array(values, kind)
    if not factor:
        return array
    mask = array.is_null().to_numpy(zero_copy_only=False)
    numbers = array.fill_null(0.0).to_numpy(zero_copy_only=False)
    return pa.array(writable(numbers, factor), kind, mask=mask)


def _decoded(index: str, name: str, kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    """Values as they come, bytes out of their base64."""
    if kind not in ("bytes", "words"):
        return values
    decode: Callable[[str], Any] = base64.b64decode if kind == "bytes" else _text
    try:
        return [None if value is None else decode(value) for value in values]
    except ValueError as error:
        raise Refused(f"{index} holds a row whose {name} cannot be read ({error}). Nothing was copied.") from None


def _text(value: str) -> str:
    return base64.b64decode(value).decode()
