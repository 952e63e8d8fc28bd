"""Rows of Apache Arrow as JSON objects, without losing digits. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any


def rows_of(batch: Any) -> Iterator[dict[str, Any]]:
    """Yield each row as the fields that have a value.

    Numbers stay numbers, and NaN and infinities are left out. Decimals are text, with every digit. Times are ISO 8601,
    with as many decimals as their column has, and with ``Z`` if the column is in UTC. Bytes are base64. Structures and
    maps are objects; a map whose keys are not text, or not unique, is a list of objects with ``key`` and ``value``.

    :param batch: a ``pyarrow.RecordBatch``
    """
    columns = {
        name: _values(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if column.null_count < len(column)
    }
    if not columns:
        yield from ({} for _ in range(batch.num_rows))
    names = list(columns)
    for row in zip(*columns.values(), strict=True):
        yield {name: value for name, value in zip(names, row, strict=True) if value is not None}


def _values(array: Any) -> list[Any]:
    """The values of a column in the form of JSON; None where it has none."""
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        known = _values(array.dictionary)
        return [None if index is None else known[index] for index in array.indices.to_pylist()]
    if types.is_floating(kind):
        return _finite(array)
    if types.is_string(kind) or types.is_large_string(kind) or kind == _string_view():
        return _texts(array)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_null(kind):
        found: list[Any] = array.to_pylist()
        return found
    if types.is_timestamp(kind):
        return _moments(array)
    if types.is_decimal(kind):
        return [None if value is None else format(value, "f") for value in array.to_pylist()]
    if types.is_struct(kind):
        return _structures(array)
    if types.is_map(kind):
        return _maps(array)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists(array)
    if types.is_date(kind) or types.is_time(kind):
        import pyarrow

        texts: list[Any] = array.cast(pyarrow.string()).to_pylist()
        return texts
    if types.is_duration(kind):
        import pyarrow

        counts: list[Any] = array.cast(pyarrow.int64()).to_pylist()
        return counts
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return [None if value is None else b64encode(value).decode() for value in array.to_pylist()]
    if hasattr(array, "storage"):  # an extension type, such as a UUID
        return _values(array.storage)
    raise ValueError(f"columns of the type {kind} are not read")


def _string_view() -> Any:
    import pyarrow

    return pyarrow.string_view()


def _finite(array: Any) -> list[Any]:
    import pyarrow
    from pyarrow import compute

    wide = array.cast(pyarrow.float64())
    found: list[Any] = compute.if_else(compute.is_finite(wide), wide, None).to_pylist()
    return found


def _texts(array: Any) -> list[Any]:
    import pyarrow

    try:
        found: list[Any] = array.to_pylist()
    except UnicodeDecodeError:
        raw = array.cast(pyarrow.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "replace") for value in raw]
    return found


def _moments(array: Any) -> list[Any]:
    import pyarrow
    from pyarrow import compute

    numbers = array.cast(pyarrow.int64())
    plain = numbers.cast(pyarrow.timestamp(array.type.unit)).cast(pyarrow.string())
    texts = compute.replace_substring(plain, " ", "T", max_replacements=1).to_pylist()
    zone = "Z" if array.type.tz else ""
    return [
        # Arrow writes a time beyond the calendar as a remark in angle brackets.
        text and (number if text.startswith("<") else f"{text}{zone}")
        for text, number in zip(texts, numbers.to_pylist(), strict=True)
    ]


def _structures(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [_values(column) for column in array.flatten()]
    rows = zip(*columns, strict=True) if columns else (() for _ in range(len(array)))
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None} if is_there else None
        for row, is_there in zip(rows, array.is_valid().to_pylist(), strict=True)
    ]


def _lists(array: Any) -> list[Any]:
    """Of a list of fixed size, a missing one has elements all the same, so its parts are found one by one."""
    from pyarrow import types

    if types.is_fixed_size_list(array.type):
        return [_values(one.values) if one.is_valid else None for one in array]
    starts = array.offsets.to_pylist()
    first = starts[0] if starts else 0
    values = _values(array.values.slice(first, (starts[-1] if starts else 0) - first))
    return [
        values[start - first : end - first] if is_there else None
        for start, end, is_there in zip(starts, starts[1:], array.is_valid().to_pylist(), strict=False)
    ]


def _maps(array: Any) -> list[Any]:
    starts = array.offsets.to_pylist()
    first = starts[0] if starts else 0
    count = (starts[-1] if starts else 0) - first
    keys, items = _values(array.keys.slice(first, count)), _values(array.items.slice(first, count))
    found: list[Any] = []
    for start, end, is_there in zip(starts, starts[1:], array.is_valid().to_pylist(), strict=False):
        if not is_there:
            found.append(None)
            continue
        here = slice(start - first, end - first)
        found.append(_map(keys[here], items[here]))
    return found


def _map(keys: list[Any], items: list[Any]) -> Any:
    if all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
        return {key: item for key, item in zip(keys, items, strict=True) if item is not None}
    return [{"key": key, "value": item} for key, item in zip(keys, items, strict=True)]
