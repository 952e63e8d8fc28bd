"""Parquet files: every value as JSON without losing a digit, bounded memory, and damage that costs one row group."""

from __future__ import annotations

import base64
import builtins
import datetime as dt
import gzip
import io
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensearch_strata.archive.decode.byte_stream import LONGEST, TooLarge
from opensearch_strata.archive.decode.formats.delivered import parquet
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.errors import DefinitionError, TransientError
from tests.envelopes import blocks_of


def written(table: pa.Table, **how: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{"compression": "snappy", **how})
    return buffer.getvalue()


def rows(content: bytes, size: int = 1000) -> list[Any]:
    reading = Reading(blocks_of(content, size))
    found = list(reading)
    assert (reading.format, reading.damage) == ("parquet", None)
    assert [one.record for one in found] == list(range(len(found)))
    return [one.message if isinstance(one, Event) else one for one in found]


def column(values: list[Any], kind: pa.DataType) -> list[Any]:
    return [row.get("a") for row in rows(written(pa.table({"a": pa.array(values, kind)})))]


MOMENT = 1741158001123456789
VALUES: list[tuple[list[Any], pa.DataType, list[Any]]] = [
    ([1, None, -(2**63)], pa.int64(), [1, None, -(2**63)]),
    ([2**64 - 1, 0], pa.uint64(), [2**64 - 1, 0]),
    ([1.5, float("nan"), float("-inf"), 5e-324], pa.float64(), [1.5, None, None, 5e-324]),
    ([0.1], pa.float32(), [0.10000000149011612]),
    ([True, None, False], pa.bool_(), [True, None, False]),
    (["a", "日本 \U0001f600", ""], pa.string(), ["a", "日本 \U0001f600", ""]),
    (["a"], pa.large_string(), ["a"]),
    ([Decimal("12345678901234567890.123400"), Decimal("-0.000001"), None], pa.decimal128(30, 6),
     ["12345678901234567890.123400", "-0.000001", None]),
    ([Decimal(10**70)], pa.decimal256(76, 0), [str(10**70)]),
    ([MOMENT, -1, None], pa.timestamp("ns", "UTC"),
     ["2025-03-05T07:00:01.123456789Z", "1969-12-31T23:59:59.999999999Z", None]),
    ([MOMENT // 1000], pa.timestamp("us", "Europe/Berlin"), ["2025-03-05T07:00:01.123456Z"]),
    ([MOMENT // 10**6], pa.timestamp("ms"), ["2025-03-05T07:00:01.123"]),
    ([dt.date(2025, 3, 5), None], pa.date32(), ["2025-03-05", None]),
    ([dt.time(7, 0, 1, 5)], pa.time64("us"), ["07:00:01.000005"]),
    ([dt.time(7, 0, 1)], pa.time32("ms"), ["07:00:01.000"]),
    ([5], pa.duration("ms"), [5]),
    ([b"\xff\x00", b"", None], pa.binary(), ["/wA=", "", None]),
    ([b"1234"], pa.binary(4), [base64.b64encode(b"1234").decode()]),
    ([[1, None], None, []], pa.list_(pa.int64()), [[1, None], None, []]),
    ([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2), [[1, 2], None, [3, 4]]),
    ([{"x": 1, "y": None}, None, {"x": None, "y": "b"}], pa.struct({"x": pa.int64(), "y": pa.string()}),
     [{"x": 1}, None, {"y": "b"}]),
    ([[("k", 1), ("l", None)], [], None], pa.map_(pa.string(), pa.int64()), [{"k": 1}, {}, None]),
    ([[(1, "v"), (1, "w")]], pa.map_(pa.int32(), pa.string()), [[{"key": 1, "value": "v"}, {"key": 1, "value": "w"}]]),
    ([[{"m": [("a", [Decimal("0.10")])]}]],
     pa.list_(pa.struct({"m": pa.map_(pa.string(), pa.list_(pa.decimal128(5, 2)))})), [[{"m": {"a": ["0.10"]}}]]),
    ([None, None], pa.null(), [None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "kind", "expected"), VALUES, ids=[str(kind) for _, kind, _ in VALUES])
def test_values_keep_every_digit(values: list[Any], kind: pa.DataType, expected: list[Any]) -> None:
    assert column(values, kind) == expected


def test_a_time_beyond_the_calendar_stays_a_number() -> None:
    assert column([2**62, None], pa.timestamp("ms", "UTC")) == [2**62, None]


def test_text_that_is_not_utf_8_is_read() -> None:
    array = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    assert [row["a"] for row in rows(written(pa.table({"a": array})))] == ["a", "\ufffd"]


leaves = st.one_of(
    st.just((pa.int64(), st.integers(-(2**63), 2**63 - 1))),
    st.just((pa.float64(), st.floats(allow_nan=False, allow_infinity=False))),
    st.just((pa.string(), st.text(st.characters(codec="utf-8"), max_size=4))),
    st.just((pa.bool_(), st.booleans())),
)
kinds = st.recursive(
    leaves,
    lambda inner: (
        inner.map(lambda one: (pa.list_(one[0]), st.lists(st.none() | one[1], max_size=3)))
        | st.tuples(inner, inner).map(
            lambda two: (
                pa.struct({"x": two[0][0], "y": two[1][0]}),
                st.fixed_dictionaries({"x": st.none() | two[0][1], "y": st.none() | two[1][1]}),
            )
        )
    ),
    max_leaves=4,
)


def without_nothing(value: Any) -> Any:
    """As an event has it: a structure's fields without a value are left out."""
    if isinstance(value, dict):
        return {name: without_nothing(inner) for name, inner in value.items() if inner is not None}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(kinds, st.data(), st.integers(1, 20), st.booleans())
def test_any_nesting_in_any_row_groups_is_read_and_read_again(
    kind: tuple[pa.DataType, st.SearchStrategy[Any]], data: st.DataObject, group: int, with_dictionary: bool
) -> None:
    values = data.draw(st.lists(st.none() | kind[1], max_size=40))
    table = pa.table({"a": pa.array(values, kind[0]), "n": pa.array(range(len(values)), pa.int64())})
    content = written(table, row_group_size=group, use_dictionary=with_dictionary)
    expected = [without_nothing({"a": value, "n": number}) for number, value in enumerate(values)]
    reading = Reading([content])
    events = [one for one in reading if isinstance(one, Event)]
    assert [one.message for one in events] == expected
    for one in events:
        (again,) = Reading([one.raw], "parquet")
        assert again == one._replace(record=0)


def test_a_file_may_lie_in_a_layer_and_have_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"n": pa.array(range(3000), pa.int64())})
    content = written(table, row_group_size=700)
    monkeypatch.setattr(parquet, "_IN_MEMORY", 100)  # through the disk
    assert [row["n"] for row in rows(content)] == list(range(3000))
    reading = Reading([gzip.compress(content)])
    assert (len(list(reading)), reading.layers, reading.format) == (3000, ["gzip"], "parquet")
    assert rows(written(table.slice(0, 0))) == []


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_any_compression(compression: str) -> None:
    assert rows(written(pa.table({"a": [1]}), compression=compression)) == [{"a": 1}]


def test_a_damaged_row_group_costs_no_other_one() -> None:
    table = pa.table({"n": pa.array(range(4000), pa.int64()), "s": [f"text {n}" for n in range(4000)]})
    content = bytearray(
        written(table, row_group_size=1000, use_dictionary=False, write_page_checksum=True, compression="none")
    )
    group = pq.ParquetFile(io.BytesIO(bytes(content))).metadata.row_group(1).column(1)
    content[group.data_page_offset + group.total_compressed_size // 2] ^= 0xFF
    reading = Reading([bytes(content)])
    found = list(reading)
    numbers = [one.message["n"] for one in found if isinstance(one, Event) and isinstance(one.message, dict)]
    assert set(range(1000)) | set(range(2000, 4000)) == set(numbers)
    assert [one.record for one in found[:-1]] == numbers  # a row keeps its number whatever is before it
    assert isinstance(found[-1], Broken)
    assert reading.left_unread
    assert reading.damage is not None
    assert "Rows 1 to 1,000 of row group 1 cannot be read: " in reading.damage


@settings(max_examples=60)
@given(st.data())
def test_any_damage_is_told_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(CONTENT)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(4, len(content)))]
    for one in Reading([bytes(content)]):
        assert isinstance(one, Event | Broken)


CONTENT = written(pa.table({"n": pa.array(range(300), pa.int64()), "s": [f"text {n % 7}" for n in range(300)]}),
                  row_group_size=100)  # fmt: skip


@pytest.mark.parametrize("cut", [4, 100, len(CONTENT) - 1])
def test_a_file_without_its_end_is_one_broken_record(cut: int) -> None:
    reading = Reading([CONTENT[:cut]])
    (broken,) = reading
    assert isinstance(broken, Broken)
    assert "The Parquet file cannot be read: " in broken.reason
    assert not reading.left_unread


def test_a_row_that_is_too_long_costs_itself() -> None:
    found = rows(written(pa.table({"a": ["x" * (LONGEST + 1), "y"]})))
    assert isinstance(found[0], Broken)
    assert (found[0].reason, found[0].raw[:7]) == ("It is longer than 16.0 MiB.", b'{"a":"x')
    assert found[1] == {"a": "y"}


def test_a_text_that_is_stored_once_and_repeated_does_not_fill_the_memory(tmp_path: Path) -> None:
    """2,000 rows of 1 MB each, in a file of a few KB."""
    table = pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 2000), pa.array(["x" * 2**20]))})
    content = written(table, compression="zstd")
    assert len(content) < 2**20
    (tmp_path / "repeated.parquet").write_bytes(content)
    assert peak_of(tmp_path / "repeated.parquet") < 300


@pytest.mark.long
def test_a_file_of_a_gigabyte_does_not_take_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    schema = pa.schema({"n": pa.int64(), "s": pa.string()})
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for group in range(2):  # of half a gigabyte each
            texts = [f"{number:0500}" for number in range(1_000_000)]
            writer.write_table(pa.table({"n": range(1_000_000), "s": texts}, schema), row_group_size=1_000_000)
            del texts, group
    assert path.stat().st_size > 10**9
    assert peak_of(path) < 300


def peak_of(path: Path) -> float:
    """Most memory of a process that reads a file, in MiB, with about 120 for Python and Arrow."""
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from opensearch_strata.archive.decode.object_reader import Reading\n"
        "blocks = iter(lambda: file.read(2**20), b'')\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    number = sum(1 for _ in Reading(blocks))\n"
        "assert number in (2000, 2_000_000), number\n"
        # Not getrusage: its peak includes that of the process that started this one.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024)\n"
    )
    return float(subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True).stdout)


def test_a_file_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MOST", 1000)
    with pytest.raises(TooLarge, match=r"longer than 1,000 B.*Write smaller files"):
        list(Reading([CONTENT]))


def test_a_full_disk_is_a_state_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_IN_MEMORY", 100)
    real = tempfile.NamedTemporaryFile

    def full(**how: Any) -> Any:
        file = real(**how)
        file.writelines = refuse  # type: ignore[assignment]
        return file

    def refuse(_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(TransientError, match=r"No space left on device.*TMPDIR"):
        list(Reading([CONTENT]))


def test_without_pyarrow_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError("no pyarrow here")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DefinitionError, match=r"needs pyarrow.*pip install 'opensearch-strata\[parquet\]'"):
        list(Reading([CONTENT]))


def test_rows_in_json_are_read_as_rows() -> None:
    """As dead letters hold them."""
    assert [one.message for one in Reading([orjson.dumps({"a": 1})], "parquet") if isinstance(one, Event)] == [{"a": 1}]


def test_an_encrypted_file_is_told() -> None:
    reading = Reading([b"PARE" + CONTENT[4:-4] + b"PARE"])
    (broken,) = reading
    assert reading.format == "parquet"
    assert "ncrypt" in broken.reason or "cannot be read" in broken.reason  # type: ignore[union-attr]
