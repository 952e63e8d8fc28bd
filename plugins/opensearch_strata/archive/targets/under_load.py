"""Who loads into which raw days: one document of the ledger for each raw index under load.

A loader registers before it touches an index, and looks at the index after that. Who deletes one blocks its writes
first, and looks for registrations after that. So of the two at least one knows of the other, whoever comes first.

A registration holds for hours, as a run's next task may have to wait for a worker; whoever is working renews it. One by
a process of this machine that is dead holds no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.ledger.index import LEDGER_INDEX, Change, Stored
from opensearch_strata.archive.ledger.rows import settings_id
from opensearch_strata.archive.ledger.store import Ledger, now_ms
from opensearch_strata.connections import decisive
from opensearch_strata.connections.processes import is_dead
from opensearch_strata.connections.retrying import is_odd, patiently
from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PROCESS_LEASE = 600.0
"""Seconds for which a process registers that renews all the time, and whose death can be seen on its machine only."""

_PATIENCE = 20.0  # seconds for which the ledger is asked while writes to a raw day are blocked
_Source = Mapping[str, Any]


def register(ledger: Ledger, names: Iterable[str], owner: str, process: str = "") -> None:
    """Say that somebody loads into raw indices from now on, or still does.

    :param owner: the run; all its steps share it
    :param process: where the run is one process, its name; see :mod:`opensearch_strata.connections.processes`
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
    """Raw index -> its document, of all that are or were under load."""
    return {stored.source["raw_index"]: stored for stored in ledger.index.find(ledger.query("settings"))}


def read(ledger: Ledger, names: Iterable[str]) -> dict[str, Stored]:
    """Raw index -> its document as it is at this moment, of those that have one."""
    found = ledger.index.get(settings_id(ledger.dataset_name, name) for name in names)
    return {stored.source["raw_index"]: stored for stored in found.values()}


def users(source: _Source, but: str = "") -> dict[str, int]:
    """Owner -> until when (epoch milliseconds), of those who load into a raw index and are not known to be dead.

    :param but: an owner who does not count
    """
    now = now_ms()
    return {
        user["owner"]: user["lease_until"]
        for user in source["users"]
        if user["owner"] != but and user["lease_until"] > now and not is_dead(user.get("process", ""))
    }


def take_over(ledger: Ledger, names: Collection[str], owner: str, process: str = "") -> list[str]:
    """Become the only user of raw indices whose users are all gone or dead; which of them they were."""
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
    """Whether an owner is registered for a raw index and nobody else is; written down at this very moment."""
    stored = read(ledger, [name]).get(name)
    if stored is None or users(stored.source, but=owner) or owner not in users(stored.source):
        return False
    ours = [user for user in stored.source["users"] if user["owner"] == owner]
    change = Change(stored.id, {**stored.source, "users": ours}, stored.seq_no, stored.primary_term)
    return ledger.index.write([change])[0] is not None


def leave(ledger: Ledger, names: Iterable[str], owner: str, *, unfinished: bool = False) -> None:
    """Take an owner off raw indices; where nobody alive is left, nothing is known of the load any more.

    :param unfinished: something is still to be done for them, which the next run takes over
    """
    _leave(ledger, names, owner, lambda _: True, unfinished)


def leave_to_others(ledger: Ledger, names: Iterable[str], owner: str) -> list[str]:
    """Take an owner off raw indices as long as somebody else alive loads into them.

    :returns: those into which nobody else does any more; the owner is still registered for them
    """
    return _leave(ledger, names, owner, bool)


def _leave(
    ledger: Ledger, names: Iterable[str], owner: str, may: Callable[[list[Any]], bool], unfinished: bool = False
) -> list[str]:
    """Take an owner off raw indices; which of them it may not leave.

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
    """Refuse to delete a raw day into which somebody loads. To be asked while its writes are blocked.

    :param dataset_name: whose raw day it is
    :param index: the raw day
    :param ledger_index: name of the ledger's index
    :raises Refused: somebody does, or the user may not read the ledger
    :raises TransientError: the ledger cannot be read, so that nobody knows
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
            f"{index} was kept: the ledger {ledger_index} cannot be read, so nobody knows whether a backfill loads "
            f"into it. {explain(error)} {cure}"
        ) from error
    if found.get("found") and (loading := users(found["_source"])):
        raise Refused(f"{index} was kept: {told_loading(loading)} Run again when that has ended.")


def told_loading(loading: Mapping[str, int]) -> str:
    """Who loads, and how long that holds if they are never heard of again, in a sentence."""
    named = ", ".join(
        f"{owner} (registered until {datetime.fromtimestamp(until / 1000, UTC):%Y-%m-%d %H:%M} UTC)"
        for owner, until in sorted(loading.items())
    )
    return f"{named} {'loads' if len(loading) == 1 else 'load'} into it."


def _document(client: OpenSearch, asked: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """The document, or one that is not found where there is no ledger, so that nobody loads.

    :raises Refused: the user may not read it
    :raises TransientError: it cannot be read for now
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
