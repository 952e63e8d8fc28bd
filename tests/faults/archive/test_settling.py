"""Objects whose last documents are answered at an awkward moment."""

from __future__ import annotations

import time

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.load.account import ObjectAccount
from tests.faults.archives import Archive, cloudwatch, events
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late

EVENTS = 250
PER_OBJECT = 50


def test_an_object_that_is_settled_while_the_loader_looks_is_finished(
    archive: Archive, proxy: FaultyProxy, through: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers come in threads of the sender: what was unsettled a moment ago may be settled now."""
    for start in range(0, EVENTS, PER_OBJECT):
        archive.put(cloudwatch(events(range(start, start + PER_OBJECT))))
    really = ObjectAccount.is_settled.fget  # type: ignore[attr-defined]
    settled_meanwhile: set[ObjectAccount] = set()

    def seen_just_before_the_answer(tally: ObjectAccount) -> bool:
        before = bool(really(tally))
        until = time.monotonic() + 0.5
        while not before and time.monotonic() < until:
            if really(tally):
                settled_meanwhile.add(tally)
                break
            time.sleep(0.005)
        return before

    monkeypatch.setattr(ObjectAccount, "is_settled", property(seen_just_before_the_answer))
    proxy.add(late(0.1))
    archive.load(through).require_success()
    assert settled_meanwhile
    archive.assert_done()
    archive.assert_loaded(range(EVENTS))
