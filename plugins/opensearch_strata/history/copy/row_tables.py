"""Rows as tables of Apache Arrow: of what type their columns are, and in what two tables differ. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.days import moment
from opensearch_strata.errors.optional import pyarrow_for
from opensearch_strata.history.copy.layout import DOC_COUNT, IDENTITY, TIME, TRANSFORM, VERSION, Kind, RowLayout

if TYPE_CHECKING:
    import pyarrow as pa


def arrow() -> Any:
    """The module ``pyarrow``.

    :raises DefinitionError: it is not installed
    """
    return pyarrow_for("The history's second copy", "Nothing was done")


def arrow_type(kind: Kind) -> pa.DataType:
    """The type of a column."""
    pa = arrow()
    types = {"whole": pa.int64(), "number": pa.float64(), "bytes": pa.binary(), "truth": pa.bool_()}
    return types.get(kind, pa.string())


def schema_of(layout: RowLayout) -> pa.Schema:
    """The schema of a table of rows: what they store, and what every document has."""
    pa = arrow()
    columns: dict[str, Kind] = {IDENTITY: "text", VERSION: "whole", DOC_COUNT: "whole", **layout.stored}
    moment = pa.timestamp("ms", "UTC")
    return pa.schema([(name, moment if name == TIME else arrow_type(kind)) for name, kind in columns.items()])


def sorted_rows(layout: RowLayout, table: pa.Table) -> pa.Table:
    """The same rows by groups and time: neighbours look alike, and pack well."""
    order = [*layout.group_columns.values(), TIME, IDENTITY]
    return table.sort_by([(name, "ascending") for name in order if name in table.column_names])


def difference(layout: RowLayout, one: pa.Table, other: pa.Table, *, versions: bool = True) -> str:
    """The first thing in which two tables of rows differ, in words; empty if they are the same, bit for bit.

    A column that one of them lacks must be empty in the other.

    :param layout: of the first one
    :param one: in any order
    :param other: in any order
    :param versions: compare the versions of the documents too
    """
    pa = arrow()
    if one.num_rows != other.num_rows:
        return f"{one.num_rows:,} rows against {other.num_rows:,}"
    one, other = (table.sort_by(IDENTITY).combine_chunks() for table in (one, other))
    for name in dict.fromkeys([*one.column_names, *other.column_names]):
        if name == VERSION and not versions:
            continue
        one, other = _with_column(one, name, other), _with_column(other, name, one)
        left, right = _bits(one[name]), _bits(other[name])
        if left.equals(right):
            continue
        same = pa.compute.and_(pa.compute.equal(left, right).fill_null(False), True)
        both_null = pa.compute.and_(left.is_null(), right.is_null())
        place = pa.compute.index(pa.compute.or_(same, both_null), False).as_py()
        values = (_shown(_value(table, name, place)) for table in (one, other))
        return f"{_where(layout, one, place)}: {name} is {' against '.join(values)}"
    return ""


def _with_column(table: pa.Table, name: str, other: pa.Table) -> pa.Table:
    """A table with an empty column, if it lacks one that another has."""
    if name in table.column_names:
        return table
    return table.append_column(name, arrow().nulls(table.num_rows, other[name].type))


def _bits(column: pa.ChunkedArray) -> pa.Array:
    """A column whose values are equal only if they are bit for bit: no two zeros, no number that equals nothing."""
    pa = arrow()
    whole = column.combine_chunks()
    return whole.view(pa.int64()) if pa.types.is_floating(whole.type) else whole


def _value(table: pa.Table, name: str, place: int) -> Any:
    """One value; a time as epoch milliseconds, because Python knows the years from 1 to 9999 only."""
    column = table[name].slice(place, 1)
    return (column.cast(arrow().int64()) if name == TIME else column).to_pylist()[0]


def _where(layout: RowLayout, table: pa.Table, place: int) -> str:
    """A row's group and hour as words."""
    groups = []
    for field, column in layout.group_columns.items():
        value = _value(table, column, place)
        groups.append(f"no {field}" if value is None else f"{field} {value!r}")
    return f"the row of {', '.join(groups)}, {moment(_value(table, TIME, place))} ({_value(table, TRANSFORM, place)})"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bytes():
            return f"{len(value)} bytes {value[:8].hex()}"
    return repr(value)
