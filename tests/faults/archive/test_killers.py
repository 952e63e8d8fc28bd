"""Objects that kill whoever loads them: named at the fourth try, and none of the others waits for that."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.takeover import taken_over
from opensearch_strata.archive.load import loading as load_module
from opensearch_strata.archive.load.leases import Leases
from tests.faults.archives import SPAN, Archive, cloudwatch, events

LEASE = 0.6


class Killed(BaseException):
    """As if the process were gone: nobody puts anything in order."""


@pytest.fixture
def deadly(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A batch whose second object kills its loader; what was read is noted."""
    archive.lease = LEASE
    for start in range(0, 400, 100):
        archive.put(cloudwatch(events(range(start, start + 100))))
    killer = archive.objects[1].place
    seen: list[str] = []
    really = load_module.Loading._load_object

    def load_object(self: Any, tally: Any, blocks: Any) -> None:
        seen.append(tally.place.key)
        if tally.place == killer:
            monkeypatch.setattr(Leases, "_hand_back", lambda *_: None)
            raise Killed
        really(self, tally, blocks)

    monkeypatch.setattr(load_module.Loading, "_load_object", load_object)
    return seen


def test_an_object_that_kills_its_loader_is_in_quarantine_at_the_fourth_try(
    archive: Archive, deadly: list[str]
) -> None:
    killer = archive.objects[1].place
    for _ in range(3):
        with pytest.raises(Killed):
            archive.load(renew_every=0.1)
        time.sleep(LEASE + 0.2)
    archive.load(renew_every=0.1).require_success()
    assert deadly.count(killer.key) == 3
    states = {row.place: row.state for row in archive.rows()}
    assert states.pop(killer) == "quarantined"
    assert set(states.values()) == {"done"}
    archive.assert_loaded([*range(100), *range(200, 400)])
    (row,) = [row for row in archive.rows() if row.place == killer]
    assert row.error.startswith(f"3 loaders in a row died while they were loading {killer}, none of them further into")
    assert "so it was not read this time. Why they died is not known here" in row.error


def test_the_second_try_loads_the_objects_of_a_dead_loader_one_by_one(archive: Archive, deadly: list[str]) -> None:
    with pytest.raises(Killed):
        archive.load(renew_every=0.1)
    time.sleep(LEASE + 0.2)
    claimed: list[int] = []
    claim = load_module.Loading.take

    def noted(self: Any, objects: Any, *, alone: bool = False) -> Any:
        if alone:
            claimed.append(len(objects))
        return claim(self, objects, alone=alone)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(load_module.Loading, "take", noted)
        with pytest.raises(Killed):
            archive.load(renew_every=0.1)
    assert set(claimed) == {1}
    assert deadly.count(archive.objects[1].place.key) == 2


def test_who_gets_further_was_not_killed_by_what_the_one_before_had_read(archive: Archive) -> None:
    row = ObjectRow(archive.put(cloudwatch(events(range(3)))).place, 10, SPAN)
    taken = taken_over(row, SPAN)
    assert (taken.deaths, taken.begun) == (1, 0)
    further = taken_over(ObjectRow(row.place, 10, SPAN, deaths=1, begun=5, resume=9), SPAN)
    assert (further.deaths, further.begun) == (1, 9)
    stuck = taken_over(ObjectRow(row.place, 10, SPAN, deaths=1, begun=9, resume=9), SPAN)
    assert stuck.deaths == 2
    again = taken_over(ObjectRow(row.place, 10, SPAN, state="quarantined", deaths=3), SPAN)
    assert again.deaths == 2  # it is tried once more, alone
    assert taken_over(ObjectRow(row.place, 10, SPAN, state="failed", deaths=1), SPAN).deaths == 0
