"""Raw days set up for loading, and given back as they were: no refresh and no replicas meanwhile.

Before anything is set, what an index had is written down in the ledger, with everybody who loads into it. Who leaves
last gives it back. A loader that was killed leaves too, as soon as its lease has expired: the next run sees to it.

Why nobody ever takes the loading settings for the original ones: they are set only when the originals are in the
document, and the document goes only when the originals are back in the index.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.ledger import Ledger, now_ms
from opensearch_strata.archive.ledger_index import Change, Stored
from opensearch_strata.archive.ledger_rows import settings_id
from opensearch_strata.archive.raw_indices import (
    Settings,
    add_fields,
    create,
    put_settings,
    refresh,
    settings_of,
    writable,
)
from opensearch_strata.archive.raw_mapping import missing_properties, raw_properties
from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

_REFRESH = "index.refresh_interval"
LOADING: Settings = {_REFRESH: "-1", "index.number_of_replicas": "0", "index.auto_expand_replicas": "false"}
"""Settings while loading."""


def prepare(client: OpenSearch, ledger: Ledger, dataset: Dataset, days: Iterable[date], owner: str) -> list[str]:
    """Create raw days that are missing, map what will be loaded, and set all of them up for loading.

    Safe to repeat and to call by several loaders at once. On Serverless, which has no such settings, indices are
    created and mapped only.

    :param owner: who loads; all tasks of a run may share it
    :returns: names of the indices that were created
    :raises Refused: a day is read-only, write-blocked, closed or no index, or a template is in the way
    :raises TransientError: a disk is full
    """
    names = [dataset.raw_index(day) for day in days]
    created = ensure_raw_days(client, dataset, names)
    if not ledger.index.serverless:
        _set_for_loading(client, ledger, names, owner)
    return created


def ensure_raw_days(client: OpenSearch, dataset: Dataset, names: Sequence[str]) -> list[str]:
    """Create raw days that are missing, and map what will be loaded; settings stay as they are.

    :returns: names of the indices that were created
    :raises Refused: see :func:`prepare`
    :raises TransientError: a disk is full
    """
    there = writable(client, names)
    created = [name for name in names if name not in there]
    for name in created:
        create(client, name)
    there |= writable(client, created)
    fields = raw_properties(dataset)
    missing = {n: missing_properties(fields, body["mappings"].get("properties", {})) for n, body in there.items()}
    add_fields(client, missing)
    return created


def renew(ledger: Ledger, dataset: Dataset, days: Iterable[date], owner: str) -> None:
    """Say that an owner is still loading; to be called as often as rows are renewed, by any of its tasks."""
    if ledger.index.serverless:
        return
    due = now_ms() + int(ledger.lease * 1000 * 2 / 3)

    def renewed(_: str, source: dict[str, Any] | None) -> dict[str, Any] | None:
        return _with(source, owner, ledger) if source and _users(source).get(owner, due) < due else None

    ledger.index.change([settings_id(dataset.name, dataset.raw_index(day)) for day in days], renewed)


def restore(client: OpenSearch, ledger: Ledger, owner: str) -> list[str]:
    """Take an owner off all days that it loaded into, and give back the settings of those that nobody uses any more.

    Another user of the same days who shows no sign of life is waited for until its lease has expired: it may have been
    killed. That takes a lease at most.

    Days of others that refuse their settings are told in the log only: they are no fault of this run.

    :returns: names of the indices whose settings were given back, by this call or for others; the rest is in use
    :raises Refused: the settings of a day cannot be given back now; they stay written down
    """
    if ledger.index.serverless:
        return []
    ours = {stored.id: _index(stored) for stored in _documents(ledger) if owner in _users(stored.source)}
    ledger.index.change(ours, lambda _, source: source and _without(source, owner))
    restored, refused = _give_back(client, ledger)
    silent = _leases(ledger, ours)
    while silent := silent & _leases(ledger, ours):
        if (left := min(until for *_, until in silent) - now_ms()) > 0:
            time.sleep(min(left / 1000, ledger.lease / 10))
            continue
        more, refused = _give_back(client, ledger)
        restored += more
        silent = {lease for lease in silent if lease[-1] > now_ms()}
    own = {name: why for name, why in refused.items() if name in ours.values()}
    if own:
        raise Refused(_sentence(ledger, own))
    if refused:
        _log.warning("%s", _sentence(ledger, refused))
    return restored


def restore_abandoned(client: OpenSearch, ledger: Ledger) -> list[str]:
    """Give back the settings of all days of the dataset whose users are gone, or dead by their leases.

    :returns: names of the indices
    :raises Refused: the settings of a day cannot be given back now; they stay written down
    """
    if ledger.index.serverless:
        return []
    restored, refused = _give_back(client, ledger)
    if refused:
        raise Refused(_sentence(ledger, refused))
    return restored


def _give_back(client: OpenSearch, ledger: Ledger) -> tuple[list[str], dict[str, str]]:
    """Settings of the days that nobody uses, as far as each of them takes its own.

    :returns: names of those that have theirs again, and name -> why of the others
    """
    now = now_ms()
    free = [one for one in _documents(ledger) if all(until <= now for until in _users(one.source).values())]
    # A document without originals: its loader had not come to set anything.
    wanted = {_index(one): originals for one in free if (originals := _originals(one.source))}
    refused = put_settings(client, wanted)
    # Replicas that find no room must not keep searches from seeing what is there.
    put_settings(client, {name: {_REFRESH: wanted[name][_REFRESH]} for name in refused})
    back = [stored for stored in free if _index(stored) not in refused]
    names = sorted(map(_index, back))
    refresh(client, names)
    ledger.index.write([Change(stored.id, None, stored.seq_no, stored.primary_term) for stored in back])
    return names, refused


def _sentence(ledger: Ledger, refused: Mapping[str, str]) -> str:
    return (
        f"The settings for loading cannot be undone in {_named(refused)} What they were before is written down in the "
        f"ledger {ledger.index.name}, all other days have theirs. Lift the block, or make room for the replicas "
        f"(cluster.max_shards_per_node); the next backfill of the dataset undoes them."
    )


def _named(refused: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {why}" for name, why in sorted(refused.items()))


def _set_for_loading(client: OpenSearch, ledger: Ledger, names: Sequence[str], owner: str) -> None:
    pending = {settings_id(ledger.dataset_name, name): name for name in names}
    while pending:
        originals = _write_down(client, ledger, pending, owner)
        _set(client, originals)
        # Whoever slept in between for longer than a lease was taken for dead, and is no user any more.
        there = ledger.index.get(pending)
        pending = {i: name for i, name in pending.items() if i not in there or owner not in _users(there[i].source)}
        put_settings(client, {name: originals[name] for name in pending.values() if name in originals})


def _write_down(client: OpenSearch, ledger: Ledger, names: Mapping[str, str], owner: str) -> dict[str, Settings]:
    """Put an owner and the original settings into the documents of indices; returns the settings by index.

    :param names: index by id of its document
    """

    def enlisted(identity: str, source: dict[str, Any] | None) -> dict[str, Any]:
        new = {"kind": "settings", "dataset": ledger.dataset_name, "raw_index": names[identity], "users": []}
        return _with(source or new, owner, ledger)

    originals: dict[str, Settings] = {}

    def noted(identity: str, source: dict[str, Any] | None) -> dict[str, Any] | None:
        settings = _originals(source or {}) or present.get(names[identity])
        if source is None or settings is None:
            return None
        originals[names[identity]] = settings
        return {**source, "originals": settings}

    ledger.index.change(names, enlisted)
    present = settings_of(client, names.values(), LOADING)  # not before the documents are there
    ledger.index.change(names, noted)
    return originals


def _set(client: OpenSearch, names: Iterable[str]) -> None:
    refused = put_settings(client, dict.fromkeys(names, LOADING))
    # Domains over several zones insist on their number of copies.
    refused = put_settings(client, {name: {_REFRESH: LOADING[_REFRESH]} for name in refused})
    if refused:
        raise Refused(
            f"The settings for loading cannot be set in {_named(refused)} Nothing was loaded. If it is a block that "
            f"nobody needs, set index.blocks.read_only to null and run again."
        )


def _documents(ledger: Ledger) -> list[Stored]:
    return list(ledger.index.find(ledger.query("settings")))


def _leases(ledger: Ledger, ids: Iterable[str]) -> set[tuple[str, str, int]]:
    documents = ledger.index.get(ids).values()
    return {(one.id, owner, until) for one in documents for owner, until in _users(one.source).items()}


def _users(source: Mapping[str, Any]) -> dict[str, int]:
    return {user["owner"]: user["lease_until"] for user in source["users"]}


def _originals(source: Mapping[str, Any]) -> Settings | None:
    return source.get("originals")


def _index(stored: Stored) -> str:
    name: str = stored.source["raw_index"]
    return name


def _with(source: Mapping[str, Any], owner: str, ledger: Ledger) -> dict[str, Any]:
    lease = {"owner": owner, "lease_until": ledger.new_lease()}
    return {**source, "users": [*_without(source, owner)["users"], lease]}


def _without(source: Mapping[str, Any], owner: str) -> dict[str, Any]:
    return {**source, "users": [user for user in source["users"] if user["owner"] != owner]}
