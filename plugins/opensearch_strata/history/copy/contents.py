"""What an index of rows holds, by the transform that its rows name; whether two indices hold the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import day_of_transform
from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.copy.layout import RowLayout
from opensearch_strata.history.copy.reading import read_rows
from opensearch_strata.history.copy.row_tables import difference
from opensearch_strata.history.month.level_notes import noted_anew
from opensearch_strata.history.month.marks import marks_in, rows_version, same_rows_in

if TYPE_CHECKING:
    import pyarrow as pa
    from opensearchpy import OpenSearch

_MOST = 1000  # different transforms in a month, which has 31 days

Part = tuple[str, Mapping[str, Any]]
"""Rows that belong together: in words, and the query that finds them."""


def layout_of(client: OpenSearch, index: str) -> RowLayout:
    """The layout of the rows of an index.

    :param index: exact name
    :raises Refused: see :meth:`RowLayout.of_month`
    """
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    return RowLayout.of_month(index, mapping.get("properties", {}), mapping.get("_meta", {}).get("strata", {}))


def versions_in(client: OpenSearch, index: str) -> dict[str, str]:
    """Transform id -> version of the rows that name it, see :func:`opensearch_strata.history.month.marks.rows_version`.

    :param index: exact name
    :raises Refused: rows of more transforms than a month has days
    """
    decisive.refresh(client, index)
    aggs = {
        "rows": {"value_count": {"field": "transform._id"}},
        "sum": {"sum": {"field": "_seq_no"}},
        "newest": {"max": {"field": "_seq_no"}},
    }
    body = {"size": 0, "aggs": {"parts": {"terms": {"field": "transform._id", "size": _MOST}, "aggs": aggs}}}
    found = PATIENTLY(decisive.search, client, index, body)["aggregations"]["parts"]
    if found["sum_other_doc_count"]:
        raise Refused(f"{index} holds rows of more than {_MOST:,} transforms, so it is no month of one dataset.")
    uuid = decisive.uuid_of(client, index)
    return {
        bucket["key"]: rows_version(
            uuid, int(bucket["rows"]["value"]), int(bucket["sum"]["value"]), int(bucket["newest"]["value"])
        )
        for bucket in found["buckets"]
    }


def parts_of(client: OpenSearch, *indices: str) -> Iterator[Part]:
    """The rows of some indices in parts of a day each, and those that name no transform.

    :param indices: exact names
    """
    for transform in sorted({name for index in indices for name in versions_in(client, index)}):
        yield transform, {"term": {"transform._id": transform}}
    yield "no transform", {"bool": {"must_not": {"exists": {"field": "transform._id"}}}}


def all_the_same(client: OpenSearch, one: str, other: str, keep: Callable[[], None]) -> None:
    """Read all rows of two indices and compare them, bit for bit.

    :param one: exact name
    :param other: exact name
    :param keep: called before each day
    :raises Refused: they differ, with the first row that does
    """
    layouts = {index: layout_of(client, index) for index in (one, other)}
    for name, query in parts_of(client, one, other):
        keep()
        tables = [read_rows(client, index, layouts[index], query) for index in (one, other)]
        require_same(layouts[one], tables[0], tables[1], one, other, name)


def require_same(
    layout: RowLayout, rows: pa.Table, copied: pa.Table, index: str, copy: str, part: str, *, versions: bool = True
) -> None:
    """Make sure that rows and their copy are the same, bit for bit.

    :param layout: of the rows
    :param rows: as they were read from where they come from
    :param copied: as they were read from the copy
    :param index: where they come from, in words
    :param copy: name of the copy
    :param part: which rows, in words
    :param versions: compare the versions of the documents too
    :raises Refused: they are not, with the first difference
    """
    if found := difference(layout, rows, copied, versions=versions):
        raise Refused(f"The rows of {part} in {copy} are not those of {index}: {found}. {index} was kept as it is.")


def noted_versions(
    client: OpenSearch, dataset: Dataset, before: str, index: str, strata: Mapping[str, Any]
) -> dict[str, Any]:
    """``_meta.strata`` for an index that holds the very rows of another one: its marks speak of the new index.

    A mark that did not hold before does not hold now. Noted as well is which versions are of the same rows, so that
    whoever reads meanwhile need not begin again.

    :param before: exact name of the index that ``strata`` is of
    :param index: exact name of the new index
    :param strata: of the index before
    """
    old, new = versions_in(client, before), versions_in(client, index)
    there = {day: name for name in old if (day := day_of_transform(dataset.name, name))}
    marks, same = marks_in(strata), same_rows_in(strata)
    verified = {f"{day}": asdict(mark) for day, mark in marks.items()}
    for day, mark in marks.items():
        if day in there and mark.rows_version == old[there[day]]:
            verified[f"{day}"] = asdict(replace(mark, rows_version=new[there[day]]))
    chains = {}
    for day, name in there.items():
        before_it = same[day] if day in same and same[day][-1] == old[name] else [old[name]]
        chains[f"{day}"] = [*before_it, new[name]]
    return noted_anew(strata, {**strata, "verified": verified, "same_rows": chains})
