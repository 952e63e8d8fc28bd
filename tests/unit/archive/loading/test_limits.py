"""What a sender learns: fewer requests at once after 429, smaller bodies after 413, and more again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.bulk.learned_limits import SMALLEST_BODY, LearnedLimits

MB = 1_000_000


@given(st.integers(1, 8), st.lists(st.sampled_from(["answered", "refused"]), max_size=60))
def test_the_window_stays_between_one_and_all(most: int, signals: list[str]) -> None:
    limits = LearnedLimits(most, MB)
    for signal in signals:
        limits.answered() if signal == "answered" else limits.refused(time.monotonic() + 1)
        assert 1 <= limits.window <= most


def test_a_refusal_halves_and_answers_bring_it_back_one_by_one() -> None:
    limits = LearnedLimits(8, MB)
    limits.refused(time.monotonic())
    assert limits.window == 4
    for _ in range(5):
        limits.answered()
    assert limits.window == 5
    for _ in range(30):
        limits.answered()
    assert limits.window == 8


def test_requests_that_left_before_a_halving_do_not_halve_again() -> None:
    limits = LearnedLimits(8, MB)
    left = time.monotonic()
    for _ in range(3):
        limits.refused(left)
    assert limits.window == 4
    limits.refused(time.monotonic())
    assert limits.window == 2


def test_the_body_limit_is_halved_and_never_grows() -> None:
    limits = LearnedLimits(2, 9 * MB)
    limits.too_large(6 * MB)
    assert limits.body_bytes == 3 * MB
    limits.too_large(8 * MB)
    assert limits.body_bytes == 3 * MB


def test_a_single_large_document_does_not_make_bodies_tiny() -> None:
    limits = LearnedLimits(2, 9 * MB)
    limits.too_large(1000)
    assert limits.body_bytes == SMALLEST_BODY


def test_no_more_are_at_it_than_the_window_allows() -> None:
    limits = LearnedLimits(6, MB)
    limits.refused(time.monotonic())
    at_once, most, guard = 0, 0, Lock()

    def work(_: int) -> None:
        nonlocal at_once, most
        with limits.slot():
            with guard:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.002)
            with guard:
                at_once -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(30)))
    assert most == 3
