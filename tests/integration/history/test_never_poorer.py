"""History never gets poorer: rows outlive raw days that are gone, emptied, restored in part or created anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.condense.condense import admit
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.cycle import require_proven, retire_expired
from opensearch_strata.workflows.expired import Expired
from opensearch_strata.workflows.retention import retire
from tests.streams import DAY, Document, Stream, assert_verified, measurements


def test_a_raw_day_that_is_gone_never_empties_its_rows(stream: Stream) -> None:
    stream.condensed()
    before = stream.rows()
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    for allow_poorer in (False, True):
        with pytest.raises(Refused, match=r"is gone \(0 documents\), but its history in .* carries 240 documents"):
            stream.condense(allow_poorer=allow_poorer)
    assert stream.rows() == before


@pytest.mark.parametrize("left", [0, 100])
def test_a_raw_day_with_fewer_documents_is_refused(stream: Stream, left: int) -> None:
    stream.condensed()
    before = stream.rows()
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.create()
    stream.write(measurements(count=left)) if left else None
    wanted = rf"holds {left} documents?, but its history in .* carries 240 documents in \d+ rows.*--allow-poorer"
    with pytest.raises(Refused, match=wanted):
        stream.condense()
    assert stream.rows() == before


def test_a_person_may_say_that_less_is_the_truth(stream: Stream) -> None:
    stream.condensed()
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write(measurements(count=100, seed=1))
    run = stream.condense(allow_poorer=True)
    assert run is not None
    assert run.documents == 100
    assert_verified(stream)


def test_rows_under_foreign_ids_do_not_make_a_day_poorer(stream: Stream) -> None:
    stream.condensed()
    row = next(iter(stream.rows().values()))
    stream.put_row("by-hand", row)
    raw = admit(stream.client, stream.dataset, DAY)
    assert raw is not None
    assert raw.documents == 240


def created_anew(stream: Stream, documents: list[Document], *, by_a_backfill: bool = False) -> str:
    """The raw day deleted and there again, as another index; its UUID."""
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.delete(index=index)
    stream.create()
    if by_a_backfill:
        stream.client.indices.put_mapping(index=index, body={"_meta": {"strata": "created for a backfill"}})
    stream.write(documents)
    return str(stream.client.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"])


def sources(stream: Stream) -> set[str]:
    return {row["metrics._raw"] for row in stream.rows().values()}


def others(count: int, seed: int = 9) -> list[Document]:
    return measurements(count=count, seed=seed)


def hotter(documents: list[Document]) -> list[Document]:
    """The same devices, hours and numbers of documents, with other values."""
    return [{**one, "temperature": one["temperature"] + 500} if "temperature" in one else one for one in documents]


ANOTHER: dict[str, tuple[Callable[[list[Document]], list[Document]], str]] = {
    "more documents": (lambda documents: others(400), ""),
    "as many documents": (lambda documents: others(len(documents)), ""),
    "as many of each device and hour": (hotter, "(min|max|sum|sketch) of temperature is not what the row carries"),
    "more in a part of the hours": (lambda documents: documents[:30] * 12, "it has no document for .* of its .* rows"),
    "the same values, twice": (
        lambda documents: documents * 2,
        "It holds 480 documents and they carry 240, and nothing",
    ),
    "a row that has less": (
        lambda documents: [*documents[1:], documents[-1], documents[-1]],
        r"in device 'd\d', site .*, 2024-05-06 00:00 UTC, it has \d+ documents?, but the row carries \d+"
        r"|it has no document",
    ),
}
"""Documents of an index that bears the name of one whose rows are there, and why they may not take their place."""


@pytest.mark.parametrize("what", ANOTHER)
def test_rows_of_another_index_are_never_replaced(stream: Stream, what: str) -> None:
    documents = stream.condensed()
    before = carried(stream.client, stream.dataset, DAY)
    created_anew(stream, ANOTHER[what][0](documents))
    for touching in (stream.condense, lambda: prove(stream.client, stream.dataset, DAY, engine="search")):
        with pytest.raises(Refused, match=f"was recreated after its rows were condensed.*({ANOTHER[what][1]})"):
            touching()
    assert carried(stream.client, stream.dataset, DAY) == before
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    day = DAY.replace(year=DAY.year + 1)
    (kept,) = retire_expired(stream.client, stream.dataset, expired, day, apply=True, engine="search")
    assert (kept.outcome, stream.exists(), stream.blocks()) == ("kept", True, set())


def test_a_day_that_comes_back_as_it_was_is_condensed_again(stream: Stream) -> None:
    documents = stream.condensed()
    uuid = created_anew(stream, documents)
    stream.condense()
    assert sources(stream) == {uuid}
    assert_verified(stream)


def test_a_day_that_comes_back_as_it_was_is_proven_by_its_own_rows(stream: Stream) -> None:
    documents = stream.condensed()
    uuid = created_anew(stream, documents)
    proof = prove(stream.client, stream.dataset, DAY, engine="search")
    assert (proof.state, proof.carried.sources) == ("verified", frozenset({uuid}))


def test_rows_of_another_index_do_not_delete_a_day(stream: Stream) -> None:
    """Also where somebody only looked, and the rows happen to be the same."""
    documents = stream.condensed()
    created_anew(stream, documents)
    proof = verify(stream.client, stream.dataset, DAY)
    if proof.state == "verified":
        day = DAY.replace(year=DAY.year + 1)
        with pytest.raises(Refused, match="some of its rows came from another index"):
            retire(stream.client, stream.dataset, require_proven(proof), day, dry_run=False)
    assert stream.exists()


def test_a_day_restored_by_a_backfill_that_holds_more_waits_for_a_persons_word(stream: Stream) -> None:
    """Its archive may have lost objects meanwhile, and others that look like them may have come."""
    documents = stream.condensed()
    before = stream.rows()
    uuid = created_anew(stream, documents + others(60), by_a_backfill=True)
    wanted = "holds 300 documents and they carry 240, .* and more documents arrived, confirm it once: strata"
    with pytest.raises(Refused, match=wanted):
        stream.condense()
    assert stream.rows() == before
    stream.condense(allow_poorer=True)
    assert sources(stream) == {uuid}
    assert_verified(stream)


def test_a_day_restored_in_part_by_a_backfill_is_refused(stream: Stream) -> None:
    documents = stream.condensed()
    before = stream.rows()
    created_anew(stream, documents[:-1] + others(60), by_a_backfill=True)
    with pytest.raises(Refused, match="was recreated after"):
        stream.condense()
    assert stream.rows() == before


def test_a_person_may_say_that_another_index_is_the_truth(stream: Stream) -> None:
    stream.condensed()
    uuid = created_anew(stream, others(400))
    stream.condense(allow_poorer=True)
    assert sources(stream) == {uuid}
    assert_verified(stream)
    assert sum(row["transform._doc_count"] for row in stream.rows().values()) == 400


def test_less_that_is_the_truth_leaves_no_old_row(stream: Stream) -> None:
    stream.condensed()
    created_anew(stream, measurements(count=3, devices=1))
    run = stream.condense(allow_poorer=True)
    assert run
    assert len(stream.rows()) == run.rows == 3
    assert_verified(stream)


def test_late_documents_of_the_same_index_need_no_look_at_its_rows(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.condensed()
    stream.write(others(20))
    monkeypatch.setattr("opensearch_strata.history.condense.condense.require_contained", pytest.fail)
    stream.condense()
    assert_verified(stream)


def test_rows_of_before_that_do_not_know_their_index_are_condensed_as_before(stream: Stream) -> None:
    stream.condensed()
    for identity, row in stream.rows().items():
        stream.put_row(identity, {name: value for name, value in row.items() if name != "metrics._raw"})
    assert carried(stream.client, stream.dataset, DAY).sources == frozenset()
    assert_verified(stream)
    stream.write(others(20))
    stream.condense()
    assert_verified(stream)
