"""History never gets poorer: rows outlive raw days that are gone, emptied or restored in part."""

from __future__ import annotations

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.condense import admit
from tests.streams import DAY, Stream, assert_verified, measurements


def test_a_raw_day_that_is_gone_never_empties_its_rows(stream: Stream) -> None:
    stream.condensed()
    before = stream.rows()
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    for allow_poorer in (False, True):
        with pytest.raises(Refused, match=r"is gone \(0 documents\), but its \d+ rows .* carry 240 documents"):
            stream.condense(allow_poorer=allow_poorer)
    assert stream.rows() == before


@pytest.mark.parametrize("left", [0, 100])
def test_a_raw_day_with_fewer_documents_is_refused(stream: Stream, left: int) -> None:
    stream.condensed()
    before = stream.rows()
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.create()
    stream.write(measurements(count=left)) if left else None
    with pytest.raises(Refused, match=rf"holds {left} documents, but its \d+ rows in .* carry 240.*allow_poorer"):
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
