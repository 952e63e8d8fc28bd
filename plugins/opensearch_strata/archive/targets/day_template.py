"""An index template for producers: raw days with the mapping that condensing needs, small and quick to condense."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.targets.raw_mapping import raw_properties
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.definition.field_types import WHOLE_TYPES
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain
from opensearch_strata.errors.printable import printable

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.sections.history import Codec

_SORTABLE = WHOLE_TYPES | {"long", "keyword", "boolean", "date"}
"""https://docs.opensearch.org/latest/im-plugin/index-settings/ (``index.sort.field``): no ip, no text."""
_OURS = "strata"
"""Value of ``managed_by`` in the ``_meta`` of a template that Strata wrote."""
_LAST_YEAR = 2100


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
    :raises Refused: every pattern for the raw days also matches indices of the history
    """
    properties = raw_properties(dataset)
    sort = _sort_fields(dataset, properties) if form.sort else []
    settings: dict[str, Any] = {
        "index.number_of_shards": form.shards,
        "index.number_of_replicas": form.replicas,
        "index.refresh_interval": form.refresh,
        "index.codec": form.codec,
    }
    if sort:
        settings |= {"index.sort.field": sort, "index.sort.order": ["asc"] * len(sort)}
    return {
        "index_patterns": [_pattern(dataset)],
        "priority": form.priority,
        "template": {"settings": settings, "mappings": {"properties": properties}},
        "_meta": {"managed_by": _OURS, "dataset": dataset.name},
    }


def put_day_template(client: OpenSearch, dataset: Dataset, form: DayForm, day: date) -> None:
    """Write the template, if it will be the one that counts.

    :param day: whose raw index is asked about; the next one that will be created
    :raises Refused: another template has that name, or counts for the raw days, or the server rejects it
    """
    from opensearchpy import RequestError

    name, body, index = template_name(dataset), day_template(dataset, form), dataset.raw_index(day)
    url = "/_index_template"
    for found in client.transport.perform_request("GET", url).get("index_templates", []):
        other = part_of(found, "index_template")
        if found["name"] == name:
            if other.get("_meta", {}).get("managed_by") != _OURS:
                raise Refused(f"The cluster has a template {name} that Strata did not write. It was kept; rename it.")
        elif other.get("priority", 0) >= form.priority and any(
            fnmatchcase(index, pattern) for pattern in other["index_patterns"]
        ):
            raise Refused(
                f"The index template {printable(found['name'])} also matches {index} and has the priority "
                f"{other['priority']}. Nothing was changed. Write this one with a higher --priority, or leave these "
                f"names out of the other one's index_patterns."
            )
    try:
        client.transport.perform_request("PUT", f"{url}/{name}", body=body)
    except RequestError as error:
        raise Refused(
            f"The cluster does not take the template {name}. {explain(error)} Nothing was changed."
        ) from error


def differing_fields(dataset: Dataset, mapped: Mapping[str, str]) -> Iterator[str]:
    """Sentences about fields that existing raw days map in another way than the template will.

    :param mapped: field path -> type, of the newest raw day
    """
    for path, body in raw_properties(dataset).items():
        if mapped.get(path, body["type"]) != body["type"]:
            yield (
                f"The newest raw day maps {path!r} as {mapped[path]}, the template as {body['type']}: new days will "
                f"refuse or read values in another way. State the type that is right under raw.fields."
            )


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
    months = (date(year, month, 1) for year in range(2000, _LAST_YEAR) for month in range(1, 13))
    levels = dataset.history.levels_names
    for first in months:
        others = [dataset.month_index(first), *([levels.name(first)] if levels else [])]
        if shared := next((name for name in others if fnmatchcase(name, pattern)), None):
            raise Refused(
                f"An index template for the raw days of {dataset.name} would need the pattern {pattern}, which also "
                f"matches {shared} of its history. Give raw.index and history.index names that begin differently."
            )
    return pattern
