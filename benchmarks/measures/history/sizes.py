"""How many bytes the rows of a day take, and what these bytes are used for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from benchmarks.material.peers import INDEX_ROLLUP
from benchmarks.material.workload import BenchmarkError, Workload, write
from benchmarks.measures.history.condensing import pages, raw_day
from benchmarks.measures.history.row_parts import REST, Row, parts_of, without
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.levels.build import levels_of_day
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.month.mapping import month_body
from opensearch_strata.history.month.marks import remember
from opensearch_strata.history.month.row_ids import row_of_bucket
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.presentation.tables import Table

THREE = ("temperature", "signal", "latency")
"""The metrics with a distribution if only three of eleven have one, as in the system that Strata replaces."""

ELEVEN_SKETCHED = "all 11 metrics sketched"
THREE_SKETCHED = "3 of 11 metrics sketched"
NO_DECIMALS = "all 11 sketched, no decimals stated"
NONE_SKETCHED = "no metric sketched"

FILE_KINDS = {
    "fdt": "stored fields",
    "dvd": "doc values",
    "dvm": "doc values, tables of values",
    "tim": "terms",
    "doc": "postings",
    "kdd": "points",
    "nvd": "norms",
    "cfs": "compound file",
}
"""File extensions of Lucene with most of the data; the others are small and counted together."""

_ROWS_IN_BODY = 2000


@dataclass(frozen=True)
class Size:
    """Bytes of one day's rows in their own index, merged.

    :param files: bytes by kind of file
    """

    rows: int
    bytes: int
    files: Mapping[str, int]


@dataclass(frozen=True)
class Sizes:
    """The measured sizes.

    :param raw_bytes: size of one raw day, merged
    :param variants: the rows of that day, by definition
    :param fields: bytes per row of each part of a row: how much the index shrinks if rows lack the part
    :param month: the history of all days as it was condensed, in one index
    """

    raw_documents: int
    raw_bytes: int
    variants: Mapping[str, Size]
    fields: Mapping[str, float]
    month: Size

    def ratio(self, variant: str) -> float:
        """Bytes of the raw day per byte of its rows."""
        return self.raw_bytes / self.variants[variant].bytes

    def tables(self) -> list[Table]:
        """Sizes by definition, by kind of file, and by part of a row."""
        eleven, month = self.variants[ELEVEN_SKETCHED], self.month
        rollup = INDEX_ROLLUP["raw_bytes"] / INDEX_ROLLUP["bytes"]
        variants = [
            ("one raw day", self.raw_documents, self.raw_bytes, round(self.raw_bytes / self.raw_documents), None),
            *(
                (name, size.rows, size.bytes, round(size.bytes / size.rows), f"{self.ratio(name):.1f}:1")
                for name, size in self.variants.items()
            ),
            ("Index rollup, no distributions †", None, INDEX_ROLLUP["bytes"], None, f"{rollup:.1f}:1"),
            ("all days as condensed", month.rows, month.bytes, round(month.bytes / month.rows), None),
        ]
        files = [(kind, count, round(count / eleven.rows, 1)) for kind, count in eleven.files.items()]
        return [
            Table("Store size, merged", ("what", "documents", "bytes", "bytes each", "raw : rows"), variants),
            Table("Bytes of the rows of one day by kind of file", ("kind of file", "bytes", "bytes a row"), files),
            Table(
                "Bytes of the rows of one day by part of a row",
                ("part of a row", "bytes a row"),
                [(part, round(count, 1)) for part, count in self.fields.items()],
            ),
        ]


def measure_sizes(workload: Workload, say: Callable[[str], None]) -> Sizes:
    """Write the rows of the first day with several definitions, and then each time without one part."""
    dataset, day = workload.dataset, workload.days[0]
    variants = {
        ELEVEN_SKETCHED: workload.variant("eleven"),
        THREE_SKETCHED: workload.variant("three", sketched=THREE),
        NO_DECIMALS: workload.variant("undecided", decimals=False),
        NONE_SKETCHED: workload.variant("none", sketched=()),
    }
    indices = {}
    for name, variant in variants.items():
        say(f"rows of one day, {name}")
        indices[name] = variant.month_index(day)
        _write_rows(workload, variant, indices[name], _rows(workload, variant))
    rows = _rows(workload, dataset)
    for number, (part, paths) in enumerate(parts_of(dataset).items()):
        say(f"rows of one day without {part}")
        indices[part] = f"{workload.prefix}-part-{number}"
        _write_rows(workload, dataset, indices[part], [(identity, without(row, paths)) for identity, row in rows])
    say(f"waiting {workload.settle:.0f} s, then merging")
    workload.merge(indices.values(), workload.settle)
    found = {name: _size(workload, indices[name]) for name in variants}
    whole = found[ELEVEN_SKETCHED]
    fields = {part: (whole.bytes - workload.bytes_of(indices[part])) / whole.rows for part in parts_of(dataset)}
    fields[REST] = whole.bytes / whole.rows - sum(fields.values())
    raw_index = dataset.raw_index(day)
    raw_documents = workload.client.count(index=raw_index)["count"]
    month = _size(workload, dataset.month_index(day))
    return Sizes(raw_documents, workload.bytes_of(raw_index), found, fields, month)


def condense_all_days(workload: Workload, say: Callable[[str], None]) -> None:
    """Condense every day as defined, prove it and build its levels, so that readers use the history.

    :raises BenchmarkError: rows differ from their raw day, or levels are not complete
    """
    client, dataset = workload.client, workload.dataset
    for day in workload.days:
        say(f"condensing and proving {dataset.raw_index(day)}")
        ensure_month(client, dataset, day)
        raw = raw_day(workload, dataset, day)
        condense_by_search(client, dataset, raw)
        client.indices.refresh(index=dataset.month_index(day))
        proof = verify(client, dataset, day)
        if proof.failed:
            raise BenchmarkError(
                f"The rows of {dataset.raw_index(day)} are not proven: {proof.failed}. Investigate this first."
            )
        remember(client, dataset, raw, proof.carried.rows_version)
        found = levels_of_day(client, dataset, day, "build")
        if any(level.state != "built" for level in found.levels):
            raise BenchmarkError(f"The levels of {dataset.raw_index(day)} are not complete. {found.problem}")
    say(f"waiting {workload.settle:.0f} s, then merging")
    indices = {index for day in workload.days for index in (dataset.month_index(day), dataset.levels_index(day))}
    workload.merge(indices, workload.settle)


def _rows(workload: Workload, dataset: Dataset) -> list[tuple[str, Row]]:
    """``(_id, document)`` of every row of the first day, as the engine writes them."""
    day = workload.days[0]
    found = pages(workload, dataset, dataset.raw_index(day), rows_body, {"match_all": {}})
    return [row_of_bucket(dataset, dataset.transform_id(day), bucket) for page in found for bucket in page]


def _write_rows(workload: Workload, dataset: Dataset, index: str, rows: list[tuple[str, Row]]) -> None:
    """Write rows to a new index, in at least two segments: a single one would never be merged."""
    workload.client.indices.create(index=index, body=month_body(dataset, {"device": "keyword"}))
    half = len(rows) // 2
    for some in (rows[:half], rows[half:]):
        write(workload.client, index, row_bodies(some))
        workload.client.indices.refresh(index=index)


def row_bodies(rows: Iterable[tuple[str, Row]]) -> Iterator[bytes]:
    """Bulk bodies of rows, for requests that name the index."""
    lines: list[bytes] = []
    for identity, row in rows:
        lines += [orjson.dumps({"index": {"_id": identity}}), orjson.dumps(row)]
        if len(lines) >= 2 * _ROWS_IN_BODY:
            yield b"\n".join([*lines, b""])
            lines = []
    if lines:
        yield b"\n".join([*lines, b""])


def _size(workload: Workload, index: str) -> Size:
    params = {"include_segment_file_sizes": "true"}
    stats = workload.client.indices.stats(index=index, metric="segments,store,docs", params=params)
    primaries = stats["_all"]["primaries"]
    files = {kind: found["size_in_bytes"] for kind, found in primaries["segments"]["file_sizes"].items()}
    known = {words: files[ending] for ending, words in FILE_KINDS.items() if ending in files}
    total = primaries["store"]["size_in_bytes"]
    return Size(primaries["docs"]["count"], total, {**known, "all others": total - sum(known.values())})
