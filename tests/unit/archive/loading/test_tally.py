"""The account of an object: whatever the order of the answers, a checkpoint is exact about what is below it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.documents.shaper import Dead
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.definition.loading.event_rules import NO_RULES, RuleMarks

ROW = ObjectRow(Place("b", "k", "e"), 10, (0, 1))

RULES = RuleMarks(skip=frozenset({"12345678"}))


class Letters:
    """Takes dead letters, keeps their number."""

    def __init__(self) -> None:
        self.added = 0

    def add(self, dead: Dead, format_name: str) -> None:
        self.added += 1


def tally_of(row: ObjectRow = ROW) -> ObjectAccount:
    letters: Any = Letters()
    tally = ObjectAccount(row, letters)
    tally.rules = RULES
    return tally


def dead(record: int) -> Dead:
    return Dead("rejected", "no", record, 0, b"", "i", "x")


# Of each event: the record goes on / begins, what becomes of it, whether the body ends behind it.
stories = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(["created", "existed", "rejected", "filtered", "unwanted", "dead"]),
        st.booleans(),
    ),
    max_size=40,
)


@given(stories, st.randoms(use_true_random=False))
def test_a_checkpoint_is_exact_about_the_records_below_it(
    story: list[tuple[bool, str, bool]], rng: random.Random
) -> None:
    tally = tally_of()
    portion: BulkShare | None = None
    record = 0
    outcomes: list[tuple[int, str]] = []
    pending: list[tuple[BulkShare, str]] = []
    for goes_on, fate, cut in story:
        record += not goes_on
        if portion is None:
            portion = tally.begin(record)
        portion.last = record
        portion.read += 1
        outcomes.append((record, fate))
        if fate in ("filtered", "unwanted"):
            portion.filtered += 1
            portion.unwanted += fate == "unwanted"
        elif fate == "dead":
            tally.add_dead_letter(portion, dead(record))
        else:
            portion.waiting += 1
            pending.append((portion, fate))
        if cut:
            portion = None
            _settle_some(tally, pending, rng, rng.random())
            _assert_exact(tally.checkpoint(), outcomes)
    tally.end()
    assert tally.is_settled is not bool(pending)
    _settle_some(tally, pending, rng, 1)
    assert tally.is_settled
    whole = tally.whole()
    _assert_exact(whole, outcomes)
    assert whole.counts.read == len(story)
    assert whole.resume == (record + 1 if story else 0)


def _settle_some(tally: ObjectAccount, pending: list[tuple[BulkShare, str]], rng: Any, share: float) -> None:
    rng.shuffle(pending)
    for _ in range(round(len(pending) * share)):
        portion, fate = pending.pop()
        if fate == "rejected":
            tally.rejected(portion, dead(portion.first))
        else:
            counts: Any = {fate: 1}
            tally.stored(portion, "i", **counts)


def _assert_exact(row: ObjectRow, outcomes: list[tuple[int, str]]) -> None:
    below = Counter(fate for record, fate in outcomes if record < row.resume)
    buried = below["dead"] + below["rejected"]
    filtered, unwanted = below["filtered"] + below["unwanted"], below["unwanted"]
    assert row.counts == Counts(below.total(), below["created"], below["existed"], filtered, buried, unwanted)
    assert row.rules == (RULES if unwanted else NO_RULES)
    assert row.counts.balanced
    assert row.days.get("i", 0) == below["created"]
    assert row.there.get("i", 0) == below["existed"]


def test_a_takeover_adds_to_what_was_counted() -> None:
    row = ObjectRow(ROW.place, 10, (0, 1), counts=Counts(5, 5), days={"i": 5}, resume=5, seconds=2.0)
    tally = tally_of(row)
    portion = tally.begin(5)
    portion.read = portion.waiting = 1
    tally.stored(portion, "i", created=1, sample="i/x")
    tally.seconds = 1.0
    tally.end()
    whole = tally.whole()
    assert (whole.counts, whole.days, whole.resume) == (Counts(6, 6), {"i": 6}, 6)
    assert (whole.samples, whole.seconds) == (("i/x",), 3.0)


def test_what_was_created_before_a_restart_is_known_though_it_is_there_by_then() -> None:
    row = ObjectRow(ROW.place, 10, (0, 1), counts=Counts(5, 5), days={"i": 5}, resume=5, seconds=2.0)
    tally = tally_of(row)
    tally.restart()
    portion = tally.begin(0)
    portion.read = portion.waiting = 1
    tally.stored(portion, "i", existed=1)
    tally.end()
    whole = tally.whole()
    assert (whole.counts, whole.resume, whole.seconds) == (Counts(1, 0, 1), 1, 0.0)
    assert (whole.earlier, whole.days.get("i", 0), whole.there) == ({"i": 5}, 0, {"i": 1})


def test_a_record_in_two_bodies_holds_the_checkpoint_until_both_are_answered() -> None:
    tally = tally_of()
    first, second = tally.begin(0), tally.begin(0)
    for portion in (first, second):
        portion.read = portion.waiting = 1
    tally.begin(1)
    tally.stored(first, "i", created=1)
    assert tally.checkpoint().resume == 0
    tally.stored(second, "i", created=1)
    assert (tally.checkpoint().resume, tally.checkpoint().counts) == (1, Counts(2, 2))
