"""A backfill into OpenSearch Serverless, as far as a proxy that refuses what it refuses can tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive import reconcile as prove_module
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, forget_ledger, held, intake_of, same
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused, serverless_time_series
from tests.ledgers import ledger_index, place
from tests.shell import Shell
from tests.streams import DAY, TYPES, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)
OWNER = "test/serverless"
SPAN = (1_000, 2_000)


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)
    Ledger(client, stream.dataset.name).ensure()  # its template is shared, and Serverless has no say in settings


def time_series_collection(request: Request, forward: Forward) -> Answer:
    """What a time series collection refuses; nodes and cluster are nobody's business on Serverless."""
    if request.path.startswith(("/_nodes", "/_cluster")):
        return refused(404, "unsupported_operation_exception", f"{request.path} is not supported")(request, forward)
    return serverless_time_series(request, forward)


def search_collection(request: Request, forward: Forward) -> Answer:
    """The same, but for ids."""
    return forward(request) if request.path.endswith("_bulk") else time_series_collection(request, forward)


def run(client: OpenSearch, target: Stream, archive: Archive, settings: LoadSettings) -> BackfillProof:
    """All steps, as the tasks of the DAG take them."""
    backfill = Backfill(client, target.dataset, lambda: archive.s3, serverless=True)
    ref = backfill.write(backfill.plan(None, DAY, NEXT))
    backfill.prepare(ref, OWNER)
    for number in range(ref.batches):
        backfill.load(ref, number, OWNER, settings=settings).require_success()
    backfill.end(OWNER)
    return backfill.prove(ref)


@pytest.mark.parametrize("ids", [True, False])
def test_a_search_collection_is_loaded_and_proven(
    target: Stream, archive: Archive, proxy: FaultyProxy, through: OpenSearch, ids: bool
) -> None:
    proxy.add(search_collection, path="")
    sent = {day: archive.fill(day) for day in (DAY, NEXT)}
    proof = run(through, target, archive, LoadSettings(ids=ids))
    assert proof.holds, verdict(proof)
    assert (proof.counts.read, proof.counts.created) == (480, 480)
    for day, documents in sent.items():
        assert same(held(target, day), documents)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("parallel", [1, 2])
def test_the_shell_loads_a_search_collection(
    client: OpenSearch, shell: Shell, archive: Archive, proxy: FaultyProxy, parallel: int
) -> None:
    stream = shell.stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    Ledger(client, stream.dataset.name).ensure()
    proxy.add(search_collection, path="")
    sent = archive.fill(DAY)
    line = f"backfill {stream.dataset.name} --from {DAY} --to {DAY} --apply --parallel {parallel}"
    serverless: Any = {"url": proxy.url, "env": {"OPENSEARCH_AWS_SERVICE": "aoss"}}
    assert "Proven: 240 events read = 240 created" in shell.run(line, **serverless).stdout
    assert same(held(stream, DAY), sent)
    assert "Serverless lacks what this command needs" in shell.run(f"{line} --then condense", 1, **serverless).stderr
    forget_ledger(client, stream.dataset.name)


def test_a_time_series_collection_cannot_hold_the_ledger(
    target: Stream, archive: Archive, proxy: FaultyProxy, through: OpenSearch
) -> None:
    """Its documents have ids, by which two loaders at once know of each other."""
    proxy.add(time_series_collection, path="")
    archive.fill(DAY)
    with pytest.raises(Refused, match="Document ID is not supported"):
        run(through, target, archive, LoadSettings(ids=False))
    assert not target.exists()


def test_a_ledger_that_searches_do_not_see_yet_hides_no_loss(
    client: OpenSearch, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove_module, "VISIBLE", 0)
    with ledger_index(client) as index:
        ledger = Ledger(client, stream.dataset.name, index=index, serverless=True)
        ledger.ensure()
        client.indices.put_settings(index=index, body={"index.refresh_interval": "-1"})
        (row,) = ledger.claim([(place(), 10)], SPAN, "a").claimed
        days = {stream.dataset.raw_index(DAY): 5}
        ledger.finish([replace(row, state="done", counts=Counts(read=5, created=5), days=days)])
        stream.fill(count=3)
        proof = prove_module.prove_range(client, ledger, [place()], SPAN)
    assert [check.name for check in proof.failed] == ["raw days that lost documents"]
