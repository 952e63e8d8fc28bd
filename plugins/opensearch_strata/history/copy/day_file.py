"""The Parquet file of a day: rows, statistics for whoever reads it elsewhere, and what makes the very rows again.

One file is one day of one dataset. Its footer says what the columns do not: docs/history-elsewhere.md. Pure.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from opensearch_strata.definition.index_names import transform_id
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.printable import brief
from opensearch_strata.history.copy.footer import FORMAT, Footer, footer_of
from opensearch_strata.history.copy.layout import (
    DAY,
    DISTINCT,
    DOC_COUNT,
    DOCUMENTS,
    IDENTITY,
    SOURCE,
    TIME,
    TRANSFORM,
    VERSION,
    Leaf,
    RowLayout,
)
from opensearch_strata.history.copy.row_tables import arrow, schema_of, sorted_rows
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.month.row_ids import row_id
from opensearch_strata.sketches.ddsketch import quantiles, unpack
from opensearch_strata.sketches.hyperloglog import estimate
from opensearch_strata.sketches.hyperloglog import unpack as unpack_registers

if TYPE_CHECKING:
    import pyarrow as pa

_LEVEL = 9  # of zstd: 2 % smaller than the usual 3, and still a tenth of the time that reading the rows takes
_ORDER = ("count", "min", "max", "sum", "avg", "sketch", "top", "registers")


@dataclass(frozen=True)
class DayCopy:
    """The rows of one day with all that an index needs to hold them again.

    :param day: the raw day
    :param rows: see :func:`opensearch_strata.history.copy.row_tables.schema_of`
    :param properties: of the month's mapping
    :param meta: ``_meta.strata`` of the month, without marks
    :param mark: of the day's proof; None for a day that is held, whose rows carry all that searches see
    :param place: where it was read, for the sentence of an error
    """

    dataset: str
    day: date
    rows: pa.Table
    properties: Mapping[str, Any]
    meta: Mapping[str, Any]
    mark: Mark | None = None
    place: str = field(default="its month", compare=False)

    @cached_property
    def layout(self) -> RowLayout:
        """What a row holds."""
        return RowLayout.of_month(self.place, self.properties, self.meta)

    @property
    def documents(self) -> int:
        """Raw documents that the rows stand for."""
        return int(arrow().compute.sum(self.rows[DOCUMENTS]).as_py() or 0)


def file_of(copy: DayCopy, percentiles: Mapping[str, float], about: Mapping[str, Any]) -> bytes:
    """The file of a day.

    :param percentiles: name -> fraction of those that are columns, such as ``{"p99": 0.99}``
    :param about: more for the footer, a JSON value each: ``version``, ``units``, ``time_zone``
    :raises Refused: a row is not one that a proof has accepted: foreign id, or counted as other documents
    """
    pa = arrow()
    _require_own_rows(copy)
    rows = sorted_rows(copy.layout, copy.rows).combine_chunks()
    columns: dict[str, Any] = {DAY: pa.array([copy.day] * rows.num_rows, pa.date32()), TIME: rows[TIME]}
    columns |= {column: rows[column] for column in copy.layout.group_columns.values()}
    columns[DOCUMENTS] = rows[DOCUMENTS]
    for leaves in _by_metric(copy.layout).values():
        columns |= _columns_of_metric(rows, leaves, percentiles)
    columns |= {SOURCE: rows[SOURCE], VERSION: rows[VERSION]}
    table, sink = pa.table(columns), io.BytesIO()
    writer = pa.parquet.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[column.name for column in table.schema if column.type != pa.binary()],
        write_page_checksum=True,
        store_schema=False,  # which would say everything a second time, for pyarrow alone
    )
    with writer:
        writer.write_table(table)
        writer.add_key_value_metadata(_footer(copy, rows.num_rows, about))
    return sink.getvalue()


def _require_own_rows(copy: DayCopy) -> None:
    pa = arrow()
    if copy.rows[DOC_COUNT].equals(copy.rows[DOCUMENTS]) and copy.rows[IDENTITY].equals(_identities(copy)):
        own = pa.compute.all(pa.compute.equal(copy.rows[TRANSFORM], transform_id(copy.dataset, copy.day))).as_py()
        if own is not False:
            return
    raise Refused(
        f"Rows of {copy.day} in {copy.place} bear ids that no transform gave them, or count as other documents than "
        f"they say. Nothing was copied; verify the day."
    )


def _identities(copy: DayCopy) -> pa.ChunkedArray:
    """The ``_id`` that each row must have by its day, groups and time."""
    pa = arrow()
    transform, rows = transform_id(copy.dataset, copy.day), copy.rows
    groups = [rows[column].to_pylist() for column in copy.layout.group_columns.values()]
    keys = zip(*groups, rows[TIME].cast(pa.int64()).to_pylist(), strict=True)
    return pa.chunked_array([pa.array([row_id(transform, list(key)) for key in keys], pa.string())])


def _by_metric(layout: RowLayout) -> dict[str, list[Leaf]]:
    found: dict[str, list[Leaf]] = {}
    for leaf in sorted(layout.leaves, key=lambda leaf: _ORDER.index(leaf.name)):
        found.setdefault(leaf.metric, []).append(leaf)
    return dict(sorted(found.items()))


def _columns_of_metric(rows: pa.Table, leaves: Sequence[Leaf], percentiles: Mapping[str, float]) -> dict[str, Any]:
    """Columns of a metric: what its rows keep, the average of those that keep none, percentiles, distinct counts."""
    pa = arrow()
    there = {leaf.name: leaf.column for leaf in leaves}
    columns: dict[str, Any] = {}
    for name in _ORDER:
        if name == "registers" and name in there:
            columns[f"{leaves[0].metric}_{DISTINCT}"] = _distinct(rows[there[name]])
        if name in there:
            columns[there[name]] = rows[there[name]]
        elif name == "avg" and "sum" in there:
            count = rows[there["count"]].cast(pa.float64(), safe=False)
            columns[f"{leaves[0].metric}_avg"] = pa.compute.divide(rows[there["sum"]], count)
        if name == "avg" and {"sketch", "min", "max"} <= there.keys():
            columns |= _percentiles(rows, there, leaves[0].metric, percentiles)
    return columns


def _percentiles(
    rows: pa.Table, there: Mapping[str, str], metric: str, percentiles: Mapping[str, float]
) -> dict[str, Any]:
    pa = arrow()
    sketches, lows, highs = (rows[there[name]].to_pylist() for name in ("sketch", "min", "max"))
    found: list[dict[float, float]] = []
    for sketch, low, high in zip(sketches, lows, highs, strict=True):
        if sketch is None or low is None or high is None:
            found.append({})
            continue
        bins, step = unpack(sketch)
        found.append(quantiles(bins, percentiles.values(), step, low, high))
    return {
        f"{metric}_{name.replace('.', '_')}": pa.array([values.get(q) for values in found], pa.float64())
        for name, q in percentiles.items()
    }


def _distinct(registers: pa.ChunkedArray) -> pa.Array:
    pa = arrow()
    found = [None if data is None else estimate(unpack_registers(data).tally) for data in registers.to_pylist()]
    return pa.array(found, pa.int64())


def _footer(copy: DayCopy, rows: int, about: Mapping[str, Any]) -> dict[str, str]:
    errors = {name: metric.get("relative_errors") for name, metric in copy.meta.get("metrics", {}).items()}
    said = {
        "format": FORMAT,
        "dataset": copy.dataset,
        "day": copy.day.isoformat(),
        "rows": rows,
        "documents": copy.documents,
        "bucket": copy.meta.get("bucket"),
        "groups": copy.layout.group_columns,
        "relative_errors": {name: stated for name, stated in errors.items() if stated},
        **about,
        "mark": asdict(copy.mark) if copy.mark else None,
        "month": {"properties": copy.properties, "meta": copy.meta},
    }
    return {f"strata.{key}": value if isinstance(value, str) else _json(value) for key, value in said.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def read_file(content: bytes, place: str) -> DayCopy:
    """The rows of a file, and what it says of them.

    :param content: of the file
    :param place: its URL, for the sentence of an error
    :raises Refused: it is damaged, not one of ours, or of a later release
    """
    pa = arrow()
    try:
        source = pa.parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
        said = {key.decode(): value.decode() for key, value in (source.metadata.metadata or {}).items()}
        footer = footer_of(said, place)
        if source.metadata.num_rows != footer.rows:
            raise Refused(f"{place} is damaged: it holds {source.metadata.num_rows:,} rows and says {footer.rows:,}.")
        copy = _copy_of(footer, source.read(), place)
        _require_rows(copy)
    except StrataError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise Refused(f"{place} is damaged: it cannot be read as the file of a day ({_brief(error)}).") from None
    if copy.documents != footer.documents:
        raise Refused(
            f"{place} is damaged: it holds rows of {copy.documents:,} documents and says {footer.documents:,}."
        )
    return copy


def _brief(error: Exception) -> str:
    """What is wrong with a value, without repeating it: it is a stranger's, and of any length."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return brief(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
    return brief(str(error) or type(error).__name__)


def _require_rows(copy: DayCopy) -> None:
    """Make sure that an index takes the rows: each under an id of its own, with a version, of at least one document.

    :raises ValueError: it does not
    """
    compute = arrow().compute
    rows = copy.rows
    if compute.count_distinct(rows[IDENTITY]).as_py() != rows.num_rows:
        raise ValueError("it holds a row twice")
    for name, least in ((VERSION, 0), (DOCUMENTS, 1)):
        if rows[name].null_count or (rows.num_rows and compute.min(rows[name]).as_py() < least):
            raise ValueError(f"it holds a row whose {name} is missing or below {least}")


def _copy_of(footer: Footer, table: pa.Table, place: str) -> DayCopy:
    pa = arrow()
    copy = DayCopy(footer.dataset, footer.day, table, footer.properties, footer.meta, footer.mark, place)
    made = {
        IDENTITY: _identities(copy),
        TRANSFORM: pa.array([transform_id(copy.dataset, copy.day)] * table.num_rows, pa.string()),
        DOC_COUNT: table[DOCUMENTS],
    }
    schema = schema_of(copy.layout)
    rows = pa.table([made.get(f.name, table[f.name] if f.name not in made else None) for f in schema], schema=schema)
    return replace(copy, rows=rows)
