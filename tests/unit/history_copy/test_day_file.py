"""Rows to the bytes of a file and back: the same, bit for bit, whatever they hold."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.day_file import DayCopy, file_of, read_file
from opensearch_strata.history.copy.layout import DOC_COUNT, IDENTITY, TIME, TRANSFORM
from opensearch_strata.history.copy.row_tables import difference, schema_of
from opensearch_strata.history.copy.writing import _actions
from opensearch_strata.history.month.mapping import month_mapping
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.month.row_ids import row_id
from opensearch_strata.sketches import hyperloglog, top_values
from opensearch_strata.sketches.ddsketch import bins_of, pack, quantiles, step_of
from opensearch_strata.sketches.hyperloglog import Registers
from opensearch_strata.sketches.top_values import ValueCounts
from tests.copies import METRICS
from tests.streams import DAY, dataset_of

TYPES = {"device": "keyword", "address": "ip", "on": "boolean", "version": "long"}
DATASET = dataset_of("plant", metrics=METRICS, history={"group_by": list(TYPES)})
MAPPING = month_mapping(DATASET, TYPES)
MARK = Mark(12, "uuid", DATASET.fingerprint)
PERCENTILES = {"p50": 0.5, "p99.9": 0.999}
ABOUT = {"units": {"temperature": "°C"}, "time_zone": "UTC", "version": "1.2.3"}
EMPTY = DayCopy("plant", DAY, None, MAPPING["properties"], MAPPING["_meta"]["strata"], MARK)

whole = st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.tuples(
    st.none() | texts,
    st.none() | st.ip_addresses().map(str),
    st.none() | st.booleans(),
    st.none() | whole,
    st.none() | whole,
)


@st.composite
def measured(draw: st.DrawFn) -> dict[str, Any]:
    """What a row holds of a metric that measures; its sketch is of the very values."""
    values = draw(st.lists(numbers, min_size=1, max_size=5))
    step = step_of(0.01)
    sketch = base64.b64decode(pack(bins_of(values, step), step))
    return {
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "sum": draw(numbers),
        "avg": draw(numbers),
    } | {"sketch": sketch}


@st.composite
def counted(draw: st.DrawFn) -> dict[str, Any]:
    """What a row holds of a metric whose values are counted."""
    counts = ValueCounts()
    values = draw(st.lists(texts, min_size=1, max_size=5))
    for value in values:
        counts.see(value)
    return {"count": len(values), "top": base64.b64decode(top_values.pack(counts.top(3))).decode()}


@st.composite
def distinct(draw: st.DrawFn) -> dict[str, Any]:
    """What a row holds of a metric whose different values are counted."""
    registers = Registers(9)
    values = draw(st.lists(texts, min_size=1, max_size=9))
    for value in values:
        registers.see(value)
    return {"count": len(values), "registers": base64.b64decode(hyperloglog.pack(registers))}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row, as a table has it."""
    device, address, on, version, time = key = draw(keys)
    documents = draw(st.integers(1, 2**53))
    identity, transform = row_id(DATASET.transform_id(DAY), list(key)), DATASET.transform_id(DAY)
    row: dict[str, Any] = {IDENTITY: identity, TRANSFORM: transform}
    row |= {"device": device, "address": address, "on": on, "version_": version, TIME: time}
    row |= {"documents": documents, DOC_COUNT: documents, "raw_uuid": draw(st.none() | texts)}
    row["version"] = draw(st.integers(0, 2**63 - 1))
    for metric in ("temperature", "price"):
        row |= {f"{metric}_{leaf}": value for leaf, value in draw(st.just({}) | measured()).items()}
    row |= {f"status_{leaf}": value for leaf, value in draw(st.just({}) | counted()).items()}
    row |= {f"kinds_{leaf}": value for leaf, value in draw(st.just({}) | distinct()).items()}
    if draw(st.booleans()):
        row |= {"load_count": draw(st.integers(1, 2**63 - 1)), "load_sum": draw(numbers)}
        row |= {"ratio_count": 1, "ratio_min": draw(numbers), "ratio_max": draw(numbers)}
    return row


def table_of(found: list[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table, each id once."""
    schema = schema_of(EMPTY.layout)
    unique = list({row[IDENTITY]: row for row in found}.values())
    return pa.table({field.name: pa.array([r.get(field.name) for r in unique], field.type) for field in schema})


def copy_of(found: list[Mapping[str, Any]]) -> DayCopy:
    table = table_of(found)
    mark = replace(MARK, documents=sum(table["documents"].to_pylist()))
    return DayCopy("plant", DAY, table, EMPTY.properties, EMPTY.meta, mark)


@settings(max_examples=150)
@given(st.lists(rows(), max_size=8))
def test_a_file_holds_the_very_rows(found: list[Mapping[str, Any]]) -> None:
    copy = copy_of(found)
    content = file_of(copy, PERCENTILES, ABOUT)
    back = read_file(content, "a file")
    assert difference(copy.layout, copy.rows, back.rows) == ""
    assert (back.dataset, back.day, back.mark) == (copy.dataset, copy.day, copy.mark)
    assert (back.properties, back.meta) == (copy.properties, copy.meta)
    assert file_of(back, PERCENTILES, ABOUT) == content
    assert list(_actions(back.layout, back.rows.sort_by(IDENTITY))) == list(
        _actions(copy.layout, copy.rows.sort_by(IDENTITY))
    )


@given(st.lists(rows(), min_size=1, max_size=5), st.data())
def test_every_bit_of_a_row_counts(found: list[Mapping[str, Any]], data: st.DataObject) -> None:
    table = table_of(found).sort_by(IDENTITY)
    place = data.draw(st.integers(0, table.num_rows - 1))
    name = data.draw(st.sampled_from([n for n in table.column_names if n not in (IDENTITY, TRANSFORM)]))
    kind = table.schema.field(name).type
    values = (table[name].cast(pa.int64()) if name == TIME else table[name]).to_pylist()
    if pa.types.is_floating(kind):
        number = 0.0 if values[place] is None else values[place]
        (bits,) = struct.unpack("q", struct.pack("d", number))
        values[place] = struct.unpack("d", struct.pack("q", bits ^ 1))[0]
    elif values[place] is not None:
        values[place] = None
    else:
        values[place] = {pa.bool_(): False, pa.string(): "", pa.binary(): b""}.get(kind, 0)
    other = table.set_column(table.column_names.index(name), name, pa.array(values, kind))
    assert f": {name} is " in difference(EMPTY.layout, table, other)
    assert (difference(EMPTY.layout, table, other, versions=False) == "") == (name == "version")


def test_zeros_of_either_sign_are_two_numbers() -> None:
    row = {IDENTITY: "a", TRANSFORM: "t", "load_sum": 0.0}
    one, other = table_of([row]), table_of([{**row, "load_sum": -0.0}])
    assert "load_sum is 0.0 against -0.0" in difference(EMPTY.layout, one, other)


def test_a_column_that_one_table_lacks_is_empty_in_the_other() -> None:
    row = {IDENTITY: "a", TRANSFORM: "t", "load_sum": 1.0}
    full, empty = table_of([row]), table_of([{**row, "load_sum": None}])
    assert difference(EMPTY.layout, empty, full.drop_columns(["load_sum"])) == ""
    assert "load_sum is 1.0 against nothing" in difference(EMPTY.layout, full, full.drop_columns(["load_sum"]))
    assert difference(EMPTY.layout, full, full.slice(1)) == "1 rows against 0"


def test_percentiles_and_distinct_counts_are_those_that_a_reader_gets() -> None:
    values = [float(n) ** 1.5 - 20 for n in range(200)]
    step = step_of(0.01)
    bins = bins_of(values, step)
    registers = Registers(9)
    for kind in "abab":
        registers.see(kind)
    key = ["d", None, None, None, 3_600_000]
    row = {
        IDENTITY: row_id(DATASET.transform_id(DAY), key), TRANSFORM: DATASET.transform_id(DAY), "device": "d",
        TIME: 3_600_000, "documents": 200, DOC_COUNT: 200, "version": 1, "temperature_count": 200,
        "temperature_min": min(values), "temperature_max": max(values), "temperature_sum": sum(values),
        "temperature_sketch": base64.b64decode(pack(bins, step)), "load_count": 4, "load_sum": 10.0,
        "kinds_count": 4, "kinds_registers": base64.b64decode(hyperloglog.pack(registers)),
    }  # fmt: skip
    import io

    import pyarrow.parquet as pq

    (found,) = pq.read_table(io.BytesIO(file_of(copy_of([row]), PERCENTILES, ABOUT))).to_pylist()
    exact = quantiles(bins, PERCENTILES.values(), step, min(values), max(values))
    assert (found["temperature_p50"], found["temperature_p99_9"]) == (exact[0.5], exact[0.999])
    assert found["load_avg"] == 2.5  # of a metric that keeps no average itself
    assert found["price_p50"] is None
    assert (found["kinds_distinct"], found["kinds_count"]) == (2, 4)


@pytest.mark.parametrize("broken", [{IDENTITY: "another"}, {DOC_COUNT: 8}, {TRANSFORM: "strata-plant-2024.05.07"}])
def test_rows_that_no_proof_would_accept_make_no_file(broken: dict[str, Any]) -> None:
    key = ["d", None, None, None, 0]
    row: dict[str, Any] = {IDENTITY: row_id(DATASET.transform_id(DAY), key), TRANSFORM: DATASET.transform_id(DAY)}
    row |= {"device": "d", TIME: 0, "documents": 7, DOC_COUNT: 7, "version": 1}
    assert file_of(copy_of([row]), {}, {})
    with pytest.raises(Refused, match="bear ids that no transform gave them, or count as other documents"):
        file_of(copy_of([{**row, **broken}]), {}, {})
