"""Raw days as indices on the server: mappings, settings, refreshes and counts, for many indices in one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import OddAnswer, part_of, patiently
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Settings = Mapping[str, str | None]
"""Setting -> value as the server shows it; None if it is not set, so that the server's default applies."""

_LINE = 3000  # characters of names in a request line, which is limited to 4 KiB
THOSE_THERE = {"ignore_unavailable": "true"}
_PATIENCE = 60.0  # seconds
_COUNTING = 10.0  # seconds for which a count is retried; its failure is reported in a separate sentence
_BLOCKED_SHORTLY = 30.0  # seconds: the longest time for which a deletion that is then abandoned blocks writes
_POLL = 0.5

_T = TypeVar("_T")


def patient(call: Callable[[], _T]) -> _T:
    """The result of a request to raw days.

    :param call: makes the request, which must be safe to repeat
    """
    return patiently(call, _PATIENCE)


def writable_days(client: OpenSearch, names: Sequence[str]) -> dict[str, Any]:
    """Name -> mappings and flat settings, for the raw days that exist.

    If one is write-blocked, wait for up to half a minute: a deletion that is abandoned lifts its block again.

    :param names: of raw days
    :raises Refused: a raw day is read-only, write-blocked, closed or not an index
    :raises TransientError: a raw day is blocked because a disk is full
    """
    found = found_of(client, names)
    deadline = time.monotonic() + _BLOCKED_SHORTLY
    while any(map(_is_write_blocked, found.values())) and time.monotonic() < deadline:
        time.sleep(_POLL)
        found = found_of(client, names)
    for name, body in found.items():
        settings = body["settings"]
        if name not in names:
            raise Refused(
                f"{', '.join(body['aliases'])} is an alias of {name}, not an index, so nothing is loaded into it. "
                f"Nothing was changed. Rename the alias, or make the dataset's raw.index match the real indices."
            )
        if settings.get("index.verified_before_close") == "true":
            raise Refused(f"{name} is closed, so nothing can be loaded into it. Nothing was changed. Open it first.")
        for block in ("read_only", "write"):
            if settings.get(f"index.blocks.{block}") == "true":
                raise Refused(
                    f"{name} is {'read-only' if block == 'read_only' else 'write-blocked'}: another run is rebuilding "
                    f"its rows, or somebody holds it. Nothing was changed. If neither is true, set "
                    f"index.blocks.{block} to null on it and run again."
                )
        if settings.get("index.blocks.read_only_allow_delete") == "true":
            raise TransientError(
                f"{name} accepts no documents because a disk of the cluster is full. Nothing was changed. Make room, "
                f"then run again; OpenSearch lifts the block automatically once there is room."
            )
    return found


def add_fields(client: OpenSearch, missing: Mapping[str, dict[str, Any]]) -> None:
    """Add fields to mappings.

    :param missing: name -> field path -> mapping
    :raises Refused: the server rejects a field, or an index is blocked
    """
    from opensearchpy import AuthorizationException, RequestError

    for properties, names in alike({name: fields for name, fields in missing.items() if fields}):
        for part in in_parts(names):
            try:
                put = partial(client.indices.put_mapping, index=",".join(part), body={"properties": properties})
                patient(put)
            except (AuthorizationException, RequestError) as error:
                more = f" and {len(part) - 1} more" if len(part) > 1 else ""
                raise Refused(
                    f"The fields of the dataset cannot be mapped in {part[0]}{more}: {explain(error)} Nothing was "
                    f"loaded. Correct raw.fields of the dataset, map the field in an index template, or lift the block."
                ) from error


def settings_of(client: OpenSearch, names: Iterable[str], keys: Iterable[str]) -> dict[str, Settings]:
    """Name -> the values of these settings, for the indices that exist."""
    wanted = list(keys)
    return {
        name: {key: body["settings"].get(key) for key in wanted} for name, body in found_of(client, list(names)).items()
    }


def template_settings(client: OpenSearch, index: str) -> Mapping[str, Any]:
    """Flat settings that the index template gives to an index of this name; legacy templates are not considered."""
    url = f"/_index_template/_simulate_index/{index}"
    answer = patient(partial(client.transport.perform_request, "POST", url))
    return dict(_flat(as_mapping(as_mapping(answer).get("template", {})).get("settings", {})))


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def put_settings(client: OpenSearch, wanted: Mapping[str, Settings]) -> dict[str, str]:
    """Change the settings of the indices that exist.

    :param wanted: name -> settings
    :returns: name -> the reason, as a sentence, for each index that does not accept them and so is unchanged
    """
    refused: dict[str, str] = {}
    for settings, names in alike(wanted):
        for part in in_parts(names):
            refused |= _put(client, part, settings)
    return refused


def refresh_days(client: OpenSearch, names: Sequence[str]) -> None:
    """Refresh indices, so that searches see what was written to them.

    :param names: of indices; those that no longer exist are skipped
    """
    for part in in_parts(names):
        patient(partial(decisive.refresh, client, ",".join(part), **THOSE_THERE))


def documents_in(client: OpenSearch, names: Sequence[str], *, serverless: bool = False) -> dict[str, int | None]:
    """Name -> number of documents in the primary shards of the index; None if the index does not exist.

    :param names: of indices
    :param serverless: primaries cannot be selected, and responses do not report shards
    :raises Refused: an index is closed
    :raises TransientError: an index cannot be counted right now
    """
    body = {"size": 0, "track_total_hits": True}
    if serverless:
        heads = [{"index": name, "allow_partial_search_results": False} for name in names]
        lines = [line for head in heads for line in (head, body)]
        responses = part_of(client.msearch(body=lines), "responses") if lines else []
        found = [None if answer.get("status") == 404 else answer for answer in responses]
        return {name: _count_of(name, answer) for name, answer in zip(names, found, strict=True)}
    try:
        counted = patiently(
            lambda: decisive.multi_search(client, [(name, body) for name in names]), _COUNTING, may_pass=_may_be_counted
        )
    except decisive.IncompleteAnswer as error:
        if _is_closed(error):
            raise Refused(
                f"{error.index} is closed, so its documents cannot be counted. Nothing was changed. Open it first."
            ) from None
        raise TransientError(
            f"The documents of {error.index or 'raw days'} cannot be counted right now ({error.kind or error}), so it "
            f"is not known whether some are gone. Nothing was changed; run it again."
        ) from error
    return {name: _count_of(name, answer) for name, answer in zip(names, counted, strict=True)}


def looked_up(client: OpenSearch, docs: list[dict[str, Any]], *, serverless: bool = False) -> list[Mapping[str, Any]]:
    """Whether documents exist at this moment, without a refresh; one answer of the server for each, without its source.

    :param docs: ``_index`` and ``_id`` of each document
    :param serverless: primaries cannot be selected
    :raises IncompleteAnswer: there are fewer answers than documents
    """
    if serverless:
        answers: list[Mapping[str, Any]] = client.mget(body={"docs": docs}, params={"_source": "false"})["docs"]
        return answers
    return list(decisive.get_documents(client, docs, _source="false"))


def _may_be_counted(error: BaseException) -> bool:
    return is_transient(error) and not _is_closed(error)


def _is_closed(error: BaseException) -> bool:
    return isinstance(error, decisive.IncompleteAnswer) and error.kind == "index_closed_exception"


def _count_of(name: str, answer: Mapping[str, Any] | None) -> int | None:
    if answer is None:
        return None
    if "hits" not in answer:
        raise TransientError(
            f"The documents of {name} cannot be counted right now, so it is not known whether some are gone. Nothing "
            f"was changed; run it again."
        )
    return int(part_of(answer, "hits", "total", "value"))


def found_of(client: OpenSearch, names: Sequence[str]) -> dict[str, Any]:
    """Name -> mappings and flat settings, for the indices that exist."""
    found: dict[str, Any] = {}
    for part in in_parts(names):
        params = {**THOSE_THERE, "flat_settings": "true"}
        found |= as_mapping(patient(partial(client.indices.get, index=",".join(part), params=params)))
    return found


def _is_write_blocked(body: Mapping[str, Any]) -> bool:
    return bool(part_of(body, "settings").get("index.blocks.write") == "true")


def as_mapping(answer: Any) -> Mapping[str, Any]:
    """Require that an answer is a mapping, by index name.

    :param answer: parsed JSON from the server
    :raises OddAnswer: it is something else
    """
    if not isinstance(answer, Mapping):
        raise OddAnswer("OpenSearch's answer does not name any indices. Nothing was decided.")
    return answer


def _put(client: OpenSearch, names: Sequence[str], settings: Settings) -> dict[str, str]:
    from opensearchpy import AuthorizationException, RequestError

    try:
        patient(partial(client.indices.put_settings, index=",".join(names), body=settings, params=THOSE_THERE))
    except (AuthorizationException, RequestError) as error:
        if isinstance(error, AuthorizationException) and error.error != "cluster_block_exception":
            raise
        if len(names) == 1:
            return {names[0]: explain(error)}
        # One index that refuses makes the whole request fail, so each is tried on its own.
        return {name: why for one in names for name, why in _put(client, [one], settings).items()}
    return {}


def alike(bodies: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yield each distinct body with the names that share it."""

    def key(name: str) -> bytes:
        return orjson.dumps(bodies[name], option=orjson.OPT_SORT_KEYS)

    for _, names in groupby(sorted(bodies, key=key), key=key):
        same = list(names)
        yield bodies[same[0]], same


def in_parts(names: Sequence[str]) -> Iterator[list[str]]:
    """Split names into lists that each fit into a request line."""
    part: list[str] = []
    for name in names:
        if part and sum(map(len, part)) + len(part) + len(name) > _LINE:
            yield part
            part = []
        part.append(name)
    if part:
        yield part
