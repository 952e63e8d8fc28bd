"""What the documents show of reading is run against real flights."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.samples.flights import flights_dataset, load_flights
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.verify.repair import prove
from tests.streams import delete_indices
from tests.unit.project.test_docs import blocks

DAYS = (date(2013, 1, 1), date(2013, 1, 2))


@pytest.fixture
def flights(client: OpenSearch) -> Iterator[None]:
    """Two days of flights, the first of them proven."""
    load_flights(client, *DAYS)
    condense(client, flights_dataset(), DAYS[0], engine="search")
    prove(client, flights_dataset(), DAYS[0], engine="search")
    yield
    delete_indices(client, "flights-*")


@pytest.mark.usefixtures("flights")
def test_every_example_of_reading_runs(client: OpenSearch) -> None:
    examples = blocks("python", "node")
    assert examples
    found: dict[str, Any] = {"client": client}
    for example in examples:
        exec(compile(example, "example", "exec"), found)
        assert set(found["frame"]["source"]) == {"raw", "history"}
        assert set(found["frame"]["origin"]) == {"EWR", "JFK", "LGA"}
