"""Leases come first: letters of however many objects keep nobody waiting for a renewal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from opensearch_strata.archive.documents.shaper import Dead
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.load.account import ObjectAccount
from opensearch_strata.archive.load.leases import Leases, Outcome


class Ledger:
    """Notes in which order it is written to."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def renew(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        self.done.append(f"renew {[row.counts.dead for row in rows]}")
        return list(rows)

    def finish(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        self.done.append(f"finish {[row.place.key for row in rows]}")
        return list(rows)


class Letters:
    """Takes a while for each upload."""

    def __init__(self, done: list[str], seconds: float = 0) -> None:
        self.done, self.seconds, self.has_unsaved = done, seconds, False

    def add(self, *_: Any) -> None:
        self.has_unsaved = True

    def save(self) -> None:
        time.sleep(self.seconds)
        self.done.append("save")
        self.has_unsaved = False

    join = save

    def abandon(self) -> None:
        pass


def tally_of(done: list[str], key: str, seconds: float = 0) -> ObjectAccount:
    """One with a dead letter, behind which another body begins."""
    letters: Any = Letters(done, seconds)
    tally = ObjectAccount(ObjectRow(Place("b", key), 1, (0, 1)), letters)
    portion = tally.begin(0)
    portion.read = 1
    tally.add_dead_letter(portion, Dead("unparsed", "no", 0, 0, b"", "", ""))
    tally.begin(1)
    return tally


def leases_of(done: list[str], every: float) -> Leases:
    ledger: Any = Ledger(done)
    return Leases(ledger, every)


def test_leases_are_renewed_before_letters_are_uploaded_and_rows_behind_them() -> None:
    done: list[str] = []
    leases = leases_of(done, 60)
    leases.hold([tally_of(done, "x"), tally_of(done, "y")])
    leases.checkpoint()
    assert done == ["renew [0, 0]", "save", "save", "renew [1, 1]"]


def test_leases_are_renewed_between_uploads_that_take_long() -> None:
    done: list[str] = []
    leases = leases_of(done, 0.05)
    leases.hold([tally_of(done, key, 0.06) for key in "xyz"])
    leases.checkpoint()
    assert done[:6] == ["renew [0, 0, 0]", "save", "renew [0, 0, 0]", "save", "renew [0, 0, 0]", "save"]
    assert done[-1] == "renew [1, 1, 1]"


def test_without_new_letters_one_write_is_enough() -> None:
    done: list[str] = []
    leases = leases_of(done, 60)
    leases.hold([tally_of(done, "x")])
    leases.checkpoint()
    done.clear()
    leases.checkpoint()
    assert done == ["save", "renew [1]"]


def test_an_object_that_is_finished_while_letters_of_others_are_uploaded_stays_finished() -> None:
    done: list[str] = []
    leases = leases_of(done, 60)
    first, second = tally_of(done, "x"), tally_of(done, "y")
    leases.hold([first, second])
    save = second.save_letters

    def then_finish() -> None:
        second.save_letters = save  # type: ignore[method-assign]
        leases.finish([Outcome(first, "done")])
        save()

    second.save_letters = then_finish  # type: ignore[method-assign]
    leases.checkpoint()
    assert done[-1] == "renew [1]"
    assert "finish ['x']" in done
