"""Two rows of a group and bucket are the same, or the first value that differs is named."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.history.verify.same_rows import SameRows, differing_value
from opensearch_strata.sketches import hyperloglog, top_values
from opensearch_strata.sketches.ddsketch import pack
from opensearch_strata.sketches.hyperloglog import Registers
from opensearch_strata.sketches.top_values import CountedValue, Top
from tests.streams import dataset_of

NAMES = {"field": "site", "stats": ["count"], "distribution": {"top_values": 3}}
DATASET = dataset_of("shop")
SITES = {"field": "site", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}}
COUNTED = dataset_of("shop", metrics={**DATASET.model_dump(mode="json")["metrics"], "names": NAMES, "sites": SITES})


def registers(*values: str, precision: int = 9) -> str:
    found = Registers(precision)
    for value in values:
        found.see(value)
    return hyperloglog.pack(found).rstrip("=")


ROW = {
    "transform._doc_count": 4,
    "metrics.temperature.count": 3,
    "metrics.temperature.min": -1.5,
    "metrics.temperature.max": 4.0,
    "metrics.temperature.sum": 3.5,
    "metrics.temperature.avg": 3.5 / 3,
    "metrics.temperature.sketch": pack({3: 1, 4: 2}, 10).rstrip("="),
    "metrics.names.top": top_values.pack(Top((CountedValue("a", 2, 2), CountedValue("b", 1, 1)))),
    "metrics.sites.registers": registers("a", "b"),
}


def differs(**changes: Any) -> str:
    other = {**ROW, **{name.replace("__", "."): value for name, value in changes.items()}}
    return differing_value(COUNTED, ROW, {name: value for name, value in other.items() if value is not None}, list(ROW))


def test_equal_rows_and_sums_that_differ_in_their_last_digits() -> None:
    assert differs() == ""
    assert differs(metrics__temperature__sum=3.5 + 1e-12) == ""
    assert differs(metrics__temperature__sketch=pack({3: 1, 4: 2}, 10)) == ""
    assert differs(metrics__sites__registers=registers("b", "a") + "=") == ""


@pytest.mark.parametrize(
    ("leaf", "value", "words"),
    [
        ("transform._doc_count", 5, "documents: 4 in the row, 5 in the archive"),
        ("metrics.temperature.count", 2, "count of temperature: 3 in the row, 2 in the archive"),
        ("metrics.temperature.min", -1.4, "min of temperature: -1.5 in the row, -1.4 in the archive"),
        ("metrics.temperature.max", None, "max of temperature: 4.0 in the row, None in the archive"),
        ("metrics.temperature.sum", 3.50001, "sum of temperature: 3.5 in the row, 3.50001 in the archive"),
        ("metrics.temperature.sketch", pack({3: 2, 4: 1}, 10), "sketch of temperature"),
        ("metrics.temperature.sketch", pack({3: 1, 4: 2}, 20), "sketch of temperature"),
        ("metrics.temperature.sketch", "damaged", "sketch of temperature"),
        ("metrics.names.top", top_values.pack(Top((CountedValue("a", 3, 3),))), "top of names"),
        ("metrics.sites.registers", registers("a"), "registers of sites"),
        ("metrics.sites.registers", registers("a", "b", precision=7), "registers of sites"),
        ("metrics.sites.registers", "damaged", "registers of sites"),
        ("metrics.sites.registers", None, "registers of sites"),
    ],
)
def test_the_first_value_that_differs_is_named(leaf: str, value: Any, words: str) -> None:
    assert differs(**{leaf.replace(".", "__"): value}) == words


def test_counts_that_are_not_exact_must_not_exclude_each_other() -> None:
    def row(*listed: CountedValue, rest: int = 0, bound: int = 0) -> dict[str, Any]:
        return {"metrics.names.top": top_values.pack(Top(listed, rest, bound))}

    one = row(CountedValue("a", 5, 7), CountedValue("b", 3, 4), rest=2, bound=2)
    other = row(CountedValue("a", 6, 6), CountedValue("c", 2, 3), rest=2, bound=3)
    apart = row(CountedValue("a", 8, 9), rest=2, bound=3)
    assert differing_value(COUNTED, one, other, ["metrics.names.top"]) == ""
    assert differing_value(COUNTED, one, apart, ["metrics.names.top"]) == "top of names"


def test_what_differs_is_told_in_half_a_sentence() -> None:
    found = SameRows(rows=5, here=5)
    assert found.holds
    found.missing.add(3, "device 'd1'")
    found.differing.add(2, "device 'd2': sum of load")
    found.here = 6
    assert found.difference == "1 missing, 1 different, 2 without any document (first: device 'd2': sum of load)"
    assert not found.holds
