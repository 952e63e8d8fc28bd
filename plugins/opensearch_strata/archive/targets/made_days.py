"""Raw days that loads make: safe against templates, and marked in themselves, with all that is to be given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.targets.raw_indices import (
    THOSE_THERE,
    Settings,
    alike,
    as_mapping,
    found_of,
    in_parts,
    patient,
)
from opensearch_strata.connections.expanded import WILDCARDS
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.connections.safe_settings import made_safely
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MARK = "strata"  # key in a mapping's _meta, so in the index itself: no kill comes between the two


class IndexMark(NamedTuple):
    """What a raw day that a load made says of itself.

    :param made_by: owner of the load
    :param originals: settings that it had before it was set up for loading; None once it has them again, empty as long
        as it was not set up
    """

    made_by: str
    originals: Settings | None


def create(client: OpenSearch, name: str, made_by: str) -> bool:
    """Create an index as the templates that match its name say, but safe, and with our mark.

    :param made_by: owner of the load
    :returns: False if somebody else was faster
    :raises Refused: the server rejects it
    """
    from opensearchpy import RequestError

    mark = {_MARK: {"made_by": made_by, "loading": {}}}

    def make(safe: Settings) -> None:
        patient(partial(client.indices.create, index=name, body={"settings": safe, "mappings": {"_meta": mark}}))

    try:
        made_safely(make)
    except RequestError as error:
        if "resource_already_exists_exception" in str(error.error):  # the text, where half of it was lost
            # By us, if the answer to the first try was lost.
            return marks(client, [name]).get(name, IndexMark("", None)) == IndexMark(made_by, {})
        cure = (
            "The cluster is at its limit of shards: make room, or raise cluster.max_shards_per_node."
            if "maximum shards open" in explain(error)
            else "Mend the index template that matches this name, if there is one."
        )
        raise Refused(f"{name} could not be created. {explain(error)} Nothing was loaded into it. {cure}") from error
    return True


def marks(client: OpenSearch, names: Sequence[str]) -> dict[str, IndexMark]:
    """Name -> what it says of itself, of the indices that :func:`create` made.

    :param names: or wildcard expressions; of a dataset's, whatever is no raw day is the caller's to leave out
    """
    found: dict[str, IndexMark] = {}
    for part in in_parts(names):
        params = {**THOSE_THERE, "expand_wildcards": WILDCARDS, "filter_path": f"*.mappings._meta.{_MARK}"}
        answer = patient(partial(client.indices.get, index=",".join(part), params=params))
        for name, body in as_mapping(answer).items():
            said = part_of(body, "mappings", "_meta", _MARK)
            if isinstance(said, Mapping) and "made_by" in said:
                found[name] = IndexMark(str(said["made_by"]), said.get("loading"))
    return found


def set_marks(client: OpenSearch, wanted: Mapping[str, IndexMark]) -> dict[str, str]:
    """Write down in indices of ours what they say of themselves; all else in their ``_meta`` stays.

    :returns: name -> why, in a sentence, of those that do not take it
    """
    from opensearchpy import AuthorizationException, RequestError

    metas: dict[str, dict[str, Any]] = {}
    for name, body in found_of(client, list(wanted)).items():
        mark = wanted[name]
        said = {**as_mapping(_meta(body).get(_MARK, {})), "made_by": mark.made_by}
        said.pop("loading", None)
        metas[name] = {**_meta(body), _MARK: said | ({} if mark.originals is None else {"loading": mark.originals})}
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
    """Name -> UUID, of the indices that are there. Asked once: the caller says what a fault means."""
    found: dict[str, str] = {}
    for part in in_parts(names):
        params = {**THOSE_THERE, "filter_path": "*.settings.index.uuid"}
        answer = client.indices.get(index=",".join(part), params=params)
        found |= {
            name: str(part_of(body, "settings", "index", "uuid"))
            for name, body in as_mapping(answer).items()
            if name in names  # an alias of that name would answer as another index
        }
    return found


def _meta(body: Mapping[str, Any]) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = part_of(body, "mappings").get("_meta", {})
    return meta
