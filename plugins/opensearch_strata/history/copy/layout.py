"""What a row of a month holds, by the month's own mapping, and the columns that its values have in a table. Pure.

The mapping decides and not the definition: a month that an older definition made is copied as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from opensearch_strata.errors import Refused
from opensearch_strata.history.month.row_ids import RAW_UUID

Kind = Literal["whole", "number", "bytes", "words", "text", "truth"]
"""Of the values of a column; ``words`` are top values in their wire form."""

IDENTITY, TRANSFORM, DOC_COUNT = "_id", "_transform_id", "_doc_count"
"""Columns of a table that no file has: a file's day and groups say the same."""
DAY, TIME, DOCUMENTS, SOURCE, VERSION = "day", "time", "documents", "raw_uuid", "version"
"""Columns beside groups and metrics."""
DISTINCT = "distinct"
"""What the column of a metric's distinct count has in place of the name of a leaf: no row holds it as a number."""
PARTITION = "month"
"""The column that programs make of the folders of files (``month=2013-01``), in place of one of that name."""

_LEAVES: Mapping[str, tuple[Kind, frozenset[str]]] = {
    "count": ("whole", frozenset({"long"})),
    "min": ("number", frozenset({"double", "float", "scaled_float"})),
    "max": ("number", frozenset({"double", "float", "scaled_float"})),
    "sum": ("number", frozenset({"double", "scaled_float"})),
    "avg": ("number", frozenset({"double"})),
    "sketch": ("bytes", frozenset({"binary"})),
    "top": ("words", frozenset({"binary"})),
    "registers": ("bytes", frozenset({"binary"})),
}
_GROUPS: Mapping[str, Kind] = {
    "keyword": "text",
    "ip": "text",
    "boolean": "truth",
    **dict.fromkeys(("byte", "short", "integer", "long"), "whole"),
}

_PERCENTILE = re.compile(r"_p\d+(_\d+)?$")


class Leaf(NamedTuple):
    """One value of a metric in a row.

    :param name: ``count``, ``min``, ``max``, ``sum``, ``avg``, ``sketch``, ``top`` or ``registers``
    :param factor: that its numbers are multiplied with where the index keeps them as whole ones; 0: it does not
    """

    metric: str
    name: str
    kind: Kind
    factor: float

    @property
    def path(self) -> str:
        """Its field in the month."""
        return f"metrics.{self.metric}.{self.name}"

    @property
    def column(self) -> str:
        """Its column. Underscores, because not every tool takes a dot in a name."""
        return f"{self.metric}_{self.name}"


@dataclass(frozen=True)
class RowLayout:
    """What a row holds.

    :param dataset: name of the dataset
    :param groups: field -> mapping type, in the order in which they make a row's id
    :param leaves: values of the metrics
    """

    dataset: str
    groups: Mapping[str, str]
    leaves: tuple[Leaf, ...]

    @classmethod
    def of_month(cls, index: str, properties: Mapping[str, Any], meta: Mapping[str, Any]) -> RowLayout:
        """The layout of the rows of a month.

        :param index: names the month in the sentence of an error
        :param properties: of its mapping
        :param meta: ``_meta.strata`` of its mapping
        :raises Refused: it is not a month of Strata, or was made by a later release
        """
        if not meta.get("dataset") or not meta.get("group_by"):
            raise Refused(f"{index} was not created by Strata (no _meta.strata), so its rows cannot be copied.")
        fields = dict(leaf_fields(properties))
        groups = {name: str(fields.get(name, {}).get("type")) for name in meta["group_by"]}
        if strange := [f"{name} ({kind})" for name, kind in groups.items() if kind not in _GROUPS]:
            raise Refused(f"{index} has a group of a type that this release does not know: {strange[0]}. Update it.")
        leaves = []
        for path, body in fields.items():
            if path.startswith("metrics.") and path != RAW_UUID and path not in groups:
                leaves.append(_leaf(index, path, body))
        return cls(str(meta["dataset"]), groups, tuple(leaves))

    @property
    def fields(self) -> list[str]:
        """Fields of a row in the order of :attr:`stored`, without those that every document has."""
        own = ["@timestamp", "transform._id", "transform._doc_count", RAW_UUID]
        return [*own, *self.groups, *(leaf.path for leaf in self.leaves)]

    @cached_property
    def group_columns(self) -> dict[str, str]:
        """Group field -> its column: the same name, unless another column has it, in upper or lower case."""
        taken = {IDENTITY, TRANSFORM, DOC_COUNT, DAY, TIME, DOCUMENTS, SOURCE, VERSION, PARTITION}
        metrics = {leaf.metric.lower() for leaf in self.leaves}
        taken |= {f"{metric}_{name}" for metric in metrics for name in (*_LEAVES, DISTINCT)}
        columns = {}
        for field in self.groups:
            name = field
            while (folded := name.lower()) in taken or (
                _PERCENTILE.search(folded) and _PERCENTILE.sub("", folded) in metrics
            ):
                name += "_"
            taken.add(folded)
            columns[field] = name
        return columns

    @property
    def stored(self) -> dict[str, Kind]:
        """Column -> kind, of all that a row holds: those of :attr:`fields`, in their order."""
        own: dict[str, Kind] = {TIME: "whole", TRANSFORM: "text", DOCUMENTS: "whole", SOURCE: "text"}
        groups = {self.group_columns[field]: _GROUPS[kind] for field, kind in self.groups.items()}
        return {**own, **groups, **{leaf.column: leaf.kind for leaf in self.leaves}}


def _leaf(index: str, path: str, body: Mapping[str, Any]) -> Leaf:
    _, metric, name = [*path.split("."), "", ""][:3]
    kind, types = _LEAVES.get(name, ("number", frozenset[str]()))
    if body.get("type") not in types or path.count(".") != 2:
        raise Refused(
            f"{index} has a field {path!r} of type {body.get('type')!r}, which this release does not know. Nothing was "
            f"copied, as it would not be all of a row; update Strata."
        )
    return Leaf(metric, name, kind, float(body.get("scaling_factor", 0)))


def leaf_fields(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """``(full path, body)`` of all fields of a mapping that hold values.

    :param properties: of a mapping, as the server shows it
    :param path: before the names, with a dot at its end; empty at the top
    """
    for name, body in properties.items():
        if "properties" in body:
            yield from leaf_fields(body["properties"], f"{path}{name}.")
        else:
            yield f"{path}{name}", body
