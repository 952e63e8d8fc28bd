"""Every numeric field type is condensed and proven up to its limits; every other type is refused with the reason."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from opensearch_strata.errors import DefinitionError
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.sketches.ddsketch import bins_of, pack
from tests.shell import Shell
from tests.streams import DAY, TYPES, Stream, StreamFactory, assert_verified, definition_of

ALL = ["min", "max", "sum", "count", "avg"]
SCALED = {"type": "scaled_float", "scaling_factor": 100}


def single(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def half(x: float) -> float:
    return float(struct.unpack("<e", struct.pack("<e", x))[0])


# Type -> what documents hold, and the double that searches and scripts see of it.
NUMBERS: dict[str, tuple[list[Any], Callable[[Any], float]]] = {
    "byte": ([-128, 127, 0, 1], float),
    "short": ([-32_768, 32_767, 0, 7], float),
    "integer": ([-(2**31), 2**31 - 1, 0, 3], float),
    # Beyond 2**53 a double holds no longer every whole number: the nearest one counts.
    "long": ([-(2**63), 2**63 - 1, 2**53 + 1, -(2**53) - 3, 0], float),
    "unsigned_long": ([2**64 - 1, 2**63, 2**63 + 2049, 2**53 + 1, 0], float),
    "half_float": ([65_504, -65_504, 2.0**-24, 0.1], half),
    "float": ([3.4028234e38, -3.4028234e38, 1.4e-45, 0.1, 16_777_217], single),
    "double": ([1e300, -1e300, 5e-324, 0.1, 2**53 + 2], float),
    "scaled_float": ([0.07, 1234.56, -0.29, 90_071_992_547_409.91], float),
}


@pytest.fixture(scope="module", params=[False, True], ids=["types not stated", "types stated"])
def condensed(request: pytest.FixtureRequest, make_stream: StreamFactory) -> Stream:
    """A field and a metric for each type; rows of a type that is stated are kept in as few bytes as it needs."""
    stream = make_stream(
        {"@timestamp": "date", "device": "keyword", **{kind: kind for kind in NUMBERS}, "scaled_float": SCALED},
        history={"group_by": ["device"]},
        raw={"fields": {kind: kind for kind in NUMBERS} if request.param else {}},
        metrics={kind: {"field": kind, "stats": ALL, "distribution": {"relative_error": 0.01}} for kind in NUMBERS},
    )
    head = {"@timestamp": DAY.isoformat(), "device": "d"}
    stream.write([{**head, kind: value} for kind, (values, _) in NUMBERS.items() for value in values])
    stream.write([{**head, kind: values[:2]} for kind, (values, _) in NUMBERS.items()])
    stream.condense()
    return stream


def test_every_numeric_type_is_proven(condensed: Stream) -> None:
    assert_verified(condensed)


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_row_has_the_values_of_its_type(condensed: Stream, kind: str) -> None:
    written, seen = NUMBERS[kind]
    values = [seen(value) for value in [*written, *written[:2]]]
    (row,) = condensed.rows().values()
    found = row["metrics"][kind]
    assert found["count"] == len(values)
    assert (found["min"], found["max"]) == pytest.approx((min(values), max(values)), rel=1e-15, abs=0)
    assert found["sum"] == pytest.approx(sum(values), rel=1e-12, abs=1e-12 * max(map(abs, values)))
    assert found["sketch"] == pack(bins_of(values, 10), 10)


# What is no number

REASONS = {
    "date": "; a date has no sum and no relative error: let producers send a duration or an age as a number",
    "boolean": "; true and false have no average: count it with stats [count] and distribution {top_values: 10}",
    "keyword": "; names have no average: name a numeric field, or count it with stats [count]",
    "text": "; words have no average: name a numeric field, or a multi-field such as load.keyword and count it with",
    "ip": "; name a numeric field",
}


@pytest.mark.parametrize("kind", REASONS)
def test_what_is_no_number_is_refused_before_anything_is_written(shell: Shell, kind: str) -> None:
    stream = shell.stream(types={**TYPES, "load": kind})
    stream.create()
    stream.client.index(index=stream.dataset.raw_index(DAY), body={"device": "d"}, params={"refresh": "true"})
    reason = f"metrics.load.field: field 'load' is {kind}, but it must be a number (byte, double, "
    (problem,) = shell.json("check", 1)["problems"]
    assert reason in problem
    assert REASONS[kind] in problem
    with pytest.raises(DefinitionError) as refusal:
        stream.condense()
    assert str(refusal.value) == problem
    assert not stream.client.indices.exists(index=stream.dataset.month_index(DAY))


@pytest.mark.parametrize("kind", REASONS)
def test_what_is_stated_to_be_no_number_is_refused_without_a_cluster(shell: Shell, tmp_path: Path, kind: str) -> None:
    definition = definition_of("stated", raw={"index": "stated-{day}", "fields": {"load": kind}})
    (tmp_path / "stated.yaml").write_text(yaml.safe_dump(definition))
    (problem,) = shell.json("check", 1)["problems"]
    assert problem.startswith("stated.yaml: ")
    assert f"metrics.load.field: field 'load' is {kind}, but it must be a number (byte, double, " in problem
    assert REASONS[kind] in problem


# Types that are stated smaller than they are


@pytest.mark.parametrize(("stated", "real"), [("short", "float"), ("integer", "long"), ("float", "double")])
def test_a_type_stated_too_small_is_refused(shell: Shell, stated: str, real: str) -> None:
    stream = shell.stream(types={**TYPES, "load": real}, raw={"fields": {"load": stated}})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "load": 1.25 if real != "long" else 2**40}])
    reason = f"raw.fields declares 'load' as {stated}, but it is {real}, and rows made for {stated} would lose some"
    (problem,) = shell.json("check", 1)["problems"]
    assert f"metrics.load.field: {reason}" in problem
    with pytest.raises(DefinitionError, match=reason):
        stream.condense()
    assert not stream.client.indices.exists(index=stream.dataset.month_index(DAY))


@pytest.mark.parametrize(("stated", "real"), [("integer", "short"), ("float", "half_float"), ("double", "float")])
def test_a_type_stated_larger_than_it_is_does_no_harm(make_stream: StreamFactory, stated: str, real: str) -> None:
    stream = make_stream({**TYPES, "load": real}, raw={"fields": {"load": stated}})
    stream.condensed(count=60)
    assert_verified(stream)


def test_stated_decimals_say_what_is_kept(make_stream: StreamFactory) -> None:
    load = {"field": "load", "stats": ALL, "decimals": 1, "distribution": {"relative_error": 0.01}}
    stream = make_stream({**TYPES, "load": "float"}, raw={"fields": {"load": "short"}}, metrics={"load": load})
    values = [1.25, 1.35, -0.04, 0.26, 7.0]  # in a float 1.25 lies half way, and 1.35 just above
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "load": value} for value in values])
    stream.condense()
    assert_verified(stream)
    (row,) = stream.rows().values()
    rounded = [1.2, 1.4, 0.0, 0.3, 7.0]
    assert row["metrics"]["load"] == {
        **{"min": 0.0, "max": 7.0, "sum": 9.9, "count": 5, "avg": 9.9 / 5},
        "sketch": pack(bins_of(rounded, 10), 10),
    }


def test_values_too_large_for_their_decimals_are_never_proven(make_stream: StreamFactory) -> None:
    """Rows keep 63 bits of them; the server would cut off the rest in silence."""
    load = {"field": "load", "stats": ALL, "decimals": 2}
    stream = make_stream({**TYPES, "load": "double"}, metrics={"load": load})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "load": value} for value in (9.3e16, 2.0)])
    stream.condense()
    proof = verify(stream.client, stream.dataset, DAY)
    assert proof.state == "differs"
    assert {"load max", "load sum"} <= {check.name for check in proof.failed}


# What is not finite


@pytest.fixture(scope="module")
def strict(client: OpenSearch, make_stream: StreamFactory) -> Stream:
    kinds = ("half_float", "float", "double")
    stream = make_stream({"@timestamp": "date", **{kind: kind for kind in kinds}, "scaled_float": SCALED})
    stream.create()
    return stream


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("kind", ["half_float", "float", "double", "scaled_float"])
def test_what_is_not_finite_cannot_enter(strict: Stream, kind: str, value: str) -> None:
    for text in (value, f'"{value}"'):  # as a JSON number, or a word of some parsers, and as a string
        body = f'{{"index": {{}}}}\n{{"{kind}": {text}}}\n'
        answer = strict.client.bulk(body=body, index=strict.dataset.raw_index(DAY))
        assert [item["index"]["status"] for item in answer["items"]] == [400]


def test_a_value_that_the_mapping_ignores_is_missing_in_its_row_and_holds_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "temperature": {"type": "double", "ignore_malformed": True}})
    head = {"@timestamp": DAY.isoformat(), "device": "d"}
    stream.write([{**head, "temperature": value} for value in ("NaN", "Infinity", "warm", 21.5)])
    stream.condense()
    proof = verify(stream.client, stream.dataset, DAY)
    assert (proof.state, [check.name for check in proof.failed]) == ("held", ["values that searches do not see"])
    (row,) = stream.rows().values()
    assert row["_doc_count"] == 4
    assert (row["metrics"]["temperature"]["count"], row["metrics"]["temperature"]["sum"]) == (1, 21.5)
