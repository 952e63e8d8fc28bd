"""Ranges of groups: every document is in one slice, no bucket is cut, and the parts are about as large as wanted."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.history.buckets.at_once import LEAST_SEARCHES, usual_searches
from opensearch_strata.history.buckets.group_ranges import (
    ALL_GROUPS,
    MOST_DOCUMENTS,
    MOST_GROUPS,
    Border,
    BorderSearch,
    GroupRange,
    from_border,
)
from opensearch_strata.history.buckets.slices import DayWalk, Slice, SliceWalk

HOUR = 3_600_000
FIELDS = ("site", "device")
words = st.sampled_from(["a", "b", "c", "d"])
groups = st.tuples(st.none() | words, st.none() | words)
Group = tuple[str | None, str | None]


def border_of(group: Group) -> Border:
    return tuple(zip(FIELDS, group, strict=True))


def finds(query: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a query finds a document, as the server would decide."""
    ((kind, body),) = query.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        should = body.get("should", [])
        needed = body.get("minimum_should_match", 0)
        no = body.get("must_not", [])
        return (
            all(finds(one, document) for one in body.get("filter", []))
            and not any(finds(one, document) for one in ([no] if isinstance(no, dict) else no))
            and sum(finds(one, document) for one in should) >= needed
        )
    if kind == "exists":
        return document.get(body["field"]) is not None
    ((field, limits),) = body.items()
    value = document.get(field)
    if value is None:
        return False
    if kind == "term":
        return bool(value == limits)
    assert kind == "range"
    return bool(
        value >= limits.get("gte", value)
        and ("gt" not in limits or value > limits["gt"])
        and ("lt" not in limits or value < limits["lt"])
    )


def in_order(group: Group) -> list[str]:
    """A key that sorts like the composite aggregation: a missing value first."""
    return ["" if value is None else value for value in group]


@given(groups, groups)
def test_a_border_divides_the_groups_in_their_order(group: Group, border: Group) -> None:
    document = dict(zip(FIELDS, group, strict=True))
    assert finds(from_border(border_of(border)), document) == (in_order(group) >= in_order(border))


@given(groups, st.lists(groups, unique=True))
def test_each_group_is_in_one_part(group: Group, found: list[Group]) -> None:
    parts = ALL_GROUPS.cut([border_of(border) for border in sorted(found, key=in_order)])
    document = dict(zip(FIELDS, group, strict=True))
    assert sum(finds({"bool": {"filter": [{"match_all": {}}], **part.clauses()}}, document) for part in parts) == 1
    assert len(parts) == len(found) + 1


def test_all_groups_need_no_query() -> None:
    assert Slice(None, None, 1, GroupRange()).query("t") == {"match_all": {}}


@given(
    st.lists(st.tuples(groups, st.integers(-1, 30)), max_size=40),
    st.lists(st.sets(groups, max_size=5), max_size=10),
    st.integers(1, 4),
)
def test_each_document_is_in_one_slice_however_a_day_is_cut(
    documents: list[tuple[Group, int]], cuts: list[set[Group]], at_noon: int
) -> None:
    """An hour of -1 stands for a document without a time."""
    hours = [hour for _, hour in documents if hour >= 0] or [0]
    known = [border_of((None, "a")), border_of(("b", None)), border_of(("b", "c")), border_of(("d", "d"))][:at_noon]
    walk = DayWalk(SliceWalk(HOUR, min(hours) * HOUR, max(hours) * HOUR), known)
    parts: list[Slice] = []
    while part := walk.next():
        parts.append(part)
        inside = [
            border_of(group)
            for group in sorted(cuts.pop() if cuts else set(), key=in_order)
            if finds({"bool": part.groups.clauses()}, dict(zip(FIELDS, group, strict=True)))
            and border_of(group) != part.groups.first
        ]
        walk.learn(part, 7, 7, inside)
        if len(parts) == 2:
            walk.put_back(part)
    assert len(parts) - len(set(parts)) == (len(parts) > 1), "what was put back comes once more"
    for group, hour in documents:
        document = {**dict(zip(FIELDS, group, strict=True)), "t": None if hour < 0 else hour * HOUR + 1}
        assert sum(finds(part.query("t"), document) for part in set(parts)) == 1


def test_neighbors_in_time_are_read_together() -> None:
    walk = DayWalk(SliceWalk(HOUR, 0, 23 * HOUR), [border_of(("b", None))])
    starts = []
    while part := walk.next():
        starts.append(part.start or 0)
        walk.learn(part, 5000, 5000, [])
    assert len(starts) == 48
    assert starts == sorted(starts)


def test_parts_are_about_a_page_and_not_too_many_documents() -> None:
    def cut(devices: int, documents: int) -> list[Border]:
        found = BorderSearch(["device"], page=100)
        found.see({"key": {"device": f"{number:05d}"}, "doc_count": documents} for number in range(devices))
        return found.borders

    assert cut(100, 1) == []
    assert cut(101, 1) == [(("device", "00080"),)]
    assert [border[0][1] for border in cut(250, 1)] == ["00080", "00160", "00240"]
    assert len(cut(10, MOST_DOCUMENTS // 2)) == 4
    assert len(cut(3, 5 * MOST_DOCUMENTS)) == 2, "a single group is never cut"


def test_no_part_has_more_groups_than_fit_into_a_cache() -> None:
    found = BorderSearch(["device"], page=10 * MOST_GROUPS)
    buckets = [{"key": {"device": f"{number:05d}"}, "doc_count": 1} for number in range(2 * MOST_GROUPS + 1)]
    found.see(buckets[:MOST_GROUPS])
    assert found.borders == []
    found.see(buckets[MOST_GROUPS:])
    assert [border[0][1] for border in found.borders] == [f"{MOST_GROUPS:05d}", f"{2 * MOST_GROUPS:05d}"]


def test_many_ranges_of_groups_take_few_slices_each() -> None:
    borders = [border_of(("b", f"{number:02d}")) for number in range(41)]
    walk = DayWalk(SliceWalk(HOUR, 0, 24 * HOUR - 1), borders)
    parts = []
    while part := walk.next():
        parts.append(part)
        walk.learn(part, MOST_GROUPS * part.units, 0, [])
    assert len(parts) == 5 * len({part.groups for part in parts}) == 5 * 42


def test_a_group_with_several_buckets_is_not_cut() -> None:
    found = BorderSearch(["device"], page=5)
    for device in "de":
        found.see({"key": {"device": device, "@timestamp": number}, "doc_count": 1} for number in range(50))
    assert found.borders == [(("device", "e"),)]


def test_as_many_searches_as_cores_that_hold_the_day() -> None:
    assert usual_searches([], 1) == LEAST_SEARCHES
    assert usual_searches([1], 1) == LEAST_SEARCHES
    assert usual_searches([4], 1) == 4
    assert usual_searches([4, 8, 8], 1) == 4, "any node may hold the only shard"
    assert usual_searches([8, 8, 8], 6) == 4
    assert usual_searches([64, 64], 1) == 8
    assert usual_searches([4, 4], 12) == LEAST_SEARCHES
