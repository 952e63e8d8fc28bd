"""Sets up raw days for loading and restores them: days that a load creates have no refresh or replicas during the load.

Days that already exist may be in use by others, so they keep their settings. The original settings of a day that a load
created are recorded in the index itself before the day is set up; the ledger records who loads into it. The last loader
to leave restores the settings. A loader that was killed leaves too, once its registration expires: the next run takes
care of that.

Loading settings are never mistaken for the original ones: only the loader that created an index sets it up, once, when
the originals are already in its mapping, and they are removed from there only once they are in force again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import under_load
from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.archive.targets.made_days import LoadNote, RestoredForms, create, notes, put_notes
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
"""Settings of a raw day while it is being loaded."""


def prepare(
    client: OpenSearch,
    ledger: Ledger,
    dataset: Dataset,
    days: Iterable[date],
    owner: str,
    process: str = "",
    restored: RestoredForms | None = None,
) -> list[str]:
    """Register for raw days, create the missing ones, set those up for loading, and map the fields to be loaded.

    Safe to repeat, and safe to call from several loaders simultaneously. On Serverless, which has no such settings and
    where no days are deleted, indices are only created and mapped.

    :param owner: who loads; all tasks of a run may share it
    :param process: name of the process if the run is a single one
    :param restored: for a restore: what its days were archived with, which takes the place of the fields to be loaded
    :returns: names of the indices that were created
    :raises Refused: a day is read-only, write-blocked, closed or not an index, has another mapping than it was archived
        with, a template is in the way, or the cluster has no room for the shards
    :raises TransientError: a disk is full
    """
    names = [dataset.raw_index(day) for day in days]
    return prepare_indices(client, ledger, dataset, names, owner, process, restored)


def prepare_indices(
    client: OpenSearch,
    ledger: Ledger,
    dataset: Dataset,
    names: Sequence[str],
    owner: str,
    process: str = "",
    restored: RestoredForms | None = None,
    *,
    live: bool = False,
) -> list[str]:
    """Do what :func:`prepare` does, for indices given by their names.

    :param live: people read the days while they are loaded, so those that are created keep their refresh and replicas
    """
    forms = restored.forms if restored else {}
    there = writable_days(client, names)  # nothing is registered for indices that cannot be loaded
    _require_form(forms, there)
    if not ledger.index.serverless:
        settings = {name: form.settings for name, form in forms.items()}
        require_shard_room(client, [name for name in names if name not in there], settings)
        under_load.register(ledger, names, owner, process)
        there = writable_days(client, names)  # whoever deletes one from now on knows of us; see under_load
    created = [name for name in names if name not in there and create(client, name, owner, restored, live=live)]
    if not ledger.index.serverless:
        _set_up(client, names, owner)
    there |= writable_days(client, [name for name in names if name not in there])
    _require_form(forms, there)
    fields = raw_properties(dataset)
    add_fields(
        client,
        {
            name: missing_properties(fields, body["mappings"].get("properties", {}))
            for name, body in there.items()
            if name not in forms
        },
    )
    return created


def _require_form(forms: Mapping[str, ArchivedForm], there: Mapping[str, Any]) -> None:
    """Refuse to restore documents into an index that maps their fields in another way than when they were archived.

    :param there: name -> what the server shows of the index
    """
    for name in forms.keys() & there.keys():
        if difference := forms[name].difference(there[name]["mappings"]):
            raise Refused(
                f"{name} has another mapping than the archived one: {difference}. Nothing was restored into it. If the "
                f"index was there before, delete it or move its documents elsewhere; if not, an index template changes "
                f"it, so leave this name out of its index_patterns. Then restore the day again."
            )


def renew(ledger: Ledger, dataset: Dataset, days: Iterable[date], owner: str, process: str = "") -> None:
    """Renew an owner's registrations; see :func:`~opensearch_strata.archive.targets.under_load.renewal`."""
    if not ledger.index.serverless:
        under_load.register(ledger, [dataset.raw_index(day) for day in days], owner, process)


def to_be_ended(
    client: OpenSearch, ledger: Ledger, dataset: Dataset, owner: str, process: str = ""
) -> tuple[list[str], dict[str, LoadNote]]:
    """Find the raw days that an owner has to put in order, and register the owner for them.

    These are the days that it loads into or created, and those that dead loaders left behind.

    :returns: their names, and the notes of those among them that a load created and that are not restored yet
    """
    loading = _loading(client, dataset)
    registered = under_load.registrations(ledger)
    ours = {name for name, stored in registered.items() if owner in under_load.users(stored.source)}
    lost = {name for name, note in loading.items() if note.made_by == owner and name not in registered}
    if lost:  # the registrations were lost with the ledger
        under_load.register(ledger, lost, owner, process)
    left = under_load.take_over(ledger, registered.keys() - ours, owner, process)
    names = sorted({*ours, *lost, *left})
    return names, {name: note for name, note in loading.items() if name in names}


def restore(
    client: OpenSearch,
    ledger: Ledger,
    dataset: Dataset,
    owner: str,
    process: str = "",
    unfinished: Collection[str] = (),
) -> list[str]:
    """Remove an owner from all days that it loaded into, and restore the settings of those that nobody loads into.

    Days that dead loaders left behind are restored as well, even if the ledger was lost. If settings of days of other
    owners cannot be restored, this is only logged: it is not this run's fault.

    :param unfinished: days that stay set up for loading, for the next run to put in order
    :returns: names of the indices whose settings were restored; others restore the days that they load into
    :raises Refused: the settings of a day cannot be restored now; they stay recorded in the index
    """
    if ledger.index.serverless:
        return []
    names, _ = to_be_ended(client, ledger, dataset, owner, process)
    back, refused, left_to_us = _restore(client, ledger, dataset, owner, names, unfinished)
    while left_to_us:
        more, not_given, left_to_us = _restore(client, ledger, dataset, owner, left_to_us, unfinished)
        back, refused = back + more, refused | not_given
    loading = _loading(client, dataset) if refused else {}
    if own := {name: why for name, why in refused.items() if loading.get(name, LoadNote("", None)).made_by == owner}:
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

    :returns: names of the indices whose settings were restored, name -> reason for those whose settings were not, and
        names of those whose other users have left in the meantime, possibly leaving the day to this owner
    """
    loading = _loading(client, dataset)
    registered = under_load.registrations(ledger)  # read after the notes: a loader registers before it creates a day
    users = {name: under_load.users(stored.source, but=owner) for name, stored in registered.items()}
    theirs = [name for name in names if name in loading and users.get(name) and name not in unfinished]
    for name in theirs:
        _log.info("%s stays set up for loading. %s", name, under_load.told_loading(users[name]))
    ours = [name for name in names if name not in theirs]
    mine = {n: note for n, note in loading.items() if not users.get(n) and n not in unfinished}
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


def _loading(client: OpenSearch, dataset: Dataset) -> dict[str, LoadNote]:
    """The raw days that loads created and that have not been restored yet."""
    names = dataset.raw.names
    found = notes(client, [names.expression])
    return {name: note for name, note in found.items() if note.originals is not None and names.date_in(name)}


def _set_up(client: OpenSearch, names: Collection[str], owner: str) -> None:
    """Apply the loading settings to the days that an owner created and that do not have them yet."""
    ours = [n for n, note in notes(client, list(names)).items() if note == LoadNote(owner, {})]
    originals = settings_of(client, ours, LOADING)
    refused = put_notes(client, {name: LoadNote(owner, settings) for name, settings in originals.items()})
    wanted = [name for name in originals if name not in refused]
    refused |= put_settings(client, dict.fromkeys(wanted, LOADING))
    # Domains in several zones insist on their number of copies.
    wanted = [name for name in wanted if name in refused]
    refused |= put_settings(client, {name: {_REFRESH: LOADING[_REFRESH]} for name in wanted})
    if refused:
        _log.info("Not all settings for loading could be applied to %s", _named(refused))
    # If this process slept for longer than its registration lasts, it was taken for dead and the day was restored.
    there = notes(client, list(originals))
    put_settings(client, {n: originals[n] for n in originals if n in there and there[n].originals is None})


def _give_back(
    client: OpenSearch, loading: Mapping[str, LoadNote], legacy: Mapping[str, Settings]
) -> tuple[list[str], dict[str, str]]:
    """Restore the settings of each day that accepts them.

    :param legacy: original settings from the ledger, where earlier versions recorded them
    :returns: names of the days whose settings were restored, and name -> reason for the others
    """
    wanted = {name: note.originals for name, note in loading.items() if note.originals} | dict(legacy)
    refused = put_settings(client, wanted)
    # If there is no room for replicas, searches must still see the documents, so refresh is restored on its own.
    put_settings(client, {name: {_REFRESH: wanted[name].get(_REFRESH)} for name in refused})
    given = {name: note for name, note in loading.items() if name not in refused}
    refused |= put_notes(client, {name: LoadNote(note.made_by, None) for name, note in given.items()})
    return sorted(name for name in {*loading, *legacy} if name not in refused), refused


def _sentence(refused: Mapping[str, str]) -> str:
    return (
        f"The settings for loading cannot be undone in {_named(refused)} The original settings are recorded in the "
        f"index (_meta.strata.loading of its mapping); all other days have theirs again. Lift the block, or make room "
        f"for the replicas (cluster.max_shards_per_node); the next backfill of the dataset restores them."
    )


def _named(refused: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
