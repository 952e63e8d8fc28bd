"""How a dataset stands on a real server, with an archive and traces of loads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from local.ports import free_port
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import s3_config
from opensearch_strata.archive.targets.under_load import register
from opensearch_strata.workflows.overview.one_day import look_at_day
from opensearch_strata.workflows.overview.overview import Overview, look_over
from opensearch_strata.workflows.overview.tonight import tonight
from opensearch_strata.workflows.overview.verdict import verdict_of
from tests.audits import COUNT, KEPT, NEWEST, NOW, OLD, empty
from tests.streams import Stream, StreamFactory


def kinds(seen: Overview) -> dict[Any, str]:
    return {cell.day: cell.kind for cell in seen.cells}


def test_days_that_are_well(sound: Stream, s3: Any) -> None:
    seen = look_over(sound.client, s3, sound.dataset, NOW)
    assert kinds(seen) == {**dict.fromkeys(OLD, "gone"), **dict.fromkeys(KEPT, "proven")}
    assert (seen.last_proven, seen.unproven_days, seen.history_since) == (NEWEST, 0, OLD[0])
    assert verdict_of(seen).standing == "well"
    assert [cell.documents for cell in seen.raw] == [COUNT, COUNT]
    assert all(cell.carried == COUNT and cell.rows_bytes for cell in seen.cells)
    assert sum(cell.raw_bytes or 0 for cell in seen.cells) > 0 < (seen.stored_bytes or 0)
    day = look_at_day(sound.client, s3, seen, OLD[0])
    assert day is not None
    assert [found.severity for found in day.findings] == ["fine"]
    assert look_at_day(sound.client, s3, seen, OLD[0] - timedelta(days=9)) is None
    _without_archive(sound)


def test_days_that_are_not(sound: Stream, s3: Any, bucket: str) -> None:
    sound.fill(KEPT[0], count=3, seed=1)
    sound.drop_rows(OLD[0])
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    ledger = Ledger(sound.client, sound.dataset.name)
    ledger.ensure()
    register(ledger, [sound.dataset.raw_index(NEWEST)], "a backfill")
    seen = look_over(sound.client, s3, sound.dataset, NOW)
    assert kinds(seen) == dict(zip([*OLD, *KEPT], ["stored", "amiss", "gone", "differs", "loading"], strict=True))
    assert "3 documents came after its rows were made" in seen.by_day[KEPT[0]].sentence
    assert seen.loading[NEWEST].startswith("a backfill (registered until")
    assert [seen.by_day[day].standing for day in OLD] == ["bad", "bad", "well"]
    for old, found in zip(OLD, [("rows", "would be lost"), ("archive", "lost"), ("day", "fine")], strict=True):
        day = look_at_day(sound.client, s3, seen, old)
        assert day is not None
        assert [(one.kind, one.severity) for one in day.findings] == [found]


def _without_archive(sound: Stream) -> None:
    """An archive that does not answer hides nothing else."""
    import boto3

    nowhere = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=s3_config(1, path_style=True).merge(s3_config(1).__class__(retries={"total_max_attempts": 1})),
    )
    seen = look_over(sound.client, nowhere, sound.dataset, NOW)
    assert (seen.stored_bytes, tonight(seen, NOW).archives) == (None, None)
    assert kinds(seen) == {**dict.fromkeys(OLD, "unseen"), **dict.fromkeys(KEPT, "proven")}
    (told,) = seen.unseen
    assert told.startswith("Its archive was not looked at, so it is not in the calendar:")
    assert verdict_of(seen).standing == "look"


def test_a_cluster_that_does_not_answer_is_told(make_stream: StreamFactory) -> None:
    from opensearch_strata.connections.opensearch import ClientSettings, build_client
    from opensearch_strata.errors.judging import is_known

    with build_client(ClientSettings.from_url(f"http://127.0.0.1:{free_port()}", max_retries=0)) as gone:
        with pytest.raises(Exception) as raised:
            look_over(gone, None, make_stream().dataset, NOW)
        assert is_known(raised.value)
