"""Loads of a dataset as its ledger knows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opensearch_strata.archive.causes import Cause
from opensearch_strata.archive.dead_letters.file import DeadLetterFile
from opensearch_strata.archive.documents.shaper import Dead
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.workflows.overview.loads import look_at_loads
from tests.ledgers import place
from tests.streams import StreamFactory

SPAN = (0, 86_400_000)


def test_what_was_loaded_is_under_way_and_is_not(make_stream: StreamFactory, s3: Any, bucket: str) -> None:
    intake = {"source": f"s3://{bucket}/logs/", "layout": "%Y/%m/%d/%H/"}
    stream = make_stream(intake=intake)
    ledger = Ledger(stream.client, stream.dataset.name)
    assert look_at_loads(stream.client, s3, stream.dataset).verdict == (
        "Nothing was loaded into this dataset from an archive yet."
    )
    ledger.ensure()
    claimed = ledger.claim([(place(number), 100) for number in range(4)], SPAN, "a run").claimed
    causes = {"rejected": Cause(2, "No field of that kind.")}
    ends = [
        {"state": "done", "counts": Counts(7, 5, dead=2), "causes": causes, "bytes_in": 100, "seconds": 2.0},
        {"state": "quarantined", "error": "It is no gzip."},
        {"state": "failed", "error": "It is gone."},
    ]
    ledger.finish([replace(row, **end) for row, end in zip(claimed, ends, strict=False)])  # type: ignore[arg-type]
    ledger.index.refresh()
    letters = DeadLetterFile(s3, f"s3://{bucket}/logs/dead-letters/", stream.dataset.name, place(0))
    letters.add(Dead("rejected", "No field of that kind.", 3, 0, b'{"secret": 42}', "", ""), "json")
    letters.close()
    found = look_at_loads(stream.client, s3, stream.dataset)
    assert {state: one.objects for state, one in found.states.items()} == {
        "done": 1,
        "quarantined": 1,
        "failed": 1,
        "running": 1,
    }
    done = found.states["done"]
    assert (done.size, done.created, done.dead, done.speed) == (100, 5, 2, 50.0)
    assert [(one.owner, one.objects, one.size) for one in found.loaders] == [("a run", 1, 100)]
    assert {(row.state, row.error) for row in found.bad} == {
        ("quarantined", "It is no gzip."),
        ("failed", "It is gone."),
    }
    assert (found.causes, found.counted_in) == (causes, 1)
    assert [letter.raw for letter in found.samples] == [b'{"secret": 42}']
    assert found.verdict == "1 object loaded, 1 loader at work, 2 objects not loaded."
