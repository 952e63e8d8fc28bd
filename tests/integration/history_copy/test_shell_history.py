"""``strata history``: what it prints, what it returns, and that nothing is changed without --apply."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.history.month.stand_in import stand_in_name
from tests.copies import METRICS, TYPES, keys, proven_days, rows_in
from tests.shell import Shell
from tests.streams import DAY, Stream

LAST = DAY + timedelta(days=2)
SPAN = f"--from {DAY} --to {LAST}"


@pytest.fixture
def odd(shell: Shell, bucket: str, aws: None) -> Stream:
    archive = {"bucket": bucket, "prefix": "plant/", "before_delete": False}
    groups = ["device", "address", "on", "version"]
    raw = {"fields": {"load": "short", "ratio": "float"}}
    stream = shell.stream(archive=archive, history={"group_by": groups}, metrics=METRICS, raw=raw)
    stream.types = TYPES
    proven_days(stream, 2, keep_raw=False)
    return stream


def test_a_month_goes_to_s3_and_comes_back(shell: Shell, odd: Stream, s3: Any, bucket: str) -> None:
    name, month = odd.dataset.name, odd.dataset.month_index(DAY)
    before = rows_in(odd.client, month)
    shown = shell.run(f"history export {name} {SPAN}")
    assert "2 of 3 days have a copy that is made of their rows." in shown.stdout
    assert f"{DAY}: written s3://{bucket}/plant/history/month=2024-05/day={DAY}.parquet" in shown.stderr
    assert f"{LAST}: no rows" in shown.stderr
    assert len(keys(s3, bucket)) == 2
    again = shell.json(f"history export {name} {SPAN}")
    assert [day["outcome"] for day in again["days"]] == ["unchanged", "unchanged", "no rows"]
    odd.client.indices.delete(index=month)
    shown = shell.run(f"history import {name} {SPAN}")
    assert "Nothing was written; run it again with --apply to import." in shown.stdout
    assert not odd.client.indices.exists(index=month)
    done = shell.json(f"history import {name} {SPAN} --apply")
    (said,) = done["months"]
    assert (said["outcome"], said["absent"], said["rows"]) == ("imported", [f"{LAST}"], len(before))
    assert rows_in(odd.client, month) == before
    assert "unchanged" in shell.run(f"history import {name} {SPAN} --apply").stdout


def test_a_day_that_is_not_proven_is_left_out(shell: Shell, odd: Stream, s3: Any, bucket: str) -> None:
    odd.drop_row(next(iter(odd.rows())))
    shown = shell.run(f"history export {odd.dataset.name} {SPAN}", exit_code=1)
    assert "is gone, and its rows are not those that were proven." in shown.stderr
    assert "Left out, each for the reason above: 2024-05-0" in shown.stderr
    assert len(keys(s3, bucket)) == 1


def test_a_month_without_files_is_a_failure(shell: Shell, odd: Stream) -> None:
    shown = shell.run(f"history import {odd.dataset.name} {SPAN}", exit_code=1)
    assert f"There is no file of {odd.dataset.name} from {DAY} to {LAST}." in shown.stderr


def test_a_month_that_differs_is_refused(shell: Shell, odd: Stream) -> None:
    shell.run(f"history export {odd.dataset.name} {SPAN}")
    identity, row = next(iter(odd.rows().items()))
    odd.put_row(identity, {**row, "transform._doc_count": 1_000})
    shown = shell.run(f"history import {odd.dataset.name} {SPAN} --apply", exit_code=1)
    assert f"Refused, each for the reason above: {odd.dataset.month_index(DAY)}." in shown.stderr


def test_a_month_is_rewritten(shell: Shell, odd: Stream) -> None:
    name, month = odd.dataset.name, odd.dataset.month_index(DAY)
    before = rows_in(odd.client, month)
    shown = shell.run(f"history rewrite {name} 2024-05")
    assert f"{month}: would be rewritten, {len(before):,} rows" in shown.stdout
    assert "Nothing was changed; run it again with --apply." in shown.stdout
    done = shell.json(f"history rewrite {name} 2024-05 --apply")
    assert (done["outcome"], done["before"], done["rows"]) == ("rewritten", done["after"], len(before))
    assert rows_in(odd.client, month) == before
    assert not odd.client.indices.exists(index=stand_in_name(odd.dataset, DAY))


@pytest.mark.parametrize("month", ["2024-5", "2024-13", "2024-05-06", "may"])
def test_a_month_is_written_in_one_way(shell: Shell, odd: Stream, month: str) -> None:
    shown = shell.run(f"history rewrite {odd.dataset.name} {month}", exit_code=2)
    assert "is not a month; write it like 2013-01." in " ".join(shown.stderr.replace("│", " ").split())
