"""Ids and documents of rows, which are the same from both engines. Pure."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

import mmh3

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.partials import row_of_states

NULL_KEY = "#ODFE-MAGIC-NULL-MAGIC-ODFE#"
"""Index Management's stand-in for a missing group value inside an id."""

_SEED = 72390

RAW_UUID = "metrics._raw"
"""Field of a row that holds the UUID of the raw index that it came from."""


def row_id(transform_id: str, keys: list[Any]) -> str:
    """``_id`` of a row: Index Management's ``hashToFixedSize`` of the transform id and the group values.

    :param transform_id: transform id of the day, see :func:`opensearch_strata.definition.index_names.transform_id`
    :param keys: group values in the order of the groups, then the time as epoch milliseconds
    """
    high, low = mmh3.hash64(f"{transform_id}#{joined_keys(keys)}", seed=_SEED, x64arch=True, signed=False)
    return base64.urlsafe_b64encode(struct.pack(">QQ", high, low)).rstrip(b"=").decode()


def joined_keys(keys: Sequence[Any]) -> str:
    """The text of a row's keys from which its id is made.

    The text is ambiguous if a value contains a colon or equals the stand-in for a missing value.

    :param keys: as for :func:`row_id`
    """
    return ":".join(NULL_KEY if key is None else _java_string(key) for key in keys)


def _java_string(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def row_of_bucket(
    dataset: Dataset, transform_id: str, bucket: dict[str, Any], raw_uuid: str = ""
) -> tuple[str, dict[str, Any]]:
    """``(_id, document)`` of one composite bucket.

    :param transform_id: transform id of the day, see :func:`row_id`
    :param bucket: an unfinished bucket of :func:`opensearch_strata.history.buckets.aggregation.rows_body`
    :param raw_uuid: UUID of the raw index, which the row stores as ``metrics._raw``; not stored if empty
    """
    key = bucket["key"]
    count = bucket["doc_count"]
    metrics: dict[str, Any] = row_of_states(dataset, list(dataset.metrics), bucket["metrics"]["value"])
    if raw_uuid:
        metrics["_raw"] = raw_uuid
    source = {
        "transform._id": transform_id,
        "_doc_count": count,
        "transform._doc_count": count,
        **key,
        "metrics": metrics,
    }
    groups = [key[field] for field in (*dataset.history.group_by, "@timestamp")]
    return row_id(transform_id, groups), source
