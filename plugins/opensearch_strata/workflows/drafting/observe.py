"""What an index shows of itself that is needed to draft a dataset file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.field_types import NUMERIC_TYPES
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.raw_day.fields import hiding, unreadable
from opensearch_strata.history.raw_day.inspection import field_types
from opensearch_strata.workflows.drafting.seen import NAMING_TYPES, Observed, SeenField, decimals_of, values_at

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

SAMPLE = 1000
"""Number of documents in whose source decimals are looked for."""

_AT_ONCE = 50  # fields in one search
_MOST_VALUES = 3000  # up to this number, different values are counted exactly, or nearly so
_LONGEST_NAME = 200  # characters; YAML allows keys of up to 1024


def observe(client: OpenSearch, index: str) -> Observed:
    """Read the mapping, the numbers of values and a sample of documents; nothing is changed.

    :param index: name of one index
    :raises DefinitionError: there is no such index, or the name stands for several
    :raises Refused: it is an alias or a data stream, it is closed, or it has no documents
    """
    mappings = _mappings(client, index)
    documents = decisive.count(client, index)
    if not documents:
        raise Refused(
            f"{index} has no documents, so nothing shows how its fields are used. Nothing was written; name a day that "
            f"has some."
        )
    types: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for path, kind in sorted(field_types(mappings.get("properties", {}))):
        if kind not in {"date", *NAMING_TYPES, *NUMERIC_TYPES}:
            continue
        if len(path) > _LONGEST_NAME:
            left_out[path] = f"its name is longer than {_LONGEST_NAME} characters"
        elif "*" in path:
            left_out[path] = "its name contains a *, which searches treat as a pattern"
        elif reason := unreadable(mappings, path):
            left_out[path] = reason
        else:
            types[path] = kind
    numbers = [path for path, kind in types.items() if kind in NUMERIC_TYPES]
    decimals = _decimals(client, index, {path: hiding(mappings, [path])[path].paths[0] for path in numbers})
    fields = list(_counted(client, index, types, decimals))
    return Observed(index, documents, fields, left_out)


def _mappings(client: OpenSearch, index: str) -> Mapping[str, Any]:
    from opensearchpy import NotFoundError

    if index in ("", "_all") or any(sign in index for sign in "*,?<>/\\ ") or index.startswith("-"):
        raise DefinitionError(f"{index!r} is not the name of a single index; name one, such as app-2026.11.29.")
    try:
        found: Mapping[str, Any] = client.indices.get(index=index)
    except NotFoundError:
        raise DefinitionError(
            f"There is no index {index!r} in this cluster. Nothing was written; name an existing one, such as the "
            f"newest day."
        ) from None
    if index not in found:
        behind = sorted(found)
        if all("data_stream" in body for body in found.values()):
            raise Refused(
                f"{index} is a data stream, whose index names state no day. Nothing was written. Strata needs one "
                f"index per day: have producers write to one such as app-2026.11.29."
            )
        shown = ", ".join(behind[-3:])
        raise Refused(
            f"{index} is an alias of {shown}{' and others' if len(behind) > 3 else ''}. Nothing was written; name the "
            f"index of one day instead."
        )
    if found[index]["settings"]["index"].get("verified_before_close") == "true":
        raise Refused(f"{index} is closed, so its documents cannot be read. Nothing was written; name an open index.")
    mappings: Mapping[str, Any] = found[index]["mappings"]
    return mappings


def _counted(
    client: OpenSearch, index: str, types: Mapping[str, str], decimals: Mapping[str, tuple[int, int]]
) -> Iterator[SeenField]:
    paths = list(types)
    for begin in range(0, len(paths), _AT_ONCE):
        part = paths[begin : begin + _AT_ONCE]
        aggs: dict[str, Any] = {}
        for number, path in enumerate(part):
            of = {"field": path}
            aggs[f"values {number}"] = {"value_count": of}
            aggs[f"documents {number}"] = {"filter": {"exists": of}}
            if types[path] in NAMING_TYPES:
                aggs[f"distinct {number}"] = {"cardinality": {**of, "precision_threshold": _MOST_VALUES}}
            else:
                aggs |= {f"{end} {number}": {end: of} for end in ("min", "max")}
        found = decisive.search(client, index, {"size": 0, "aggs": aggs})["aggregations"]
        for number, path in enumerate(part):
            most, looked_at = decimals.get(path, (None, 0))
            yield SeenField(
                path=path,
                kind=types[path],
                documents=found[f"documents {number}"]["doc_count"],
                values=found[f"values {number}"]["value"],
                distinct=found.get(f"distinct {number}", {}).get("value", 0),
                first=found.get(f"min {number}", {}).get("value"),
                last=found.get(f"max {number}", {}).get("value"),
                decimals=most,
                looked_at=looked_at,
            )


def _decimals(client: OpenSearch, index: str, paths: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Find the most decimals of each number in the sample, and how many values the sample has.

    :param paths: field -> its path in the source
    """
    if not paths:
        return {}
    # Random by sequence number: the same documents each time, from all over the index.
    query = {"function_score": {"random_score": {"seed": 1, "field": "_seq_no"}}}
    wanted = sorted({".".join(path) for path in paths.values()})
    hits = decisive.search(client, index, {"size": SAMPLE, "query": query, "_source": wanted})["hits"]["hits"]
    seen: dict[str, tuple[int, int]] = {}
    for field, path in paths.items():
        found = [decimals_of(value) for hit in hits for value in values_at(hit.get("_source", {}), path)]
        counted = [number for number in found if number is not None]
        if counted:
            seen[field] = (max(counted), len(counted))
    return seen
