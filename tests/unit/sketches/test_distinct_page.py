"""What docs/distinct.md shows is so: its tables are the bytes, its reader reads all registers."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from local.places import PROJECT
from opensearch_strata.sketches.hyperloglog import Registers, error_of, estimate, most_fine, pack, precision_of

PAGE = (PROJECT / "docs" / "distinct.md").read_text("utf-8")
CELL = re.compile(r"^\| ((?:`[01 ]+` ?)+)\|", re.MULTILINE)
SIZES = re.compile(r"^\| (0\.\d+) \| ([\d,]+) \| ([\d.]+) % \| (\d+) \| (.+) \|$", re.MULTILINE)
COUNTS = (10, 30, 100, 1000, 10_000, 100_000)


def numbered(count: int, precision: int) -> Registers:
    registers = Registers(precision)
    for number in range(count):
        registers.see(str(number))
    return registers


def test_the_table_of_bits_is_the_bits() -> None:
    table = PAGE.split("| bits of `bAMCPwgOxv1TEQ8=` |")[1].split("\n\n")[0]
    bits = "".join(re.sub(r"[` ]", "", cell) for cell in CELL.findall(table))
    assert bits == "".join(f"{byte:08b}" for byte in base64.b64decode("bAMCPwgOxv1TEQ8="))


def test_the_table_of_errors_is_so() -> None:
    lines = SIZES.findall(PAGE)
    assert [float(error) for error, *_ in lines] == [0.01, 0.02, 0.05, 0.1]
    for error, registers, standard, exact, sizes in lines:
        precision = precision_of(float(error))
        assert int(registers.replace(",", "")) == 1 << precision
        assert f"{100 * error_of(precision):.2f}" == standard
        assert int(exact) == most_fine(precision)
        texts = (pack(numbered(count, precision)) for count in COUNTS)
        assert ", ".join(f"{len(base64.b64decode(text)):,}" for text in texts) == sizes


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    (block,) = (block for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if "def read" in block)
    found: dict[str, Any] = {}
    exec(compile(block, "docs/distinct.md", "exec"), found)
    return found


@pytest.mark.parametrize("precision", [7, 9, 12])
@pytest.mark.parametrize("count", [1, 2, 5, 31, 113, 450, 3800])
def test_the_reader_reads_all_registers(reader: dict[str, Any], precision: int, count: int) -> None:
    registers = numbered(count, precision)
    text = pack(registers)
    assert reader["read"](text) == reader["read"](text.rstrip("=")) == (registers.precision, registers.ranks)
    assert reader["count"](registers.precision, registers.ranks) == estimate(registers.tally)


def test_the_reader_reads_ranks_that_are_escaped(reader: dict[str, Any]) -> None:
    registers = Registers(7, {0: 63, 5: 14, 100: 1}, 7)
    assert reader["read"](pack(registers)) == (7, registers.ranks)
