"""The leases of the objects that a load is working on, renewed with checkpoints while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from threading import Event, RLock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import LeaseLost, ObjectRow, State
from opensearch_strata.archive.load.account import ObjectAccount
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearch_strata.archive.ledger.store import Ledger

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How the load of an object ended.

    :param error: sentences that say why it failed or is in quarantine, or what was damaged
    """

    tally: ObjectAccount
    state: State
    error: str = ""


class Leases:
    """Holds objects for one load, in a ``with`` block: a thread renews their leases, since sending may pause for long.

    When an exception ends the block, the objects held are released with a checkpoint, so that the next attempt need not
    wait until the leases expire.

    :param every: seconds from one renewal to the next
    """

    def __init__(self, ledger: Ledger, every: float) -> None:
        self._ledger = ledger
        self._every = every
        self._held: dict[Place, ObjectAccount] = {}
        self._writing = RLock()  # rows are updated by sequence number, so only one thread may write at a time
        self._over = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._renew_now_and_then, name="leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is not None:
            self._hand_back(f"The load was interrupted. {explain(error)}")

    def hold(self, tallies: Iterable[ObjectAccount]) -> None:
        """Hold these objects and renew their leases from now on."""
        with self._writing:
            self._held |= {tally.place: tally for tally in tallies}

    def checkpoint(self) -> None:
        """Write the progress of every held object to the ledger, under a new lease.

        Objects that somebody else has taken over are marked as lost and no longer held.

        :raises StrataError: the ledger cannot be written
        """
        with self._writing:
            held = list(self._held.values())
        if any(tally.has_unsaved_letters for tally in held):
            self._renew(held)  # renewed first, because uploads are slow and nobody may take us for dead meanwhile
        renewed = time.monotonic()
        rows: dict[Place, tuple[ObjectAccount, ObjectRow]] = {}
        for tally in held:  # without the lock, so that finishing an object need not wait for the letters of others
            rows[tally.place] = tally, _certain(tally)
            if time.monotonic() - renewed > self._every:
                self._renew(held)
                renewed = time.monotonic()
        with self._writing:
            ours = [row for place, (tally, row) in rows.items() if self._held.get(place) is tally]
            if ours:
                self._write(self._ledger.renew, ours)

    def _renew(self, tallies: Iterable[ObjectAccount]) -> None:
        """Renew leases without changing anything else in the rows."""
        with self._writing:
            rows = [tally.row for tally in tallies if self._held.get(tally.place) is tally]
            if rows:
                self._write(self._ledger.renew, rows)

    def finish(self, outcomes: Sequence[Outcome]) -> list[ObjectRow]:
        """Write the final states of settled objects and release them. Return the rows that were still ours to write.

        An object whose dead letters cannot be uploaded fails.

        :raises StrataError: the ledger cannot be written
        """
        if self._failure:
            raise self._failure
        with self._writing:
            rows = [_final(outcome) for outcome in outcomes if outcome.tally.place in self._held]
            finished = self._write(self._ledger.finish, rows) if rows else []
            for row in finished:
                self._held.pop(row.place).abandon_letters()
            return finished

    def _write(self, write: Callable[[Sequence[ObjectRow]], list[ObjectRow]], rows: list[ObjectRow]) -> list[ObjectRow]:
        try:
            written = write(rows)
        except LeaseLost as error:
            _log.warning("%s", error)
            written = error.held
            for row in error.lost:
                tally = self._held.pop(row.place)
                tally.is_lost = True
                tally.abandon_letters()
        for row in written:
            self._held[row.place].row = row
        return written

    def _renew_now_and_then(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.checkpoint()
            except StrataError as error:  # the next renewal may succeed; if all fail, the load itself fails too
                _log.warning("Leases could not be renewed. %s", error)
            except BaseException as error:  # noqa: BLE001 - raised again when the next object is finished
                self._failure = error
                return

    def _hand_back(self, why: str) -> None:
        with self._writing:
            rows: list[ObjectRow] = [
                replace(_certain(tally), state="failed", error=why) for tally in self._held.values()
            ]
            try:
                if rows:
                    self._write(self._ledger.finish, rows)
            except StrataError as error:
                _log.warning("Objects could not be released; their leases will expire. %s", error)
            for tally in self._held.values():
                tally.abandon_letters()


def _certain(tally: ObjectAccount) -> ObjectRow:
    """The row to write now. Dead letters are uploaded before it says that their records are resolved."""
    row = tally.checkpoint()
    try:
        tally.save_letters()
    except StrataError as error:
        _log.warning("Dead letters of %s have not been uploaded yet. %s", tally.place, error)
        return tally.row
    return row


def _final(outcome: Outcome) -> ObjectRow:
    tally, state, error = outcome
    if state == "failed":
        return replace(_certain(tally), state=state, error=error)
    try:
        tally.join_letters()
    except StrataError as refused:
        return replace(_certain(tally), state="failed", error=f"Its dead letters cannot be uploaded. {refused}")
    return replace(tally.whole(), state=state, error=error)
