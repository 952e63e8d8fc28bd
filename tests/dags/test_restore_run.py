"""Archived days come back by ``archive_backfill``, and the daily cycle keeps them until they are no longer wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.airflow.operators.backfill.form import BackfillForm
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError
from tests.archives import forget_ledger
from tests.dags.assets import events, know_assets
from tests.dags.conftest import RunDag
from tests.raw_archives import archived, documents
from tests.streams import DAY, Stream, StreamFactory

ASKED = {"source": "archive", "from_day": str(DAY), "to_day": str(DAY + timedelta(days=1))}


@pytest.fixture
def left(
    client: OpenSearch, make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str
) -> Iterator[Stream]:
    """A dataset whose only raw day is in its archive."""
    stream = make_stream(raw={"window_days": 2}, engine="search", archive={"bucket": bucket, "prefix": "days/"})
    define(stream.dataset)
    stream.fill(DAY, 40)
    archived(stream, s3)
    yield stream
    forget_ledger(client, stream.dataset.name)


def test_an_archived_day_comes_back_and_stays_until_it_is_no_longer_wanted(
    left: Stream, run_backfill: RunDag, run_dag: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    index, later = left.dataset.raw_index(DAY), str(DAY + timedelta(days=30))
    sent = documents(left.client, index)
    left.client.indices.delete(index=index)
    know_assets()
    dry = run_backfill(left.dataset, **ASKED)
    assert dry.state == "success"
    assert events(left.dataset, "restored") == {}
    assert "1 archived day, 1 object" in dry.result("plan", key="planned")["verdict"]
    assert "1 day of the range is not archived" in dry.result("report")["verdict"]
    assert not left.exists()

    run = run_backfill(left.dataset, **ASKED, dry_run=False, keep_until=5)
    assert run.state == "success"
    assert run.result("report")["verdict"].startswith("Proven: 40 events read = 40 created")
    assert run.label("load[0]").startswith("2024-05-06 00:00 .. 2024-05-06 00:00, 1 object")
    assert documents(left.client, index) == sent
    told = {"dataset": left.dataset.name, "days": 1, "documents": 40, "dead_letters": 0}
    assert events(left.dataset, "restored") == {str(DAY): told}  # the other day of the range is not archived
    assert events(left.dataset, "arrived") == {}

    kept = run_dag(left.dataset, day=later, dry_run=False)
    assert kept.state == "success"
    assert kept.result("retention.list_expired") == []
    assert kept.result("report")["kept"][index].startswith("it was restored and is wanted until ")
    assert f"{index} stays: it was restored" in capsys.readouterr().out
    assert left.exists()

    again = run_backfill(left.dataset, **ASKED, dry_run=False, keep_until=0)
    assert again.state == "success"
    assert (again.tasks["prepare"], again.result("prepare")) == ("success", {"created": 0})
    gone = run_dag(left.dataset, day=later, dry_run=False)
    assert gone.state == "success"
    assert gone.result("report")["deleted"] == [index]
    assert not left.exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"keep_until": 3}, "keep_until is about restored days; use it with the source 'archive', or leave it out."),
        ({"keep_until": 3, "source": "s3://bucket/p/"}, "keep_until is about restored days"),
        ({"keep_until": 3, "source": "archive", "then": "condense_and_drop"}, "drops right away; leave one of the two"),
        ({"keep_until": -1, "source": "archive"}, "keep_until: must be greater than or equal to 0"),
        ({"source": "the archive"}, "source: "),
    ],
)
def test_the_form_refuses_what_does_not_fit(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        BackfillForm.checked({"dataset": "x", "from_day": str(DAY), "to_day": str(DAY), **asked})
    assert told in str(error.value)


def test_a_redrive_keeps_nothing() -> None:
    with pytest.raises(DefinitionError, match="leave from_day, to_day and keep_until empty"):
        BackfillForm.checked({"dataset": "x", "redrive": True, "keep_until": 3})
