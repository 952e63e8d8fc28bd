"""Tables: every value is there as it is, whatever rich makes of brackets, and nothing is cut off."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from opensearch_strata.errors.amounts import size
from opensearch_strata.history.condense.engines.base import EngineRun
from opensearch_strata.history.verify.coverage import DayCoverage
from opensearch_strata.history.verify.proof import Check, Proof
from opensearch_strata.presentation.tables import Table, coverage_table, proof_table, run_table, shown, some_names
from tests.streams import DAY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "-"), (True, "yes"), (False, "no"), (0, "0"), (1_234_567, "1,234,567"), (-1000, "-1,000")),
        *((2.5, "2.5"), (1234567.5, "1,234,567.5"), (1e-30, "1e-30"), (DAY, "2024-05-06"), ("x", "x")),
    ],
)
def test_values_as_a_person_reads_them(value: Any, text: str) -> None:
    assert shown(value) == text


def test_sums_that_differ_look_different() -> None:
    assert shown(1_000_000.001) != shown(1_000_000.002)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1024**2, "1.0 MiB")),
        *((1024**3 * 64, "64.0 GiB"), (1024**4, "1.0 TiB"), (1024**4 * 2000, "2,000.0 TiB")),
    ],
)
def test_bytes_as_a_person_reads_them(count: int, text: str) -> None:
    assert size(count) == text


def test_a_table_shows_every_cell() -> None:
    text = str(Table("Title", ("name", "number"), [("one", 1000), ("two", None)]))
    assert [line.strip() for line in text.splitlines()] == [
        "Title",
        "+------+--------+",
        "| name | number |",
        "+======+========+",
        "| one  |  1,000 |",
        "| two  |      - |",
        "+------+--------+",
    ]


SENTENCE = "was kept: " + "what is said of a day can be long " * 8


@pytest.mark.parametrize("width", [20, 60, 140])
def test_titles_and_words_are_never_broken(width: int) -> None:
    long = Table(
        "A title that is longer than the table below it " * 4, ("index", "note"), [("flights-2013.01.01", SENTENCE)]
    )
    lines = long.text(width).splitlines()
    assert lines[0] == long.title
    assert all("flights-2013.01.01" not in line or line.startswith("| flights-2013.01.01 |") for line in lines)
    cells = [line.split("|")[2].strip() for line in lines if line.startswith("|")]
    assert " ".join(cells[1:]).split() == SENTENCE.split()
    assert len({len(line) for line in lines[1:]}) == 1


@pytest.mark.parametrize("width", [20, 80, None])
def test_times_and_numbers_are_never_cut(width: int | None) -> None:
    moment, names = "2013-01-05 10:00:00 +00:00", ("time", "origin", "value", "mean", "p50")
    rows = [(moment, "JFK and others", 1_234_567_890_123, -1.234_567_890_12e-300, n) for n in range(3)]
    text = Table("t", names, rows).text(width)
    assert cells(text)[1:] == [[shown(value) for value in row] for row in rows]


def test_in_a_pipe_each_row_is_a_line() -> None:
    lines = Table("t", ("index", "note"), [("a", SENTENCE), ("b", SENTENCE * 9)]).text(width=None).splitlines()
    assert len(lines) == len(["title", "rule", "head", "rule", "a", "b", "rule"])


@pytest.mark.parametrize(("count", "text"), [(0, ""), (2, "x0, x1"), (10, ", ".join(f"x{n}" for n in range(10)))])
def test_few_names_are_all_told(count: int, text: str) -> None:
    assert some_names([f"x{number}" for number in range(count)]) == text


def test_many_names_are_told_by_the_first_and_the_last() -> None:
    told = some_names([f"x{number}" for number in range(59)])
    assert told == "x0, x1, x2, x3, x4, x5, x6, x7, x8, … (49 more), x58"


def test_brackets_stay() -> None:
    note = "no such index [flights-2013.01.05], because [red] is no colour"
    assert note in str(Table("of [x]", ("note",), [(note,)]))
    assert "of [x]" in str(Table("of [x]", ("note [s]",), [(1,)]))


def test_long_text_is_folded_not_cut() -> None:
    text = str(Table("T", ("note", "day"), [("word " * 100 + "end", DAY)]))
    assert text.count("word") == 100
    assert "end" in text
    assert max(map(len, text.splitlines())) <= 140


def test_an_empty_table_has_its_head() -> None:
    assert "name" in str(Table("None", ("name", "number"), []))


def cells(text: str) -> list[list[str]]:
    """Cells of each line of a table, its head included."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_a_proof_shows_every_line_and_what_failed() -> None:
    checks = [Check("documents", 1500, 1500, True), Check("load sum", 3.5, 4.5, False)]
    text = str(proof_table(Proof("t-2024.05.06", DAY, "differs", None, checks, rows=12, null_rows=3)))
    assert "Proof of t-2024.05.06: differs, 12 rows, 3 without a group value or a time" in " ".join(text.split())
    assert cells(text)[1:] == [["documents", "1,500", "1,500", "yes"], ["load sum", "3.5", "4.5", "NO"]]


def test_a_run_shows_what_was_done() -> None:
    text = str(run_table("t-2024.05.06", EngineRun("search", 36000, 9, 1.234, 0.5)))
    assert "Condensed t-2024.05.06" in text
    for cell in ("search", "36,000", "9", "1.23", "0.5"):
        assert f" {cell} " in text


def test_coverage_shows_where_days_are() -> None:
    days = [DayCoverage(date(2024, 5, 5), None, 0, 10, 100, 2048), DayCoverage(DAY, 100, 4096, 10, 90, 2048)]
    text = str(coverage_table("t", days))
    assert cells(text)[1:] == [
        ["2024-05-05", "history", "-", "-", "10", "100", "2.0 KiB"],
        ["2024-05-06", "differs", "100", "4.0 KiB", "10", "90", "2.0 KiB"],
    ]
