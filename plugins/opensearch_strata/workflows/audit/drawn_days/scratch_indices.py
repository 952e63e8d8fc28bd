"""Indices that an audit makes for itself and drops again: a restored day, and the month of its rows.

Their names match no pattern of the dataset, so no reader and no cycle sees them. A note in the restored day says which
run made it and until when it may need it, so that the next audit can drop what a killed one left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.ledger.store import now_ms
from opensearch_strata.archive.store.manifest import ArchivedIndex
from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.connections.deleting import delete_index
from opensearch_strata.connections.expanded import expand
from opensearch_strata.connections.processes import is_dead, this_process
from opensearch_strata.connections.safe_settings import made_safely
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

NOTE = "strata_audit"
"""Key of ``_meta`` of a restored day: owner, process, and until when it is needed, epoch milliseconds."""

_DAY_FORMAT = "%Y.%m.%d"
_ALONE = {"index.number_of_replicas": 0, "index.auto_expand_replicas": "false", "index.refresh_interval": "-1"}
_LASTS_MS = 12 * 3_600_000  # longer than any task may run


@dataclass(frozen=True)
class Scratch:
    """A day's scratch indices.

    :param dataset: the definition, with these indices in place of its own
    :param owner: the run that makes them
    """

    dataset: Dataset
    day: date
    owner: str

    @property
    def raw(self) -> str:
        """Name of the restored day."""
        return self.dataset.raw_index(self.day)

    @property
    def month(self) -> str:
        """Name of the month with its rows."""
        return self.dataset.month_index(self.day)


def scratch_of(dataset: Dataset, day: date, owner: str) -> Scratch:
    """The scratch indices of a day; nothing is made.

    :param owner: the run that makes them; a retry of it takes over what it left
    :raises Refused: a pattern of the dataset matches their names
    """
    raw = dataset.raw.model_copy(update={"index": f"{_prefix(dataset)}{{day}}", "day_format": _DAY_FORMAT})
    rows = {"index": f"{_prefix(dataset)}{day:{_DAY_FORMAT}}-rows-{{month}}", "month_format": "%Y.%m", "replicas": 0}
    history = dataset.history.model_copy(update={**rows, "shards": 1, "levels": []})
    made = Scratch(dataset.model_copy(update={"raw": raw, "history": history, "archive": None}), day, owner)
    for pattern in (dataset.raw.names.expression, dataset.history.names.expression):
        if taken := [name for name in (made.raw, made.month) if fnmatchcase(name, pattern)]:
            raise Refused(
                f"{taken[0]} would match {pattern!r} of {dataset.name!r}, so no day is restored to look at it."
            )
    return made


def _prefix(dataset: Dataset) -> str:
    return f"strata-audit-{dataset.name}-"


def make_raw(client: OpenSearch, scratch: Scratch, archived: ArchivedIndex) -> None:
    """Create the index of a restored day, with the mapping that was archived and nothing that a template adds.

    :param archived: what the manifest says of the raw index
    :raises Refused: the server does not accept it, an index template changes it, or there is an index of this name;
        nothing of it is left
    """
    from opensearchpy import RequestError

    form = ArchivedForm.of(archived)
    meta = {"owner": scratch.owner, "process": this_process(), "until": now_ms() + _LASTS_MS}
    mappings = {**form.mappings, "_meta": {**form.mappings.get("_meta", {}), NOTE: meta}}
    settings = {**form.settings, **_ALONE}

    def create(safe: Mapping[str, str]) -> Any:
        return client.indices.create(index=scratch.raw, body={"settings": {**settings, **safe}, "mappings": mappings})

    try:
        made_safely(create)
    except RequestError as error:
        raise Refused(f"{scratch.raw} cannot be created. {explain(error)}") from error
    try:
        found = client.indices.get(index=scratch.raw, params={"flat_settings": "true"})[scratch.raw]
        if added := sorted(name for name in found["settings"].keys() - settings.keys() if _matters(name)):
            raise Refused(
                f"An index template sets {', '.join(added)} of {scratch.raw}. Exclude strata-audit-* from its pattern."
            )
        if found.get("aliases") or _shape(found["mappings"]) != _shape(mappings):
            raise Refused(
                f"An index template adds fields or aliases to {scratch.raw}. Exclude strata-audit-* from its pattern."
            )
    except BaseException:
        _drop(client, scratch.raw)
        raise


def _matters(setting: str) -> bool:
    """Whether a setting that was not archived may keep documents out of an index, or read them in another way."""
    return setting.startswith(("index.blocks.", "index.mapping.", "index.sort.", "index.routing.allocation."))


def _shape(mappings: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
    return dict(field_types(mappings.get("properties", {}))), mappings.get("dynamic_templates", [])


def drop(client: OpenSearch, scratch: Scratch) -> None:
    """Delete the scratch indices, as far as they exist: the rows first, so that what is left can be found by its note.

    :raises Refused: the restored day is not one that this run made
    :raises TransientError: the server did not confirm a deletion
    """
    meta = _meta(client, scratch.raw)
    if meta is not None and meta.get(NOTE, {}).get("owner") != scratch.owner:
        raise Refused(f"{scratch.raw} was kept: this audit did not make it.")
    _drop(client, scratch.month)
    _drop(client, scratch.raw)


def drop_leftovers(client: OpenSearch, dataset: Dataset, owner: str) -> tuple[list[str], list[str]]:
    """Delete the scratch indices of runs that were killed, and those of an earlier try of this one.

    :param owner: this run
    :returns: names of indices that were dropped, and of those that belong to others
    """
    expression = f"{_prefix(dataset)}*"
    found = expand(client, expression, "*.settings.index.uuid,*.mappings._meta").indices
    names = IndexTemplate(f"{_prefix(dataset)}{{day}}", "day", _DAY_FORMAT)
    rows = re.compile(f"{re.escape(_prefix(dataset))}(.+)-rows-.+")
    notes = {name: _note(body) for name, body in found.items() if names.date_in(name)}
    ours = {name for name, note in notes.items() if note is not None and _is_left(note, owner)}
    for name, body in found.items():
        whose = rows.fullmatch(name)
        strata = body.get("mappings", {}).get("_meta", {}).get("strata", {})
        if whose and strata.get("dataset") == dataset.name:
            raw = f"{_prefix(dataset)}{whose[1]}"
            ours |= {name} if raw in ours or raw not in found else set()
    dropped = sorted(ours, key=lambda name: (name in notes, name))  # the rows first
    for name in dropped:
        _drop(client, name)
    return dropped, sorted(found.keys() - ours)


def _is_left(note: Mapping[str, Any], owner: str) -> bool:
    over = int(note.get("until", 0)) < now_ms()
    return over or note.get("owner") == owner or is_dead(str(note.get("process", "")))


def _note(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    note = body.get("mappings", {}).get("_meta", {}).get(NOTE)
    is_ours = isinstance(note, Mapping) and isinstance(note.get("until", 0), int)
    return note if is_ours else None


def _meta(client: OpenSearch, index: str) -> Mapping[str, Any] | None:
    from opensearchpy import NotFoundError

    try:
        found = client.indices.get_mapping(index=index)
    except NotFoundError:
        return None
    return found[index]["mappings"].get("_meta", {}) if index in found else {}


def _drop(client: OpenSearch, index: str) -> None:
    from opensearchpy import NotFoundError

    try:
        delete_index(client, index)
    except NotFoundError:
        return
