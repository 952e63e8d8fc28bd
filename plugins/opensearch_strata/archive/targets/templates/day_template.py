"""An index template for producers: raw days with the mapping that condensing needs, small and quick to condense. Pure.

It maps only what the definition names: whatever else producers send is their own. In particular it does not map what
documents from archives have in addition (``intake.metadata``); a load adds that to its days itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.targets.raw_mapping import mapped
from opensearch_strata.archive.targets.templates.template_parts import digest_of
from opensearch_strata.definition.field_types import WHOLE_TYPES
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.sections.history import Codec

OURS = "strata"
"""Value of ``managed_by`` in the ``_meta`` of a template that Strata wrote."""
_SORTABLE = WHOLE_TYPES | {"long", "keyword", "boolean", "date"}
"""https://docs.opensearch.org/latest/im-plugin/index-settings/ (``index.sort.field``): no ip, no text."""
_LONGEST = 32_766 // 3
"""``ignore_above`` of keywords. The server refuses the whole document if a keyword has more than 32,766 bytes, and one
UTF-16 unit, in which it counts here, has up to three. It keeps a longer value in the source of its document only, which
the proof of the day notices (:mod:`~opensearch_strata.history.carriable.unseen`); a refused document would be lost.
https://docs.opensearch.org/latest/mappings/mapping-parameters/ignore-above/
"""
_NEEDS = {
    "alias": "path",
    "constant_keyword": "value",
    "scaled_float": "scaling_factor",
    "token_count": "analyzer",
}
"""Types that no mapping may state without a parameter, which ``raw.fields`` does not have."""
_YEARS = range(2000, 2100)


@dataclass(frozen=True)
class DayForm:
    """What a raw day is created with.

    :param shards: number of primary shards
    :param replicas: of each primary shard
    :param refresh: time after which documents are searchable, as the server writes it: ``30s``
    :param codec: of stored fields, so mainly of ``_source``
    :param sort: whether segments are sorted by group and time
    :param priority: of the template; of two that match a name, the higher one counts
    """

    shards: int = 1
    replicas: int = 1
    refresh: str = "30s"
    codec: Codec = "best_compression"
    sort: bool = True
    priority: int = 200


def template_name(dataset: Dataset) -> str:
    """Name of the template of a dataset."""
    return f"strata-{dataset.name}-raw"


def day_template(dataset: Dataset, form: DayForm) -> dict[str, Any]:
    """The body of an index template for the raw days of a dataset, which producers create by writing to them. Pure.

    Sorted segments hold the documents of a group one after another: their columns and texts are alike, so they take
    less room, and condensing reads each group in one go.

    :param form: what it sets
    :raises Refused: every pattern for the raw days also matches indices of the history, or ``raw.fields`` has a type
        that needs a parameter
    """
    if needy := next((path for path, kind in dataset.raw.fields.items() if kind in _NEEDS), None):
        kind = dataset.raw.fields[needy]
        raise Refused(
            f"raw.fields states {kind} for {needy!r}, which OpenSearch does not take without {_NEEDS[kind]}, so no "
            f"template can state it. Leave the field out of raw.fields, or state another type."
        )
    properties = _properties(dataset)
    sort = _sort_fields(dataset, properties) if form.sort else []
    settings: dict[str, Any] = {
        "index.number_of_shards": form.shards,
        "index.number_of_replicas": form.replicas,
        "index.refresh_interval": form.refresh,
        "index.codec": form.codec,
    }
    if sort:
        settings |= {"index.sort.field": sort, "index.sort.order": ["asc"] * len(sort)}
    body = {
        "index_patterns": [_pattern(dataset)],
        "priority": form.priority,
        "template": {"settings": settings, "mappings": {"properties": properties}},
    }
    return {**body, "_meta": {"managed_by": OURS, "dataset": dataset.name, "digest": digest_of(body)}}


def day_names(dataset: Dataset, day: date) -> list[str]:
    """The names of all raw days of a century: the next ones first, the oldest last.

    :param day: the first of them
    """
    first, last = date(_YEARS.start, 1, 1).toordinal(), date(_YEARS.stop, 1, 1).toordinal()
    ordered = [*range(day.toordinal(), last), *range(day.toordinal() - 1, first - 1, -1)]
    names = dataset.raw.names
    return [names.name(date.fromordinal(number)) for number in ordered]


def differing_fields(dataset: Dataset, there: Mapping[str, str]) -> Iterator[str]:
    """Sentences about fields that existing raw days map in another way than the template will.

    :param there: field path -> type, of the newest raw day
    """
    for path, body in _properties(dataset).items():
        if there.get(path, body["type"]) != body["type"]:
            yield (
                f"The newest raw day maps {path!r} as {there[path]}, the template as {body['type']}: new days will "
                f"refuse or read values in another way. State the type that is right under raw.fields."
            )


def undecided_fields(dataset: Dataset) -> Iterator[str]:
    """Sentences about metrics whose values are counted and whose type the template does not state."""
    types = _types(dataset)
    for name in sorted(dataset.counted):
        field = dataset.metrics[name].field
        if field not in types and not field.endswith(".keyword"):  # which the server makes of any text
            yield (
                f"The template leaves {field!r} to the first document of each day (metric {name}): it may hold names, "
                f"addresses or whole numbers, and as text it cannot be counted. State keyword, ip or long under "
                f"raw.fields."
            )


def _types(dataset: Dataset) -> dict[str, str]:
    """Field path -> type: what ``raw.fields`` states, or else the only type, or the widest, that fits every use."""
    measured = {metric.field for name, metric in dataset.metrics.items() if name not in dataset.counted}
    named = {*dataset.history.group_by, *(dataset.metrics[name].field for name in dataset.counted)}
    return {
        **dict.fromkeys(measured, "double"),
        **dict.fromkeys(dataset.history.group_by, "keyword"),
        **dict.fromkeys(measured & named, "long"),  # what is a number and a name is a whole number
        dataset.raw.timestamp: "date",
        **dataset.raw.fields,
    }


def _properties(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Field path -> mapping, for every field that the template maps."""
    properties = mapped(_types(dataset))
    for body in properties.values():
        for form in (body, *body.get("fields", {}).values()):
            if form["type"] == "keyword":
                form["ignore_above"] = _LONGEST
    return properties


def _sort_fields(dataset: Dataset, properties: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The groups and the time, as far as segments can be sorted by them."""
    kinds = {path: body["type"] for path, body in properties.items()}
    for path, body in properties.items():
        kinds |= {f"{path}.{name}": below["type"] for name, below in body.get("fields", {}).items()}
    wanted = [*dataset.history.group_by, dataset.raw.timestamp]
    return [path for path in wanted if kinds.get(path) in _SORTABLE]


def _pattern(dataset: Dataset) -> str:
    """A pattern for the raw days that matches no index of the history; patterns know no wildcard but ``*``."""
    raw = dataset.raw.names
    before, _, after = raw.template.partition("{day}")
    dated = re.sub(r"(%.)+", "*", raw.date_format)
    if raw.date_format.startswith("%Y"):
        dated = "2" + dated
    pattern = f"{before}{dated}{after}"
    months = (date(year, month, 1) for year in _YEARS for month in range(1, 13))
    levels = dataset.history.levels_names
    for first in months:
        others = [dataset.month_index(first), *([levels.name(first)] if levels else [])]
        if shared := next((name for name in others if fnmatchcase(name, pattern)), None):
            raise Refused(
                f"An index template for the raw days of {dataset.name} would need the pattern {pattern}, which also "
                f"matches {shared} of its history. Give raw.index and history.index names that begin differently."
            )
    return pattern
