"""One odd answer, to whatever request to the ledger or of settings, ends no run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.connections import retrying
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, forget_ledger, held, intake_of, ledger_of, same
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request, Rule
from tests.faults.rules import cut_after, cut_before, garbled, refused, web_page
from tests.streams import DAY, TYPES, Stream, StreamFactory


def nothing(request: Request, forward: Forward) -> Answer:
    """A JSON that says nothing."""
    return Answer.of_json(200, {})


ODD: dict[str, Rule] = {
    "a web page": web_page,
    "500": refused(500, "null_pointer_exception"),
    "503": refused(503, "cluster_manager_not_discovered_exception"),
    "no answer": cut_before,
    "an answer that is lost": cut_after,
    "half an answer": garbled,
    "an empty answer": nothing,
}
_ACKNOWLEDGED = re.compile(r"PUT|POST \S*_refresh|POST \S*_flush")
"""What is not looked at when it says nothing: it was done, or the next step finds that it was not."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_BACK_OFF", lambda state: 0.005)


@pytest.fixture
def archive(s3: Any, bucket: str) -> Archive:
    """Objects of one day."""
    return Archive(s3, bucket)


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    Ledger(client, stream.dataset.name).ensure()
    yield stream
    forget_ledger(client, stream.dataset.name)


def kind_of(request: Request, dataset: str) -> str:
    """What is asked of what, whatever the names: ``POST ledger/_bulk``, ``GET raw/_mapping``."""
    path = re.sub(rf"[^/]*{dataset}[^/]*", "raw", request.path.replace("%2C", ",").replace("%2A", "*"))
    return f"{request.method} {path.replace('strata-ledger', 'ledger')}"


def once_for_each(dataset: str, seen: list[str], rule: Rule, applies: Callable[[str], bool]) -> Rule:
    """The first request of each kind is answered oddly, all others as they should be."""
    lock = Lock()

    def applied(request: Request, forward: Forward) -> Answer:
        kind = kind_of(request, dataset)
        with lock:
            first = kind not in seen
            seen.extend([kind] if first else [])
        return rule(request, forward) if first and applies(kind) else forward(request)

    return applied


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_answer_to_each_kind_of_request_ends_no_run(
    target: Stream, archive: Archive, proxy: FaultyProxy, through: OpenSearch, odd: str
) -> None:
    sent = archive.fill(DAY)
    seen: list[str] = []
    applies = (lambda kind: not _ACKNOWLEDGED.match(kind)) if odd == "an empty answer" else (lambda _: True)
    proxy.add(once_for_each(target.dataset.name, seen, ODD[odd], applies), path="")
    backfill = Backfill(through, target.dataset, lambda: archive.s3)
    ref = backfill.write(backfill.plan(None, DAY, DAY))
    backfill.prepare(ref, "test/a")
    for number in range(ref.batches):
        backfill.load(ref, number, "test/a", settings=LoadSettings(renew_every=0.2)).require_success()
    backfill.end("test/a")
    proof = backfill.prove(ref)
    assert proof.holds, verdict(proof)
    assert same(held(target, DAY), sent)
    assert ledger_of(target.client, target.dataset.name, "settings") == []
    assert "refresh_interval" not in f"{target.client.indices.get_settings(index=target.dataset.raw_index(DAY))}"
    assert len(seen) > 15, seen
