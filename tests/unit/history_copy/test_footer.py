"""Files whose footers somebody forged: refused in a sentence, whatever they say, and never taken at their word."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.day_file import DayCopy, file_of, read_file
from opensearch_strata.history.copy.layout import DOC_COUNT, IDENTITY, TIME, TRANSFORM
from opensearch_strata.history.copy.row_tables import schema_of
from opensearch_strata.history.month.mapping import month_mapping
from opensearch_strata.history.month.marks import Mark, marks_in, same_rows_in
from opensearch_strata.history.month.row_ids import row_id
from tests.copies import METRICS
from tests.streams import DAY, dataset_of

DATASET = dataset_of("plant", metrics=METRICS, history={"group_by": ["device"]})
MAPPING = month_mapping(DATASET, {"device": "keyword"})
Forgery = Callable[[dict[str, Any]], Any]


def row_of(device: str, **more: Any) -> dict[str, Any]:
    transform = DATASET.transform_id(DAY)
    row = {IDENTITY: row_id(transform, [device, 0]), TRANSFORM: transform, "device": device, TIME: 0, "version": 1}
    return {**row, "documents": 7, DOC_COUNT: 7, **more}


def file_with(footer: Callable[[dict[str, str]], Any], *rows: dict[str, Any]) -> bytes:
    """A file of two rows, or of others, whose footer is changed afterwards."""
    empty = DayCopy("plant", DAY, None, MAPPING["properties"], MAPPING["_meta"]["strata"], None)
    found = rows or (row_of("a"), row_of("b"))
    schema = schema_of(empty.layout)
    table = pa.table({field.name: pa.array([row.get(field.name) for row in found], field.type) for field in schema})
    documents = sum(row["documents"] or 0 for row in found)
    mark = Mark(documents, "uuid", DATASET.fingerprint, "of another index")
    content = file_of(DayCopy("plant", DAY, table, empty.properties, empty.meta, mark), {}, {})
    source = pq.ParquetFile(io.BytesIO(content))
    said = {key.decode(): value.decode() for key, value in source.metadata.metadata.items()}
    footer(said)
    out = io.BytesIO()
    with pq.ParquetWriter(out, source.schema_arrow.remove_metadata(), store_schema=False) as writer:
        writer.write_table(source.read())
        writer.add_key_value_metadata(said)
    return out.getvalue()


def within(name: str, change: Forgery) -> Callable[[dict[str, str]], None]:
    """Change a value of the footer that is JSON."""

    def forge(said: dict[str, str]) -> None:
        value = json.loads(said[name])
        change(value)
        said[name] = json.dumps(value)

    return forge


def month(change: Forgery) -> Callable[[dict[str, str]], None]:
    return within("strata.month", change)


def nested(levels: int) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "keyword"}
    for _ in range(levels):
        body = {"properties": {"x": body}}
    return body


FORGED: dict[str, Callable[[dict[str, str]], Any]] = {
    "deep JSON": lambda said: said.update({"strata.month": "[" * 100_000 + "]" * 100_000}),
    "long JSON": lambda said: said.update({"strata.month": json.dumps({"x": "y" * 5_000_000})}),
    "no JSON": lambda said: said.update({"strata.mark": "{"}),
    "infinite": lambda said: said.update({"strata.mark": '{"documents": Infinity}'}),
    "endless rows": lambda said: said.update({"strata.rows": "9" * 5000}),
    "more rows than memory holds": lambda said: said.update({"strata.rows": "500000000"}),
    "other rows": lambda said: said.update({"strata.rows": "3"}),
    "endless documents": lambda said: said.update({"strata.documents": "9" * 5000}),
    "other digits": lambda said: said.update({"strata.rows": "\u0662"}),
    "no day": lambda said: said.update({"strata.day": "\x1b[31mx"}),
    "no month": lambda said: said.pop("strata.month"),
    "a month that is a list": lambda said: said.update({"strata.month": "[]"}),
    "documents as text": within("strata.mark", lambda mark: mark.update(documents="14\x1b[31m")),
    "documents as a truth": within("strata.mark", lambda mark: mark.update(documents=True)),
    "other documents": within("strata.mark", lambda mark: mark.update(documents=9999)),
    "a mark with more": within("strata.mark", lambda mark: mark.update(evil=1)),
    "a mark with less": within("strata.mark", lambda mark: mark.pop("uuid")),
    "a mark that is a list": lambda said: said.update({"strata.mark": "[1]"}),
    "a mark that is a number": lambda said: said.update({"strata.mark": "0"}),
    "another dataset": month(lambda found: found["meta"].update(dataset="other")),
    "metrics as a list": month(lambda found: found["meta"].update(metrics=[1])),
    "a metric as text": month(lambda found: found["meta"]["metrics"].update(load="x")),
    "errors as text": month(lambda found: found["meta"]["metrics"]["load"].update(relative_errors=["x"])),
    "mixed fingerprints": month(lambda found: found["meta"].update(fingerprints=[1, "a"])),
    "groups as text": month(lambda found: found["meta"].update(group_by="device")),
    "no groups": month(lambda found: found["meta"].update(group_by=[])),
    "a group that acts": month(lambda found: found["meta"].update(group_by=["\x1b[31m"])),
    "a bucket of numbers": month(lambda found: found["meta"].update(bucket=5)),
    "properties as a list": month(lambda found: found.update(properties=[])),
    "a field as text": month(lambda found: found["properties"].update(evil="keyword")),
    "a field that acts": month(lambda found: found["properties"].update({"\x1b]0;x\x07": {"type": "keyword"}})),
    "a field in the deep": month(lambda found: found["properties"].update(evil=nested(60))),
    "many fields": month(lambda found: found["properties"].update({f"f{n}": {"type": "ip"} for n in range(20_000)})),
    "a copying field": month(lambda found: found["properties"]["device"].update(copy_to="evil")),
    "a field of fields": month(lambda found: found["properties"]["device"].update(fields={"x": {"type": "text"}})),
    "a nested object": month(lambda found: found["properties"]["metrics"].update(type="nested")),
    "a time of another type": month(lambda found: found["properties"]["@timestamp"].update(type="keyword")),
    "a metric of another type": month(
        lambda found: found["properties"]["metrics"]["properties"]["load"]["properties"]["sum"].update(type=["text"])
    ),
    "a factor as text": month(
        lambda found: found["properties"]["metrics"]["properties"]["price"]["properties"]["min"].update(
            scaling_factor="x"
        )
    ),
    "a group that has no column": month(lambda found: found["meta"].update(group_by=["transform._id"])),
    "more in the month": month(lambda found: found.update(settings={"index.blocks.write": True})),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_footer_is_refused_in_a_sentence(forgery: str) -> None:
    assert read_file(file_with(lambda _: None), "a file").documents == 14
    with pytest.raises(Refused, match=r"^a file ") as refused:
        read_file(file_with(FORGED[forgery]), "a file")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize("version", ["\u00b2", "\u0662", "", "-1", "1.0"])
def test_a_version_that_no_release_writes_is_not_ours(version: str) -> None:
    with pytest.raises(Refused, match="it was not written by Strata"):
        read_file(file_with(lambda said: said.update({"strata.format": version})), "a file")


@pytest.mark.parametrize("version", ["2", "9" * 5000])
def test_a_later_version_is_refused(version: str) -> None:
    with pytest.raises(Refused, match="was written by a later release"):
        read_file(file_with(lambda said: said.update({"strata.format": version})), "a file")


@pytest.mark.parametrize(
    "rows",
    [
        [row_of("a"), row_of("a")],
        [row_of("a", version=-1)],
        [row_of("a", version=None)],
        [row_of("a", documents=0, **{DOC_COUNT: 0})],
        [row_of("a", documents=-3, **{DOC_COUNT: -3}), row_of("b")],
    ],
)
def test_rows_that_no_index_takes_are_refused_before_one_is_written(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(Refused, match="is damaged"):
        read_file(file_with(lambda _: None, *rows), "a file")


def test_what_is_of_one_index_and_what_is_unknown_is_not_taken_over() -> None:
    more = {"verified": {"x": 1}, "same_rows": {"y": [1]}, "strata_stand_in": {"stands": True}, "later": 1}

    def forge(found: dict[str, Any]) -> None:
        found["meta"].update(more)
        found["properties"].update(
            evil={"type": "alias", "path": "device"}, other={"properties": {"x": {"type": "ip"}}}
        )

    copy = read_file(file_with(month(forge)), "a file")
    assert copy.meta == MAPPING["_meta"]["strata"]
    assert copy.properties == MAPPING["properties"]
    assert copy.mark == Mark(14, "uuid", DATASET.fingerprint)


def test_notes_of_a_month_that_are_not_notes_are_left_out() -> None:
    """Whoever wrote them, they must not stop a reader, nor a rewrite that would cure the month."""
    mark = {"documents": 1, "uuid": "u", "fingerprint": "f"}
    junk = {"x": mark, "2024-02-30": mark, "2024-05-07": 1, "2024-05-08": {"documents": "1"}, "2024-05-09": {}}
    assert marks_in({"verified": {f"{DAY}": mark, **junk}}) == {DAY: Mark(1, "u", "f")}
    assert marks_in({"verified": [1]}) == {}
    same = {"y": [1], "2024-05-07": "abc", "2024-05-08": [1], "2024-05-09": []}
    assert same_rows_in({"same_rows": {f"{DAY}": ["a", "b"], **same}}) == {DAY: ["a", "b"]}
    assert same_rows_in({"same_rows": 3}) == {}
