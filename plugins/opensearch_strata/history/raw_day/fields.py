"""Where a mapping keeps the values of a field, and whether searches see them there. Pure.

See https://docs.opensearch.org/latest/mappings/ for the parameters nested, enabled, dynamic, doc_values, ignore_above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opensearch_strata.definition.field_types import NUMERIC_TYPES

Body = Mapping[str, Any]


@dataclass(frozen=True)
class _Trace:
    """The way through a mapping to a field.

    :param steps: path and body of every field on the way that exists in the mapping; the field itself is last
    :param complete: whether the last step is the field itself
    """

    steps: list[tuple[str, Body]]
    complete: bool


def _trace(mappings: Body, field: str) -> _Trace:
    level, parts, steps = mappings, field.split("."), list[tuple[str, Body]]()
    while parts:
        below = {**level.get("properties", {}), **level.get("fields", {})}
        # A name may itself contain dots.
        lengths = range(len(parts), 0, -1)
        length = next((length for length in lengths if ".".join(parts[:length]) in below), 0)
        if not length:
            return _Trace(steps, complete=False)
        level = below[".".join(parts[:length])]
        parts = parts[length:]
        steps.append((field.removesuffix("." + ".".join(parts)) if parts else field, level))
    return _Trace(steps, complete=True)


def unreadable(mappings: Body, field: str) -> str | None:
    """Why no search, aggregation or script sees the values of a field, and what to do about it; None if they do.

    :param mappings: mappings of an index, as the server returns them
    :param field: its full path in the mapping
    """
    if mappings.get("enabled") is False:
        return "the mapping of the index is switched off (enabled: false); correct the index template"
    if field in mappings.get("derived", {}):
        return (
            f"field {field!r} is derived: it is computed from the source for queries only; let the producers send it "
            f"as a regular field"
        )
    trace = _trace(mappings, field)
    for path, body in trace.steps[:-1] if trace.complete else trace.steps:
        if body.get("type") == "nested" and not body.get("include_in_root"):
            return (
                f"field {field!r} lies in {path!r}, which is nested: its contents belong to separate documents; let "
                f"the producers send it outside {path!r}, or map {path!r} with include_in_root: true"
            )
        if body.get("enabled") is False:
            return (
                f"field {field!r} lies in {path!r}, which is not indexed (enabled: false); correct the index template"
            )
        if body.get("type") == "flat_object":
            return (
                f"field {field!r} lies in {path!r}, a flat_object, whose parts have no type; map {path!r} as an object"
            )
    if not trace.complete:
        return None
    body = trace.steps[-1][1]
    if body.get("type") == "alias":
        return f"field {field!r} is another name of {body.get('path')!r}; name that field instead"
    if body.get("doc_values") is False:
        return (
            f"field {field!r} has no doc values (doc_values: false), and nothing else is read; correct the index "
            f"template"
        )
    return None


@dataclass(frozen=True)
class Hiding:
    """How documents may hold values of a field that exist only in their source.

    :param paths: where in the source its values come from: its own path, and those of fields that are copied to it
    :param values: how searches keep them: all ``numbers``, the different ``words`` of a document, or in a form that the
        source does not show (``other``)
    :param limit: the longest word that the mapping accepts (``ignore_above``), in UTF-16 units; None for any length
    :param origins: fields that searches see and whose values are copied to it, if the source may lack its values: a
        document that has one of them, but not the field, hides something
    :param copied: whether other fields are copied to it. ``copy_to`` may have been switched on and off
    :param anywhere: whether documents of any age may hide a value, because ``copy_to`` or ``ignore_above`` may have
        been different. The rest of a mapping only grows, so documents after the first one with the field hide nothing
    """

    paths: Sequence[Sequence[str]]
    values: Literal["numbers", "words", "other"]
    limit: int | None
    origins: Sequence[str]
    copied: bool
    anywhere: bool


def hiding(mappings: Body, fields: Sequence[str], *, resized: bool = False) -> dict[str, Hiding]:
    """How each field may hide values, see :class:`Hiding`.

    :param mappings: mappings of an index, as the server returns them
    :param fields: the fields that matter; each may have been mapped after some documents were indexed
    :param resized: the index was shrunk, split or cloned from another one, so its sequence numbers do not show ages
    """
    copies = list(_copied(mappings))
    kept = mappings.get("_source", {})
    whole = kept.get("enabled", True) and not (kept.get("includes") or kept.get("excludes"))
    found = {}
    for field in fields:
        trace = _trace(mappings, field)
        body = trace.steps[-1][1] if trace.complete else {}
        own = _source_path(trace, field)
        origins = [origin.split(".") for origin, to in copies if to == ".".join(own)]
        kind, limit = body.get("type"), body.get("ignore_above")
        values: Literal["numbers", "words", "other"] = "numbers" if kind in NUMERIC_TYPES else "other"
        if kind == "keyword" and "normalizer" not in body:
            values = "words"
        found[field] = Hiding(
            paths=[own, *origins],
            values=values,
            limit=None if limit is None else int(limit),
            origins=[] if whole else [".".join(path) for path in (own, *origins) if ".".join(path) != field],
            copied=bool(origins),
            anywhere=bool(origins) or kind == "keyword" or resized,
        )
    return found


def _copied(mappings: Body, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field that is copied to another one, and its target."""
    for name, body in mappings.get("properties", {}).items():
        targets = body.get("copy_to", [])
        yield from ((f"{path}{name}", to) for to in ([targets] if isinstance(targets, str) else targets))
        yield from _copied(body, f"{path}{name}.")


def _is_further_form(trace: _Trace) -> bool:
    return len(trace.steps) > 1 and trace.complete and "fields" in trace.steps[-2][1]


def _source_path(trace: _Trace, field: str) -> list[str]:
    """Path of a field's values in the source; a multi-field has the values of its parent field."""
    if _is_further_form(trace):
        return trace.steps[-2][0].split(".")
    return field.split(".")


def nested_paths(mappings: Body, path: str = "") -> Iterator[str]:
    """Every nested field of a mapping; Lucene counts their objects as separate documents."""
    for name, body in mappings.get("properties", {}).items():
        if body.get("type") == "nested":
            yield f"{path}{name}"
        yield from nested_paths(body, f"{path}{name}.")
