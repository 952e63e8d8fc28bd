"""Who loads into which raw days: the ledger has one document for each raw index under load.

A loader registers before it touches an index, and only then looks at the index. Whoever deletes an index blocks its
writes first, and only then looks for registrations. So at least one of the two knows of the other, whoever comes first.

A registration is valid for hours, because a run's next task may have to wait for a worker; whoever is working renews
it. A registration by a process of this machine is void once that process is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.ledger.index import LEDGER_INDEX, Change, Stored
from opensearch_strata.archive.ledger.row_documents import settings_id
from opensearch_strata.archive.ledger.store import Ledger, now_ms
from opensearch_strata.connections import decisive
from opensearch_strata.connections.processes import is_dead
from opensearch_strata.connections.retrying import is_odd, patiently
from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PROCESS_LEASE = 600.0
"""Seconds for which a process registers: it renews all the time, and only its own machine can see that it is dead."""

_PATIENCE = 20.0  # seconds for which requests to the ledger are retried while writes to a raw day are blocked
_Source = Mapping[str, Any]


def register(ledger: Ledger, names: Iterable[str], owner: str, process: str = "") -> None:
    """Register somebody who loads into raw indices, or renew the registration.

    :param owner: the run; all its steps share it
    :param process: name of the process if the run is a single one; see :mod:`opensearch_strata.connections.processes`
    """
    ids = {settings_id(ledger.dataset_name, name): name for name in names}

    def registered(identity: str, source: _Source | None) -> _Source:
        new = {"kind": "settings", "dataset": ledger.dataset_name, "raw_index": ids[identity], "users": []}
        user = {"owner": owner, "lease_until": now_ms() + int(_lease(ledger, process) * 1000)}
        kept: _Source = source or new
        users = [one for one in kept["users"] if one["owner"] != owner]
        return {**kept, "users": [*users, {**user, **({"process": process} if process else {})}]}

    ledger.index.change(ids, registered)


def renewal(ledger: Ledger, process: str = "") -> float:
    """Seconds from one renewal of a registration to the next."""
    return _lease(ledger, process) / 4


def registrations(ledger: Ledger) -> dict[str, Stored]:
    """Raw index -> its document, for all raw indices that are or were under load."""
    return {stored.source["raw_index"]: stored for stored in ledger.index.find(ledger.query("settings"))}


def read(ledger: Ledger, names: Iterable[str]) -> dict[str, Stored]:
    """Raw index -> its document at this moment, for those that have one."""
    found = ledger.index.get(settings_id(ledger.dataset_name, name) for name in names)
    return {stored.source["raw_index"]: stored for stored in found.values()}


def users(source: _Source, but: str = "") -> dict[str, int]:
    """Owner -> end of the registration (epoch milliseconds), for those who load into a raw index and may be alive.

    :param but: an owner to leave out
    """
    now = now_ms()
    return {
        user["owner"]: user["lease_until"]
        for user in source["users"]
        if user["owner"] != but and user["lease_until"] > now and not is_dead(user.get("process", ""))
    }


def take_over(ledger: Ledger, names: Collection[str], owner: str, process: str = "") -> list[str]:
    """Become the only user of those raw indices whose users are all gone or dead, and return their names."""
    user = {"owner": owner, "lease_until": now_ms() + int(_lease(ledger, process) * 1000)}
    users_then = [{**user, **({"process": process} if process else {})}]
    free = {name: stored for name, stored in read(ledger, names).items() if not users(stored.source)}
    changes = [
        Change(stored.id, {**stored.source, "users": users_then}, stored.seq_no, stored.primary_term)
        for stored in free.values()
    ]
    written = ledger.index.write(changes)
    return [name for name, version in zip(free, written, strict=True) if version is not None]


def confirm_alone(ledger: Ledger, name: str, owner: str) -> bool:
    """Whether an owner, and nobody else, is registered for a raw index; confirmed by a write at this very moment."""
    stored = read(ledger, [name]).get(name)
    if stored is None or users(stored.source, but=owner) or owner not in users(stored.source):
        return False
    ours = [user for user in stored.source["users"] if user["owner"] == owner]
    change = Change(stored.id, {**stored.source, "users": ours}, stored.seq_no, stored.primary_term)
    return ledger.index.write([change])[0] is not None


def leave(ledger: Ledger, names: Iterable[str], owner: str, *, unfinished: bool = False) -> None:
    """Remove an owner from raw indices. If no living user remains, the document of the index is deleted.

    :param unfinished: work on the indices remains for the next run, so their documents are kept
    """
    _leave(ledger, names, owner, lambda _: True, unfinished)


def leave_to_others(ledger: Ledger, names: Iterable[str], owner: str) -> list[str]:
    """Remove an owner from those raw indices that somebody else, who is alive, loads into.

    :returns: the indices that nobody else loads into any more; the owner is still registered for them
    """
    return _leave(ledger, names, owner, bool)


def _leave(
    ledger: Ledger, names: Iterable[str], owner: str, may: Callable[[list[Any]], bool], unfinished: bool = False
) -> list[str]:
    """Remove an owner from raw indices and return the names of those that it may not leave.

    :param may: whether an index may be left to the users who remain
    """
    pending, stuck = list(names), list[str]()
    while pending:
        changes = {}
        for name, stored in read(ledger, pending).items():
            alive = users(stored.source, but=owner)
            rest = [user for user in stored.source["users"] if user["owner"] in alive]
            if not may(rest):
                stuck.append(name)
                continue
            source = {**stored.source, "users": rest} if rest or unfinished else None
            changes[name] = Change(stored.id, source, stored.seq_no, stored.primary_term)
        written = ledger.index.write(list(changes.values()))
        pending = [name for name, version in zip(changes, written, strict=True) if version is None]
    return stuck


def require_not_loading(client: OpenSearch, dataset_name: str, index: str, *, ledger_index: str = LEDGER_INDEX) -> None:
    """Refuse to delete a raw day that somebody loads into. Call this while writes to the day are blocked.

    :param dataset_name: the dataset of the raw day
    :param index: the raw day
    :param ledger_index: name of the ledger's index
    :raises Refused: somebody loads into it, or the user may not read the ledger
    :raises TransientError: the ledger cannot be read, so it is not known whether somebody loads into it
    """
    asked = [{"_index": ledger_index, "_id": settings_id(dataset_name, index)}]
    try:
        (found,) = patiently(lambda: _document(client, asked), _PATIENCE)
    except Exception as error:
        if not (isinstance(error, StrataError) or is_transient(error) or is_odd(error) or _is_of_server(error)):
            raise
        passes = is_transient(error) or is_odd(error)
        cure = "Run again." if passes else f"Give the user indices:data/read/mget[shard] on {ledger_index}."
        raise (TransientError if passes else Refused)(
            f"{index} was kept: the ledger {ledger_index} cannot be read, so it is not known whether a backfill is "
            f"loading into it. {explain(error)} {cure}"
        ) from error
    if found.get("found") and (loading := users(found["_source"])):
        raise Refused(f"{index} was kept: {told_loading(loading)} Run again when the load has ended.")


def told_loading(loading: Mapping[str, int]) -> str:
    """A sentence that says who is loading, and until when each is registered if it never renews.

    :param loading: owner -> end of the registration, epoch milliseconds
    """
    named = ", ".join(
        f"{owner} (registered until {datetime.fromtimestamp(until / 1000, UTC):%Y-%m-%d %H:%M} UTC)"
        for owner, until in sorted(loading.items())
    )
    return f"{named} {'is' if len(loading) == 1 else 'are'} loading into it."


def _document(client: OpenSearch, asked: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """The document. If there is no ledger, and so nobody loads, it is one that is not found.

    :raises Refused: the user may not read it
    :raises TransientError: it cannot be read at the moment
    """
    found = list(decisive.get_documents(client, asked))
    error = found[0].get("error") or {}
    match error.get("type"):
        case None | "index_not_found_exception":
            return found
        case "security_exception":
            raise Refused(f"{error.get('reason')}.")
        case kind:
            raise TransientError(f"OpenSearch answered {kind} ({error.get('reason')}).")


def _is_of_server(error: BaseException) -> bool:
    from opensearchpy import OpenSearchException

    return isinstance(error, OpenSearchException)


def _lease(ledger: Ledger, process: str) -> float:
    return min(PROCESS_LEASE, ledger.day_lease) if process else ledger.day_lease
