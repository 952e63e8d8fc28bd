"""Counts over a whole raw day, a part of it at a time, so that each search ends in time however large the day is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Operations on each shard that one search covers: it visits each document once for every count, about 0.5 us.
_STEP = 5_000_000


def counts_in(client: OpenSearch, raw: RawDay, aggs: Mapping[str, Any]) -> Mapping[str, int]:
    """What aggregations count, added up over all parts of a raw day.

    Each document has one sequence number in its shard, so it is in exactly one part.

    :param aggs: name -> an aggregation that counts, ``filter`` or ``value_count``
    """
    found: Counter[str] = Counter()
    end = 1 + max(raw.sequence, default=-1)
    for start in range(0, max(end, 1), _STEP):
        body: dict[str, Any] = {"size": 0, "aggs": aggs}
        if end > _STEP:
            limits = {"gte": start} if start + _STEP >= end else {"gte": start, "lt": start + _STEP}
            body["query"] = {"range": {"_seq_no": limits}}
        answer = PATIENTLY(decisive.search, client, raw.index, body)["aggregations"]
        found.update({name: int(answer[name].get("doc_count", answer[name].get("value"))) for name in aggs})
    return found
