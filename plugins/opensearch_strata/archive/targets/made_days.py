"""Raw days that loads create: safe from templates, and marked in the index itself with the settings to restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.archive.targets.raw_indices import (
    THOSE_THERE,
    Settings,
    alike,
    as_mapping,
    found_of,
    in_parts,
    patient,
    template_settings,
)
from opensearch_strata.connections.expanded import WILDCARDS
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.connections.safe_settings import made_safely
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

NOTE = "strata"
"""Key in the ``_meta`` of a raw day's mapping, so in the index itself: no kill can come between index and note."""
KEEP_UNTIL = "keep_until"
"""Key in the note of a restored raw day: until when it is wanted, ISO 8601."""


class LoadNote(NamedTuple):
    """The note in a raw day that a load created.

    :param made_by: owner of the load
    :param originals: its settings before it was set up for loading; empty until it is set up, None once they are
        restored
    """

    made_by: str
    originals: Settings | None


@dataclass(frozen=True)
class RestoredForms:
    """What is known of raw days that a restore creates.

    :param forms: name -> what the index was archived with; a day without one is created by its templates alone
    :param keep_until: until when they are wanted, ISO 8601
    """

    forms: Mapping[str, ArchivedForm]
    keep_until: str


def create(
    client: OpenSearch, name: str, made_by: str, restored: RestoredForms | None = None, *, live: bool = False
) -> bool:
    """Create an index according to the templates that match its name, but with safe settings and our note.

    :param made_by: owner of the load
    :param restored: for a restore: its mappings and settings take the place of those of the templates
    :param live: it is not to be set up for loading, so there will be no settings to restore
    :returns: False if somebody else created it first
    :raises Refused: the server rejects it
    """
    from opensearchpy import RequestError

    note = {
        "made_by": made_by,
        **({} if live else {"loading": {}}),
        **({KEEP_UNTIL: restored.keep_until} if restored else {}),
    }
    form = restored.forms.get(name) if restored else None
    mappings: Mapping[str, Any] = form.mappings if form else {}
    noted = {**mappings, "_meta": {**mappings.get("_meta", {}), NOTE: note}}
    settings = {**_without_templates(client, name), **form.settings} if form else {}

    def make(safe: Settings) -> None:
        body = {"settings": {**settings, **safe}, "mappings": noted}
        patient(partial(client.indices.create, index=name, body=body))

    try:
        made_safely(make)
    except RequestError as error:
        if "resource_already_exists_exception" in str(error.error):  # the raw text, if the response was cut off
            # It was created by us if the response to the first attempt was lost.
            return notes(client, [name]).get(name, LoadNote("", None)) == LoadNote(made_by, None if live else {})
        cure = "Correct the index template that matches this name, if there is one."
        if "maximum shards open" in explain(error):
            cure = "The cluster is at its limit of shards: make room, or raise cluster.max_shards_per_node."
        elif form:
            cure = (
                "It was to be created as it was archived. Install what it needs, correct the index template that "
                "matches this name, or create it yourself with the archived mapping; then restore the day again."
            )
        raise Refused(f"{name} could not be created. {explain(error)} Nothing was loaded into it. {cure}") from error
    return True


def _without_templates(client: OpenSearch, name: str) -> dict[str, None]:
    """What keeps the settings of a template out of a restored index, which might not even be created with them: a
    setting without a value takes the place of the template's. Whoever may not look at templates restores without it.
    """
    from opensearchpy import AuthorizationException, NotFoundError

    try:
        return dict.fromkeys(template_settings(client, name))
    except (AuthorizationException, NotFoundError):
        return {}


def notes(client: OpenSearch, names: Sequence[str]) -> dict[str, LoadNote]:
    """Name -> note, for the indices that :func:`create` created.

    :param names: names or wildcard expressions; the caller leaves out matches that are not raw days of the dataset
    """
    found: dict[str, LoadNote] = {}
    for part in in_parts(names):
        params = {**THOSE_THERE, "expand_wildcards": WILDCARDS, "filter_path": f"*.mappings._meta.{NOTE}"}
        answer = patient(partial(client.indices.get, index=",".join(part), params=params))
        for name, body in as_mapping(answer).items():
            said = part_of(body, "mappings", "_meta", NOTE)
            if isinstance(said, Mapping) and "made_by" in said:
                found[name] = LoadNote(str(said["made_by"]), said.get("loading"))
    return found


def put_notes(client: OpenSearch, wanted: Mapping[str, LoadNote]) -> dict[str, str]:
    """Write notes into indices that we created; everything else in their ``_meta`` stays.

    :returns: name -> the reason, as a sentence, for each index that does not accept its note
    """
    from opensearchpy import AuthorizationException, RequestError

    metas: dict[str, dict[str, Any]] = {}
    for name, body in found_of(client, list(wanted)).items():
        note = wanted[name]
        said = {**as_mapping(_meta(body).get(NOTE, {})), "made_by": note.made_by}
        said.pop("loading", None)
        metas[name] = {**_meta(body), NOTE: said | ({} if note.originals is None else {"loading": note.originals})}
    refused: dict[str, str] = {}
    for meta, names in alike(metas):
        for part in in_parts(names):
            try:
                put = partial(
                    client.indices.put_mapping, index=",".join(part), body={"_meta": meta}, params=THOSE_THERE
                )
                patient(put)
            except (AuthorizationException, RequestError) as error:
                if isinstance(error, AuthorizationException) and error.error != "cluster_block_exception":
                    raise
                refused |= dict.fromkeys(part, explain(error))
    return refused


def uuids(client: OpenSearch, names: Sequence[str]) -> dict[str, str]:
    """Name -> UUID, for the indices that exist. Not retried: the caller decides what a failure means.

    :param names: of raw days
    """
    found: dict[str, str] = {}
    for part in in_parts(names):
        params = {**THOSE_THERE, "filter_path": "*.settings.index.uuid"}
        answer = client.indices.get(index=",".join(part), params=params)
        found |= {
            name: str(part_of(body, "settings", "index", "uuid"))
            for name, body in as_mapping(answer).items()
            if name in names  # an alias of that name returns an index with another name
        }
    return found


def _meta(body: Mapping[str, Any]) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = part_of(body, "mappings").get("_meta", {})
    return meta
