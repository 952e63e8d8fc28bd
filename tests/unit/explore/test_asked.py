"""Questions in addresses, and the same for the shell and for Python."""

from __future__ import annotations

import ast
import shlex
import subprocess
from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.airflow.ui.explore.asked import (
    Asked,
    asked_of,
    drawable,
    intervals_of,
    python_lines,
    shell_lines,
    stats_of,
    undrawn,
    usual_interval,
)
from opensearch_strata.errors import Refused
from opensearch_strata.errors.printable import printable
from opensearch_strata.history.query.intervals import Interval
from opensearch_strata.history.query.question import Question
from tests.streams import DAY, dataset_of

SHOP = dataset_of("shop")
SPAN = ("start", "end")
TOP = {"field": "site", "stats": ["count"], "distribution": {"top_values": 3}}
USERS = {"field": "user", "stats": ["count"], "distribution": {"distinct": {"error": 0.02}}}


def asked(*given: tuple[str, str]) -> Asked:
    return asked_of(SHOP, given, DAY)


def test_without_a_word_it_is_the_last_month_of_the_first_metric() -> None:
    assert asked() == Asked(("temperature",), DAY - timedelta(days=29), DAY, "6h")
    assert asked(("metric", ""), ("interval", " "), ("by", "")) == asked()


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["temperature", "load"]), min_size=1, max_size=2, unique=True),
    st.dates(date(2001, 1, 1), date(2030, 1, 1)),
    st.integers(0, 400),
    st.sampled_from(["", "device", "site"]),
    st.dictionaries(st.sampled_from(["device", "site"]), st.text(min_size=1)),
)
def test_an_address_says_all_that_was_asked(
    metrics: list[str], first: date, days: int, by: str, where: dict[str, str]
) -> None:
    last = first + timedelta(days=days)
    one = Asked(tuple(metrics), first, last, usual_interval(SHOP, first, last), by, where)
    assert asked(*parse_qsl(one.address, keep_blank_values=True)) == one
    shown = shell_lines(SHOP, one)
    assert all(printable(line) == line for line in shown)
    if all(value.isprintable() for value in where.values()):
        words = shlex.split(shown[0])
        assert words[:3] == ["strata", "query", "shop"]
        assert [words[place + 1] for place, word in enumerate(words) if word == "--where"] == [
            f"{group}={value}" for group, value in where.items()
        ]
    python = python_lines(SHOP, one)
    assert all(printable(line) == line for line in python)
    calls = [call.value for call in ast.parse("\n".join(python)).body]  # type: ignore[attr-defined]
    found = []
    for call in calls:
        said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg not in SPAN}
        assert said.get("where", {}) == where
        assert all(said["stats"] == stats_of(SHOP, metric) for metric in said["metrics"])
        found += said["metrics"]
    assert found == metrics
    start, end = one.span(SHOP)
    for metric in metrics:  # the reader itself accepts it
        Question.checked(
            SHOP, start, end, metrics=[metric], stats=stats_of(SHOP, metric), interval=one.interval, where=where
        )


@pytest.mark.parametrize(
    "value", ["a\nb\x01", "\u202egpj.exe", " lead", "it's \\ \t\u200b1\x7f", "plain", "ü\xa0x", "\x01f"]
)
def test_bash_gives_the_shell_what_was_asked(value: str) -> None:
    one = asked(("where.site", value), ("metric", "load"), ("metric", "temperature"))
    assert one.where == {"site": value}
    lines = shell_lines(SHOP, one)
    assert [line.partition(" --metric ")[2].partition(" --where")[0] for line in lines] == [
        "load --stat avg,count",
        "temperature --stat p50,p90,p99,min,max,avg,count",
    ]
    for line in lines:
        echoed = f"strata() {{ printf '%s\\0' \"$@\"; }}; {line}"
        words = subprocess.run(["bash", "-c", echoed], capture_output=True, check=True).stdout.decode().split("\0")
        assert words[words.index("--where") + 1] == f"site={value}"


def test_what_no_command_can_be_given_is_said() -> None:
    (line,) = shell_lines(SHOP, asked(("where.site", "a\0b")))
    assert line.startswith("# No command can be given the character NUL")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([("metric", "price")], "no metric 'price' that can be drawn; it has temperature, load"),
        ([("from", "yesterday")], "'yesterday' is not a day"),
        ([("from", "2024-05-07"), ("to", "2024-05-06")], "is no span"),
        ([("from", "1900-01-01")], "is no span"),
        ([("to", "0001-01-01")], "is no day of the years"),
        ([("from", "9999-12-31"), ("to", "9999-12-31")], "is no day of the years"),
        ([("by", "price")], "not grouped by 'price', but by device, site"),
        ([("where.price", "1")], "not grouped by 'price'"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(given: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(Refused, match=why):
        asked(*given)


def test_only_numbers_are_drawn() -> None:
    metrics = {"sites": TOP, "users": USERS, "load": {"field": "load", "stats": ["count", "sum"]}}
    mixed = dataset_of("shop", metrics=metrics, history={"group_by": ["device"]})
    assert drawable(mixed) == ["load"]
    assert undrawn(mixed) == ["sites (most frequent values, --stat top)", "users (different values, --stat distinct)"]
    assert stats_of(mixed, "load") == ["avg", "count"]
    with pytest.raises(Refused, match="No metric of 'shop' is a number"):
        asked_of(dataset_of("shop", metrics={"sites": TOP}, history={"group_by": ["device"]}), [], DAY)


@pytest.mark.parametrize("bucket", ["15m", "1h", "6h", "1d"])
def test_offered_intervals_cut_no_bucket(bucket: str) -> None:
    dataset = dataset_of("shop", history={"bucket": bucket})
    for text in intervals_of(dataset, DAY, DAY):
        length = Interval.parse(text).length
        assert text in ("1d", "1M") or (length is not None and not length % dataset.history.bucket_length)
    for days in (1, 3, 10, 45, 400, 5000):
        last = DAY + timedelta(days=days - 1)
        assert usual_interval(dataset, DAY, last) in intervals_of(dataset, DAY, last)


def test_parts_of_days_that_begin_inside_buckets_are_not_offered() -> None:
    dataset = dataset_of("shop", time_zone="Asia/Kolkata")
    assert intervals_of(dataset, DAY, DAY) == ["1h", "1d", "1M"]
    assert asked_of(dataset, [], DAY).interval == "1d"
