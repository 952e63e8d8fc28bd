"""Raw days set up for loading, and given back: those that a load makes have no refresh and no replicas meanwhile.

Days that are there already may be read and written by others: they keep their settings. What a day that a load made is
to get back is written down in the index itself, before it is set up; the ledger knows who loads into it. Who leaves
last gives it back. A loader that was killed leaves too, once its registration is over: the next run sees to it.

Why nobody ever takes the loading settings for the original ones: only who made an index sets it up, once, when the
originals are in its mapping, and these go only when they are back in force.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import under_load
from opensearch_strata.archive.targets.made_days import IndexMark, create, marks, set_marks
from opensearch_strata.archive.targets.raw_indices import (
    Settings,
    add_fields,
    put_settings,
    refresh_days,
    settings_of,
    writable_days,
)
from opensearch_strata.archive.targets.raw_mapping import missing_properties, raw_properties
from opensearch_strata.archive.targets.shard_room import require_shard_room
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

_REFRESH = "index.refresh_interval"
LOADING: Settings = {_REFRESH: "-1", "index.number_of_replicas": "0", "index.auto_expand_replicas": "false"}
"""Settings while loading."""


def prepare(
    client: OpenSearch, ledger: Ledger, dataset: Dataset, days: Iterable[date], owner: str, process: str = ""
) -> list[str]:
    """Register for raw days, create those that are missing, set these up for loading, and map what will be loaded.

    Safe to repeat and to call by several loaders at once. On Serverless, which has no such settings and deletes no
    days, indices are created and mapped only.

    :param owner: who loads; all tasks of a run may share it
    :param process: where the run is one process, its name
    :returns: names of the indices that were created
    :raises Refused: a day is read-only, write-blocked, closed or no index, a template is in the way, or the cluster has
        no room for so many shards
    :raises TransientError: a disk is full
    """
    return prepare_indices(client, ledger, dataset, [dataset.raw_index(day) for day in days], owner, process)


def prepare_indices(
    client: OpenSearch, ledger: Ledger, dataset: Dataset, names: Sequence[str], owner: str, process: str = ""
) -> list[str]:
    """The same by the names of the indices."""
    there = writable_days(client, names)  # nothing is registered for what cannot be loaded
    if not ledger.index.serverless:
        require_shard_room(client, [name for name in names if name not in there])
        under_load.register(ledger, names, owner, process)
        there = writable_days(client, names)  # who deletes one by now knows of us; see under_load
    created = [name for name in names if name not in there and create(client, name, owner)]
    if not ledger.index.serverless:
        _set_up(client, names, owner)
    there |= writable_days(client, [name for name in names if name not in there])
    fields = raw_properties(dataset)
    missing = {n: missing_properties(fields, body["mappings"].get("properties", {})) for n, body in there.items()}
    add_fields(client, missing)
    return created


def renew(ledger: Ledger, dataset: Dataset, days: Iterable[date], owner: str, process: str = "") -> None:
    """Say that an owner is still loading; see :func:`~opensearch_strata.archive.targets.under_load.renewal`."""
    if not ledger.index.serverless:
        under_load.register(ledger, [dataset.raw_index(day) for day in days], owner, process)


def to_be_ended(
    client: OpenSearch, ledger: Ledger, dataset: Dataset, owner: str, process: str = ""
) -> tuple[list[str], dict[str, IndexMark]]:
    """Raw days that an owner is to put in order, for which it is registered from now on.

    They are those that it loads into or made, and those that dead loaders left behind.

    :returns: their names, and what those of them say of themselves that were made by a load and not given back yet
    """
    loading = _loading(client, dataset)
    registered = under_load.registrations(ledger)
    ours = {name for name, stored in registered.items() if owner in under_load.users(stored.source)}
    lost = {name for name, mark in loading.items() if mark.made_by == owner and name not in registered}
    if lost:  # with the ledger
        under_load.register(ledger, lost, owner, process)
    left = under_load.take_over(ledger, registered.keys() - ours, owner, process)
    names = sorted({*ours, *lost, *left})
    return names, {name: mark for name, mark in loading.items() if name in names}


def restore(
    client: OpenSearch,
    ledger: Ledger,
    dataset: Dataset,
    owner: str,
    process: str = "",
    unfinished: Collection[str] = (),
) -> list[str]:
    """Take an owner off all days that it loaded into, and give back the settings of those that nobody loads into.

    So are those that dead loaders left behind, even if the ledger was lost. Days of others that refuse their settings
    are told in the log only: they are no fault of this run.

    :param unfinished: days that stay set up for loading, to be put in order by the next run
    :returns: names of the indices whose settings were given back; days that others load into are theirs to give back
    :raises Refused: the settings of a day cannot be given back now; they stay written down in the index
    """
    if ledger.index.serverless:
        return []
    names, _ = to_be_ended(client, ledger, dataset, owner, process)
    back, refused, left_to_us = _restore(client, ledger, dataset, owner, names, unfinished)
    while left_to_us:
        more, not_given, left_to_us = _restore(client, ledger, dataset, owner, left_to_us, unfinished)
        back, refused = back + more, refused | not_given
    loading = _loading(client, dataset) if refused else {}
    if own := {name: why for name, why in refused.items() if loading.get(name, IndexMark("", None)).made_by == owner}:
        raise Refused(_sentence(own))
    if refused:
        _log.warning("%s", _sentence(refused))
    return sorted(back)


def _restore(
    client: OpenSearch,
    ledger: Ledger,
    dataset: Dataset,
    owner: str,
    names: Sequence[str],
    unfinished: Collection[str],
) -> tuple[list[str], dict[str, str], list[str]]:
    """One round of :func:`restore`.

    :returns: names of those that have theirs again, name -> why of those that refuse them, and names of those whose
        other users left meanwhile, and may have left the day to this one
    """
    loading = _loading(client, dataset)
    registered = under_load.registrations(ledger)  # after the marks: whoever makes a day registers before
    users = {name: under_load.users(stored.source, but=owner) for name, stored in registered.items()}
    theirs = [name for name in names if name in loading and users.get(name) and name not in unfinished]
    for name in theirs:
        _log.info("%s stays set up for loading. %s", name, under_load.told_loading(users[name]))
    ours = [name for name in names if name not in theirs]
    mine = {n: mark for n, mark in loading.items() if not users.get(n) and n not in unfinished}
    legacy = {
        n: one.source["originals"]
        for n, one in registered.items()
        if "originals" in one.source and not users[n] and n not in theirs
    }
    back, refused = _give_back(client, mine, legacy)
    refresh_days(client, names)
    under_load.leave(ledger, unfinished, owner, unfinished=True)
    under_load.leave(ledger, [n for n in ours if n not in unfinished and not (n in legacy and n in refused)], owner)
    return back, refused, under_load.leave_to_others(ledger, theirs, owner)


def _loading(client: OpenSearch, dataset: Dataset) -> dict[str, IndexMark]:
    """The raw days that loads made and that were not given back yet."""
    names = dataset.raw.names
    found = marks(client, [names.expression])
    return {name: mark for name, mark in found.items() if mark.originals is not None and names.date_in(name)}


def _set_up(client: OpenSearch, names: Collection[str], owner: str) -> None:
    """Give the loading settings to the days that an owner made and that do not have them yet."""
    ours = [n for n, mark in marks(client, list(names)).items() if mark == IndexMark(owner, {})]
    originals = settings_of(client, ours, LOADING)
    refused = set_marks(client, {name: IndexMark(owner, settings) for name, settings in originals.items()})
    wanted = [name for name in originals if name not in refused]
    refused |= put_settings(client, dict.fromkeys(wanted, LOADING))
    # Domains over several zones insist on their number of copies.
    wanted = [name for name in wanted if name in refused]
    refused |= put_settings(client, {name: {_REFRESH: LOADING[_REFRESH]} for name in wanted})
    if refused:
        _log.info("Loaded with refresh and replicas as they are: %s", _named(refused))
    # Whoever slept in between for longer than its registration was taken for dead, and the day was given back.
    there = marks(client, list(originals))
    put_settings(client, {n: originals[n] for n in originals if n in there and there[n].originals is None})


def _give_back(
    client: OpenSearch, loading: Mapping[str, IndexMark], legacy: Mapping[str, Settings]
) -> tuple[list[str], dict[str, str]]:
    """Settings of days as far as each of them takes its own.

    :param legacy: originals that the ledger knows, of versions that wrote them there
    :returns: names of those that have theirs again, and name -> why of the others
    """
    wanted = {name: mark.originals for name, mark in loading.items() if mark.originals} | dict(legacy)
    refused = put_settings(client, wanted)
    # Replicas that find no room must not keep searches from seeing what is there.
    put_settings(client, {name: {_REFRESH: wanted[name].get(_REFRESH)} for name in refused})
    given = {name: mark for name, mark in loading.items() if name not in refused}
    refused |= set_marks(client, {name: IndexMark(mark.made_by, None) for name, mark in given.items()})
    return sorted(name for name in {*loading, *legacy} if name not in refused), refused


def _sentence(refused: Mapping[str, str]) -> str:
    return (
        f"The settings for loading cannot be undone in {_named(refused)} What they were before is written down in the "
        f"index (_meta.strata.loading of its mapping), all other days have theirs. Lift the block, or make room for "
        f"the replicas (cluster.max_shards_per_node); the next backfill of the dataset undoes them."
    )


def _named(refused: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
