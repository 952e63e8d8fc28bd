"""The line that says how far a load is."""

from __future__ import annotations

import pytest

from opensearch_strata.archive.load.progress import Meter, Progress

MB = 1_000_000


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            Progress(12, 40, 120 * MB, 400 * MB, 1_680_000, 80),
            "objects 12 of 40, 114.4 MiB of 381.5 MiB, 21,000 events/s, ETA 3 min",
        ),
        (Progress(0, 3, 0, 5 * MB, 0, 0), "objects 0 of 3, 0 B of 4.8 MiB, 0 events/s"),
        (Progress(3, 3, 5 * MB, 5 * MB, 1000, 2), "objects 3 of 3, 4.8 MiB of 4.8 MiB, 500 events/s, ETA 0 s"),
        (Progress(1, 9, MB, 100 * MB, 10, 100), "objects 1 of 9, 976.6 KiB of 95.4 MiB, 0 events/s, ETA 2.8 h"),
    ],
)
def test_the_line(progress: Progress, line: str) -> None:
    assert str(progress) == line


def test_a_meter_reports_when_it_is_time_and_at_the_end() -> None:
    said: list[Progress] = []
    meter = Meter(5, 100, said.append, every=3600)
    meter.leave_out(2, 40)
    meter.tick(1, 10, 5)
    assert said == []
    meter.tick(3, 60, 30, at_end=True)
    (end,) = said
    assert (end.objects_done, end.objects, end.bytes_read, end.bytes, end.events) == (3, 3, 60, 60, 30)


def test_a_meter_without_patience_reports_each_time() -> None:
    said: list[Progress] = []
    meter = Meter(1, 1, said.append, every=0)
    meter.tick(0, 0, 0)
    meter.tick(1, 1, 1)
    assert len(said) == 2


def test_who_waits_has_no_end_in_sight_and_says_for_what() -> None:
    said: list[Progress] = []
    meter = Meter(2, 4 * MB, said.append, every=0)
    meter.waiting = "waiting for 1 object that run-b is loading; unless renewed, the last lease expires in 88 s"
    meter.tick(1, 2 * MB, 10)
    meter.waiting = ""
    meter.tick(2, 4 * MB, 20)
    waits, goes_on = said
    assert waits.eta is None
    assert str(waits).endswith(f", {waits.waiting}")
    assert "ETA" not in str(waits)
    assert "waiting" not in str(goes_on)
