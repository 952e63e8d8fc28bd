"""Rows of a table written to an index, each with the version that it had."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors import TransientError
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.copy.layout import (
    DOC_COUNT,
    DOCUMENTS,
    IDENTITY,
    SOURCE,
    TIME,
    TRANSFORM,
    VERSION,
    RowLayout,
)
from opensearch_strata.history.copy.row_tables import arrow
from opensearch_strata.history.month.bulk import Action, send_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from opensearchpy import OpenSearch

_AT_ONCE = 2000


def write_table(client: OpenSearch, index: str, layout: RowLayout, rows: pa.Table) -> None:
    """Write all rows of a table; safe to repeat. A row that was deleted there a short while ago gets a higher version.

    :param index: exact name of an index that exists
    :param rows: see :func:`opensearch_strata.history.copy.row_tables.schema_of`
    :raises Refused: the index does not take a row
    :raises TransientError: it holds newer rows under their ids
    """
    for start in range(0, rows.num_rows, _AT_ONCE):
        actions = list(_actions(layout, rows.slice(start, _AT_ONCE)))
        conflicts = PATIENTLY(send_rows, client, index, actions)
        if conflicts:  # of rows that are deleted, the index remembers the version for a while (index.gc_deletes)
            made = [(identity, row, {"op_type": "create"}) for identity, row, _ in actions if identity in conflicts]
            conflicts = PATIENTLY(send_rows, client, index, made)
        if conflicts:
            raise TransientError(
                f"{index} holds newer versions of {len(conflicts)} rows: somebody condensed their day meanwhile. They "
                f"were kept; run again to see."
            )


def _actions(layout: RowLayout, rows: pa.Table) -> Iterator[Action]:
    pa = arrow()
    columns = {name: rows[name].to_pylist() for name in rows.column_names if name != TIME}
    times = rows[TIME].cast(pa.int64()).to_pylist()
    for place, time in enumerate(times):
        row = {name: values[place] for name, values in columns.items()}
        condition = {"version": row[VERSION], "version_type": "external_gte"}
        yield row[IDENTITY], _document(layout, row, time), condition


def _document(layout: RowLayout, row: Mapping[str, Any], time: int | None) -> dict[str, Any]:
    """A row as the engines write it; what it lacks is left out."""
    metrics: dict[str, Any] = {}
    for leaf in layout.leaves:
        value = row[leaf.column]
        if value is not None:
            if leaf.kind in ("bytes", "words"):
                raw = value if isinstance(value, bytes) else value.encode()
                value = base64.b64encode(raw).decode()
            metrics.setdefault(leaf.metric, {})[leaf.name] = value
    if row[SOURCE] is not None:
        metrics["_raw"] = row[SOURCE]
    groups = {field: row[column] for field, column in layout.group_columns.items()}
    own = {
        "transform._id": row[TRANSFORM],
        "_doc_count": row[DOC_COUNT],
        "transform._doc_count": row[DOCUMENTS],
        "@timestamp": time,
        "metrics": metrics,
    }
    return {name: value for name, value in {**own, **groups}.items() if value is not None}
