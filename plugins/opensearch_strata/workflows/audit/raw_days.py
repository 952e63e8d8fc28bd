"""Raw days that are still there: whether their rows carry them, and why those beyond the window stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.definition.consent import consent_of
from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.audit.archived import ArchiveSeen
from opensearch_strata.workflows.audit.day_findings import AGREES, is_proven, is_redefined, redefined
from opensearch_strata.workflows.audit.findings import Finding, Kind
from opensearch_strata.workflows.audit.inventory import DayState, Inventory
from opensearch_strata.workflows.cycle import unproven
from opensearch_strata.workflows.retention import Proven, retire

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

MOST_PROVEN = 20
"""Raw days that one audit reads document by document; the others wait for the next one."""

_LATE_DAYS = 2  # a day may wait so long for the cycle that deletes it, before it is worth a word


def to_prove(inventory: Inventory) -> list[DayState]:
    """Raw days whose rows may not carry them, by their counts and marks. Those with other counts come first.

    The newest day may be without rows: its cycle is still to come. A restored day that a person wants for now is read
    when it goes, unless it holds another number of documents.
    """
    found = [
        state
        for state in inventory.days
        if state.documents
        and not is_proven(state)
        and not (state.wanted and _carries(state))
        and (state.rows or state.day < inventory.window_end)
        and state.day.replace(day=1) not in inventory.unreadable
    ]
    return sorted(found, key=lambda state: (_carries(state), -state.day.toordinal()))


def _carries(state: DayState) -> bool:
    return state.rows is not None and state.rows.documents == state.documents


def prove_day(
    client: OpenSearch,
    dataset: Dataset,
    state: DayState,
    archive: ArchiveSeen | None,
    *,
    apply: bool,
    engine: EngineName | None = None,
) -> Finding | None:
    """Compare a raw day with its rows, document by document.

    :param archive: what was found of its archive, if it has one
    :param apply: condense it anew if its rows do not carry it, and mark it if they do
    :returns: None if the raw day is gone by now
    """
    from opensearchpy import OpenSearchException

    try:
        proof = prove(client, dataset, state.day, engine=engine) if apply else verify(client, dataset, state.day)
    except (StrataError, OpenSearchException) as error:
        if is_transient(error) and not isinstance(error, StrataError):
            raise
        return _refused(state, archive, explain(error))
    match proof.state:
        case "missing" | "empty":
            return None
        case "held":
            return Finding("late", state.day, unproven(proof), "look", "Do what the sentence says.")
        case "verified":
            return _verified(dataset, state, apply=apply)
    if not proof.mendable:
        return _refused(state, archive, unproven(proof))
    return _late(dataset, state, proof, apply=apply)


def _verified(dataset: Dataset, state: DayState, *, apply: bool) -> Finding:
    if apply and not _carries(state):
        told = f"{_counts(state)} It was condensed anew, and is proven now."
        return Finding("late", state.day, told, "fine")
    told = "Its rows agree with its raw day, but its mark is stale or missing, so that readers use the raw day."
    if apply:
        return Finding("mark", state.day, f"{told} It was marked anew.", "fine")
    return Finding("mark", state.day, told, "look", f"strata audit {dataset.name} --apply")


def _late(dataset: Dataset, state: DayState, proof: Proof, *, apply: bool) -> Finding:
    if apply:
        return Finding(
            "late", state.day, f"It was condensed anew, and still differs. {unproven(proof)}", "look",
            "The raw day is kept. Send the table of strata verify with a bug report.",
        )  # fmt: skip
    told = _counts(state) if not _carries(state) else unproven(proof)
    return Finding("late", state.day, told, "look", f"strata audit {dataset.name} --apply")


def _counts(state: DayState) -> str:
    held = counted(state.documents or 0, "document")
    if state.rows is None:
        return f"Its raw day holds {held}, but it was never condensed."
    return f"Its raw day holds {held}, but its rows carry {state.rows.documents:,}."


def _refused(state: DayState, archive: ArchiveSeen | None, why: str) -> Finding:
    """A day that cannot be condensed anew. If the raw day holds less than its rows carry, documents of it are gone."""
    carried = state.rows.documents if state.rows else 0
    if (state.documents or 0) >= carried:
        return Finding("late", state.day, why, "look", "Do what the sentence says.")
    if archive and archive.holds and archive.documents >= carried:
        return Finding("late", state.day, why, "look", "Its archive has all of them: restore the day from it.")
    cure = "Load the day again. If what is left of it is right, say so as the sentence describes."
    return Finding("late", state.day, why, "lost", cure)


def see_raw_day(
    client: OpenSearch,
    dataset: Dataset,
    inventory: Inventory,
    state: DayState,
    archive: ArchiveSeen | None,
    *,
    proven: bool,
) -> Iterator[Finding]:
    """What is to be said of a raw day besides its proof: whether its archive is due, and why it has not been deleted.

    :param archive: what was found of its archive, if it has one
    :param proven: whether its rows are proven by now
    """
    beyond = state.day <= newest_expired(inventory.window_end, dataset.raw.window_days)
    behind = None if state.wanted else _behind(client, dataset, state, archive, inventory.window_end)
    if state.documents == 0:
        cure = "If it is meant to be empty, delete it by hand; otherwise load the day."
        yield Finding("missing", state.day, "Its raw day is empty, which proves nothing.", "look", cure)
    elif state.wanted:
        yield Finding("beyond the window", state.day, f"Its raw day is older than the window: {state.wanted}.", "fine")
    elif beyond:
        yield _beyond(client, dataset, inventory, state, behind, proven=proven)
    elif behind:
        yield behind
    if is_redefined(dataset, state) and not proven:
        yield redefined(dataset, state.day)
    if proven:
        yield Finding("day", state.day, AGREES, "fine")


def _behind(
    client: OpenSearch, dataset: Dataset, state: DayState, archive: ArchiveSeen | None, window_end: date
) -> Finding | None:
    """Whether a day should have an archive of the documents that it holds now, and has not."""
    settings, index = dataset.archive, dataset.raw_index(state.day)
    if settings is None or not state.documents:
        return None
    age = (window_end - state.day).days + 1
    due = settings.after_days is not None and settings.after_days < age
    leaves = settings.before_delete and state.day <= newest_expired(window_end, dataset.raw.window_days)
    if not (due or leaves or archive):
        return None
    if archive is None:
        told = "It is not archived, although it is old enough."
    elif archive.version and _version(client, index) != archive.version:
        told = "Its raw day was written to, or made anew, after it was archived."
    else:
        return None
    cure = f"The next daily cycle archives it. Or: strata archive {dataset.name} --from {{first}} --to {{last}} --apply"
    return Finding("archive", state.day, told, "look", cure)


def _version(client: OpenSearch, index: str) -> tuple[str, tuple[int, ...]] | None:
    from opensearchpy import NotFoundError

    try:
        now = decisive.primaries(client, index)
    except NotFoundError:
        return None
    return now.uuid, now.sequence


def _beyond(
    client: OpenSearch,
    dataset: Dataset,
    inventory: Inventory,
    state: DayState,
    behind: Finding | None,
    *,
    proven: bool,
) -> Finding:
    """Why a raw day beyond the window stays, as its cycle would say it."""
    from opensearchpy import OpenSearchException

    kind: Kind = "beyond the window"
    told = "Its raw day is older than the window. "
    consent = consent_of(dataset)
    if not consent.given:
        cure = f"strata expire {dataset.name} --day {inventory.window_end}" if consent.asked else ""
        return Finding(kind, state.day, told + consent.sentence, "look" if consent.asked else "fine", cure)
    raw = Proven(dataset.raw_index(state.day), state.day, state.uuid, state.documents or 0)
    try:
        retire(client, dataset, raw, inventory.window_end, dry_run=True)
    except (StrataError, OpenSearchException) as error:
        if is_transient(error) and not isinstance(error, StrataError):
            raise
        return Finding(kind, state.day, told + explain(error), "look", "Do what the sentence says.")
    if not proven:
        cure = f"See what the audit says of its rows, or: strata verify {dataset.name} {{first}}"
        return Finding(kind, state.day, f"{told}It is kept because its rows are not proven.", "look", cure)
    if behind:
        told += f"It is kept because it has no proven archive. {behind.finding}"
        return Finding(kind, state.day, told, "look", behind.cure)
    waits = (newest_expired(inventory.window_end, dataset.raw.window_days) - state.day).days
    cure = f"Unpause {dataset.name}_daily_cycle, or: strata expire {dataset.name} --day {inventory.window_end} --apply"
    archives = dataset.archive is not None and dataset.archive.before_delete
    first = " archives it again if its archive does not hold, and then" if archives else ""
    told += f"Nothing keeps it: it waits for the next daily cycle, which{first} deletes it."
    return Finding(kind, state.day, told, "fine" if waits < _LATE_DAYS else "look", cure if waits >= _LATE_DAYS else "")


def waiting(states: Sequence[DayState]) -> Iterator[Finding]:
    """Raw days that this audit does not read.

    :param states: see :func:`to_prove`, beyond those that are read
    """
    for state in states:
        told = _counts(state) if not _carries(state) else "Its mark is stale or missing."
        yield Finding("late", state.day, f"{told} This audit read {MOST_PROVEN} other days.", "look", "Run it again.")
