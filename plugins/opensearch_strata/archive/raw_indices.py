"""Raw days as indices of the server: made, mapped, and their settings read and written, many in a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata.errors import Refused, TransientError, explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Settings = Mapping[str, str | None]
"""Setting -> value as the server shows it; None: not set, so that the server's default counts."""

_LINE = 3000  # characters of names in a request's line, which has 4 KiB
_THOSE_THERE = {"ignore_unavailable": "true"}
_MARK = {"strata": "created for a backfill"}  # in the index itself, so that no kill comes between it and the index

_PATIENTLY = Retrying(
    retry=retry_if_exception(is_transient),
    wait=wait_random_exponential(multiplier=0.5, max=10),
    stop=stop_after_attempt(6),
    reraise=True,
)


def writable(client: OpenSearch, names: Sequence[str]) -> dict[str, Any]:
    """Name -> mappings and flat settings, of those that are there.

    :raises Refused: one is read-only, write-blocked, closed or no index
    :raises TransientError: one is blocked because a disk is full
    """
    found = _found(client, names)
    for name, body in found.items():
        settings = body["settings"]
        if name not in names:
            raise Refused(
                f"{', '.join(body['aliases'])} is an alias of {name}, not an index, so nothing is loaded into it. "
                f"Nothing was changed. Rename, or let the dataset's raw.index name the real indices."
            )
        if settings.get("index.verified_before_close") == "true":
            raise Refused(f"{name} is closed, so nothing can be loaded into it. Nothing was changed. Open it first.")
        for block in ("read_only", "write"):
            if settings.get(f"index.blocks.{block}") == "true":
                raise Refused(
                    f"{name} is {'read-only' if block == 'read_only' else 'write-blocked'}: another run rebuilds its "
                    f"rows, or somebody holds it. Nothing was changed. If nobody does, set index.blocks.{block} to "
                    f"null on it and run again."
                )
        if settings.get("index.blocks.read_only_allow_delete") == "true":
            raise TransientError(
                f"{name} takes no documents because a disk of the cluster is full. Nothing was changed. OpenSearch "
                f"lifts the block by itself when there is room again; make room, then run again."
            )
    return found


def create(client: OpenSearch, name: str) -> None:
    """Create an index as the templates that match its name say, and mark it as made by us.

    Fine if somebody else creates it at the same time.

    :raises Refused: the server rejects it
    """
    from opensearchpy import RequestError

    try:
        client.indices.create(index=name, body={"mappings": {"_meta": _MARK}})
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise Refused(
                f"{name} could not be created. {explain(error)} Nothing was loaded into it. Mend the index template "
                f"that matches this name, if there is one."
            ) from error


def made_by_us(client: OpenSearch, names: Sequence[str]) -> list[str]:
    """Those of the indices that :func:`create` made, in whichever run."""
    return [name for name, body in _found(client, names).items() if _MARK.items() <= _meta(body).items()]


def add_fields(client: OpenSearch, missing: Mapping[str, dict[str, Any]]) -> None:
    """Add fields to mappings.

    :param missing: name -> field path -> mapping
    :raises Refused: the server rejects a field
    """
    from opensearchpy import RequestError

    for properties, names in _alike({name: fields for name, fields in missing.items() if fields}):
        for part in _parts(names):
            try:
                client.indices.put_mapping(index=",".join(part), body={"properties": properties})
            except RequestError as error:
                raise Refused(
                    f"The fields of the dataset cannot be mapped in {part[0]} and {len(part) - 1} more: "
                    f"{explain(error)} Nothing was loaded. Mend raw.fields of the dataset, or let an index template "
                    f"map the field."
                ) from error


def settings_of(client: OpenSearch, names: Iterable[str], keys: Iterable[str]) -> dict[str, Settings]:
    """Name -> what is set of these settings, of indices that are there."""
    wanted = list(keys)
    return {
        name: {key: body["settings"].get(key) for key in wanted} for name, body in _found(client, list(names)).items()
    }


def put_settings(client: OpenSearch, wanted: Mapping[str, Settings]) -> dict[str, str]:
    """Change settings, of indices that are there.

    :param wanted: name -> settings
    :returns: name -> why, in a sentence, of those that do not take them; they are as they were
    """
    refused: dict[str, str] = {}
    for settings, names in _alike(wanted):
        for part in _parts(names):
            refused |= _put(client, part, settings)
    return refused


def refresh(client: OpenSearch, names: Sequence[str]) -> None:
    """Let searches see what was written, in indices that are there."""
    for part in _parts(names):
        _PATIENTLY(client.indices.refresh, index=",".join(part), params=_THOSE_THERE)


def documents_in(client: OpenSearch, names: Sequence[str]) -> dict[str, int | None]:
    """Name -> how many documents searches see in the index; None if it is not there.

    :raises Refused: one is closed
    :raises TransientError: one cannot be counted right now
    """
    if not names:
        return {}
    body = {"size": 0, "track_total_hits": True}
    heads = [{"index": name, "allow_partial_search_results": False} for name in names]
    found = client.msearch(
        body=[line for head in heads for line in (head, body)],
        params={"filter_path": "responses.hits.total.value,responses.status,responses.error.type"},
    )
    return {name: _count_of(name, answer) for name, answer in zip(names, found["responses"], strict=True)}


def _count_of(name: str, answer: Mapping[str, Any]) -> int | None:
    if answer["status"] == 404:
        return None
    if "hits" not in answer and answer["error"]["type"] == "index_closed_exception":
        raise Refused(f"{name} is closed, so its documents cannot be counted. Nothing was changed. Open it first.")
    if "hits" not in answer:
        raise TransientError(
            f"The documents of {name} cannot be counted right now ({answer['status']}: {answer['error']['type']}), so "
            f"nobody knows whether some are gone. Nothing was changed; run it again."
        )
    count: int = answer["hits"]["total"]["value"]
    return count


def _found(client: OpenSearch, names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _parts(names):
        params = {**_THOSE_THERE, "flat_settings": "true"}
        found |= _PATIENTLY(client.indices.get, index=",".join(part), params=params)
    return found


def _meta(body: Mapping[str, Any]) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = body["mappings"].get("_meta", {})
    return meta


def _put(client: OpenSearch, names: Sequence[str], settings: Settings) -> dict[str, str]:
    from opensearchpy import AuthorizationException, RequestError

    try:
        _PATIENTLY(client.indices.put_settings, index=",".join(names), body=settings, params=_THOSE_THERE)
    except (AuthorizationException, RequestError) as error:
        if isinstance(error, AuthorizationException) and error.error != "cluster_block_exception":
            raise
        if len(names) == 1:
            return {names[0]: explain(error)}
        # One of them keeps all of the request from being done.
        return {name: why for one in names for name, why in _put(client, [one], settings).items()}
    return {}


def _alike(bodies: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Equal bodies and the names that share them."""

    def key(name: str) -> bytes:
        return orjson.dumps(bodies[name], option=orjson.OPT_SORT_KEYS)

    for _, names in groupby(sorted(bodies, key=key), key=key):
        same = list(names)
        yield bodies[same[0]], same


def _parts(names: Sequence[str]) -> Iterator[list[str]]:
    """Names that fit into the line of a request each."""
    part: list[str] = []
    for name in names:
        if part and sum(map(len, part)) + len(part) + len(name) > _LINE:
            yield part
            part = []
        part.append(name)
    if part:
        yield part
