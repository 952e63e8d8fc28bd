"""Lines of an archived object in bodies: every document once and in order, from wherever a load goes on."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.archive.load.ingest import Poisoned
from opensearch_strata.archive.load.restored_objects import NoLetters, RestoringIngest
from opensearch_strata.archive.spans import ALWAYS
from opensearch_strata.archive.store.manifest import Manifest, Measure
from opensearch_strata.archive.store.manifest_check import Unproven
from tests.streams import DAY, dataset_of

PLACE = Place("b", "days/dt=2024-05-06/part-0.zst", "e")
DATASET = dataset_of("plant")


def packed_as_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)


class Manifests:
    """Names every object, and says that those which measure otherwise are not what was archived."""

    def __init__(self, lines: list[bytes]) -> None:
        measure = Measure()
        measure.add(b"".join(lines))
        self.archived = measure.archived(PLACE.key)

    def naming(self, place: Place) -> Manifest:
        return Manifest(dataset="plant", day=DAY, objects=(self.archived.model_copy(update={"key": place.key}),))

    def check(self, place: Place, measure: Measure) -> str:
        if difference := measure.difference(self.archived):
            raise Unproven(f"{place}: {difference}")
        return ""


def ingested(
    lines: list[bytes], content: bytes, resume: int = 0, limit: int = 2_000, block: int = 777
) -> tuple[ObjectAccount, list[Body[BulkShare]], str]:
    """What becomes of an object: its account, the bodies, and why it is poisoned, if it is."""
    sent: list[Body[BulkShare]] = []
    tally = ObjectAccount(ObjectRow(PLACE, len(content), ALWAYS, resume=resume), NoLetters())
    limits = LearnedLimits(1, limit)
    manifests: Any = Manifests(lines)
    ingest = RestoringIngest(DATASET, ALWAYS, manifests, limits, sent.append, lambda: None, True)
    why = ""
    try:
        assert ingest.take(tally, iter([content[at : at + block] for at in range(0, len(content), block)])) == ""
    except Poisoned as poisoned:
        why = str(poisoned)
    ingest.flush()
    return tally, sent, why


def settle(bodies: list[Body[BulkShare]]) -> None:
    """Say that every document was created."""
    for body in bodies:
        for portion, index in zip(body.owners, body.indices, strict=True):
            portion.tally.stored(portion, index, created=1)


sources = st.sampled_from([b"{}", b'{"a":"' + b"x" * 900 + b'"}', b'{\n"a":1\n}'])
documents = st.lists(st.tuples(sources, st.none() | st.just("r")), max_size=30)


@given(documents, st.data(), st.integers(1, 3_000), st.integers(1, 5_000))
def test_every_document_from_the_resume_position_on_is_sent_once_and_in_order(
    found: list[tuple[bytes, str | None]], data: st.DataObject, limit: int, block: int
) -> None:
    lines = [line_of(f"d{n}", source, routing) for n, (source, routing) in enumerate(found)]
    resume = data.draw(st.integers(0, len(lines)))
    tally, bodies, why = ingested(lines, packed_as_zstd(b"".join(lines)), resume, limit, block)
    assert why == ""
    sent = [(body.ids[at], body.source(at), body.event(at)) for body in bodies for at in range(len(body))]
    assert [(name, source, event.routing) for name, source, event in sent] == [
        (f"d{n}", *one) for n, one in enumerate(found) if n >= resume
    ]
    assert [event.record for *_, event in sent] == list(range(resume, len(lines)))
    assert {index for body in bodies for index in body.indices} <= {DATASET.raw_index(DAY)}
    settle(bodies)
    assert tally.is_settled
    row = tally.whole()
    assert row.counts == Counts(read=len(sent), created=len(sent))
    assert row.resume == (len(lines) if sent else resume)


def test_what_is_not_a_line_is_counted_and_the_object_is_not_restored_as_a_whole() -> None:
    lines = [line_of("a", b"{}"), b'{"_id":"b"}\n', line_of("c", b"{}")]
    tally, bodies, why = ingested(lines, b"".join(lines))
    assert [body.ids for body in bodies] == [["a", "c"]]
    assert why == ""
    settle(bodies)
    assert tally.whole().counts == Counts(read=3, created=2, dead=1)
    ingest = RestoringIngest(DATASET, ALWAYS, Manifests(lines), LearnedLimits(1, 1), bodies.append, lambda: None, True)  # type: ignore[arg-type]
    assert ingest.judged(tally) == (
        f"Of 3 documents of {PLACE}, 1 could not be restored: 1 broken, the first: It is not a line as archives have "
        f"them. The archive still holds all of them."
    )


@pytest.mark.parametrize("damage", ["cut", "other bytes", "longer"])
def test_an_object_that_differs_from_its_manifest_is_told(damage: str) -> None:
    lines = [line_of(f"d{n}", orjson.dumps({"n": n, "text": "x" * 100})) for n in range(200)]
    content = b"".join(lines)
    packed = packed_as_zstd(content)
    changed = {
        "cut": packed[:-20],
        "other bytes": content.replace(b'"n":7,', b'"n":8,'),
        "longer": packed + packed_as_zstd(lines[0]),
    }
    tally, _, why = ingested(lines, changed[damage])
    assert f"{PLACE}: it holds " in why
    assert ("The object is damaged: " in why) == (damage == "cut")
    assert tally.counts.read in (199, 200, 201) or damage == "cut"
