"""Ranges of event times: what several of them hold together."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.spans import Span, cover, meet, merged, touch

spans = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda found: (found[0], found[0] + found[1]))
several = st.lists(spans, max_size=6)


def times(*of: Span) -> set[int]:
    return {moment for start, end in of for moment in range(start, end)}


@given(several)
def test_merged_ranges_hold_the_same_times_and_do_not_touch(found: list[Span]) -> None:
    assert times(*merged(found)) == times(*found)
    assert all(one[1] < other[0] for one, other in pairwise(merged(found)))


@given(several, spans)
def test_ranges_cover_what_lies_within_all_of_them(found: list[Span], wanted: Span) -> None:
    assert cover(found, wanted) == (times(wanted) <= times(*found))


@given(spans, spans)
def test_ranges_meet_in_a_time_and_touch_without_one_between(one: Span, other: Span) -> None:
    assert meet(one, other) == meet(other, one) == bool(times(one) & times(other))
    assert touch(one, other) == touch(other, one) == (len(merged([one, other])) == 1)


def test_neighbours_touch_and_do_not_meet() -> None:
    assert touch((0, 10), (10, 20))
    assert not meet((0, 10), (10, 20))
    assert not touch((0, 10), (11, 20))
