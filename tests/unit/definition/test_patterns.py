"""Patterns that never go back: what they are, what they fit, that no text takes longer than its length."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from local.places import PROJECT
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaped, Shaper
from opensearch_strata.archive.events import Event, Place
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import Intake
from opensearch_strata.definition.notation.patterns import compiled
from tests.streams import definition_of

SOUND = [
    r"(?P<a>\S+) (?P<b>[^ ]*) .*",
    r'"(?P<a>(?:[^"\\]|\\.)*)"',
    r"user=(?P<u>.*?) host=(?P<h>\S+)",
    r"(?P<n>-?\d+(?:\.\d+)?)(?:,(?P<m>\d{1,3}))*",
    r"(?P<head>\w+): (?P<rest>(?s:.*))",
    r"[]a-c\d-]{2,3}x?",
    r"^(?P<a>a+)(?P<b>b*)$",
    r"{(?P<a>[a-z]*)}",
]
TEXTS = st.text('ab c0,.-"\\:=x\n]{}hostuer', max_size=30)


@pytest.mark.parametrize("text", SOUND)
@given(line=TEXTS)
@example(line="user=a b host=c")
@example(line='"a\\"b"')
@example(line="-1.5,10,200")
@example(line="a: b\nc")
@example(line="{ab}")
def test_a_pattern_fits_what_pythons_fits_with_the_same_groups(text: str, line: str) -> None:
    ours, theirs = compiled(text).fits.fullmatch(line), re.fullmatch(text, line, re.ASCII)
    assert (ours and ours.groupdict()) == (theirs and theirs.groupdict())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"(?P<a>.*) (?P<b>\d+)", "the next character does not decide where '.*' ends"),
        (r"(?P<a>\S+):(?P<b>\d+)", "the next character does not decide"),
        (r"(?P<a>(?:x+)+y)", "the next character does not decide"),
        (r"(?P<a>(?:x*)*)y", "may be empty"),
        (r"(?P<a>a|ab)c", "'ab' may begin like another choice"),
        (r"(?P<a>a?)(?:|b)a", "does not decide|another choice"),
        (r"(?P<a>.*?)", "literal text without a choice must follow it"),
        (r"(?P<a>.*?)b+", "literal text without a choice must follow it"),
        (r"(?P<a>x)(?P<a>y)", "uses the name of a group twice"),
        (r"(?P<a>(?=x)x)", "is not a supported group"),
        (r"(?P<a>x)\1", "is not a supported escape"),
        (r"(?P<a>\bx)", "is not a supported escape"),
        (r"(?P<a>x", "should close a group"),
        (r"(?P<a>x))", "closes a group that is not open"),
        (r"(?P<a>[x)", "begins a set that is not closed"),
        (r"(?P<a>[z-a])", "range"),
        (r"(?P<a>[\d-z])", "range"),
        (r"(?P<a>x**)", "repeats something that is already repeated"),
        (r"(?P<a>*x)", "has nothing to repeat"),
        (r"(?P<a>x{2,1})", "must repeat"),
        (r"(?P<a>x{5000})", "must repeat"),
        (r"(?P<a>(?:xy)*?)z", "makes the repetition of a group lazy"),
        (r"(?P<a>a$b)", "is not needed"),
        ("(" * 40, "is nested deeper"),
        ("x" * 5000, "is longer than"),
    ],
)
def test_a_pattern_that_may_go_back_is_refused_with_what_to_write(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        compiled(text)


def test_a_definition_names_a_pattern_that_it_can_use() -> None:
    wrong: dict[str, Any]
    for wrong in ({"pattern": "no group"}, {"pattern": []}, {"pattern": [r"(?P<a>.*)x"]}, {"parser": "pattern"}):
        with pytest.raises(ValueError, match=r"named group|does not decide|needs intake\.pattern"):
            Intake.model_validate(wrong)
    Intake.model_validate({"pattern": ["#.*", "(?P<a>.*)"], "parsers": {"*.log": "pattern"}})


@given(st.text(max_size=40))
def test_whatever_a_person_writes_is_a_pattern_or_a_sentence(text: str) -> None:
    with suppress(ValueError):
        compiled(text).fits.fullmatch("a b\n")


def taken(run: Callable[[], Any]) -> int:
    """Memory that a call takes, as a measure of what an engine keeps in order to go back."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (r'"(?P<a>(?:[^"\\]|\\.)*)"', '\\"'),
        (r"user=(?P<u>.*?) host=(?P<h>\S+) end", " host"),
        (r"(?:(?P<a>a[^b]*)b)*c", "ab"),
        (r"(?P<a>\S+) (?P<b>\S+) (?P<c>\S+) x", "a"),
    ],
)
@pytest.mark.timeout(60)
def test_a_line_that_fits_almost_takes_no_longer_than_its_length(text: str, unit: str) -> None:
    pattern = compiled(text).fits
    short, long = (taken(lambda n=n: pattern.fullmatch(unit * n)) for n in (20_000, 80_000))  # type: ignore[misc]
    assert long < 6 * short + 100_000
    assert pattern.fullmatch(unit * 200_000) is None  # an engine that goes back twice would take days


# What the documents show, on lines as these services write them.

BLOCK = re.compile(r"^```yaml intake\n# ([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = {
    match[1].partition(" of ")[0].partition(" (")[0]: Intake.model_validate(yaml.safe_load(match[2]))
    for match in BLOCK.finditer((PROJECT / "docs" / "datasets.md").read_text())
}
LINES = {
    "nginx and Apache, combined format": (
        b'192.0.2.1 - - [05/Mar/2025:07:00:01 +0000] "GET /a?b=c HTTP/1.1" 200 612 "-" "Mozilla/5.0 (X11; Linux)"\n'
        b'192.0.2.1 - tom [05/Mar/2025:07:00:01 +0000] "HEAD / HTTP/1.1" 304 - "http://a/" "curl/7.46.0"\n',
        2,
    ),
    "PostgreSQL": (
        b"2025-03-05 07:00:01 UTC:172.21.7.53(49654):user@db:[1371]:LOG:  duration: 39401.431 ms  statement:\n"
        b"\tUPDATE t SET a = '2017-12-11T10:00:00+00:00'\n\n\tWHERE id = 1;\n"
        b'2025-03-05 07:00:01 UTC::@:[25852]:LOG:  automatic vacuum of table "t": index scans: 1\n\tpages: 0 removed\n',
        2,
    ),
    "Containers": (
        b'2025-03-05T07:00:01.123456789Z stdout F {"level":"info","a":1}\n'
        b"2025-03-05T07:00:01.123456789Z stderr P part one \n2025-03-05T07:00:01.123456789Z stderr F part two\n",
        3,
    ),
}


def dataset_of(intake: Intake) -> Dataset:
    raw = {"index": "t-{day}", "timestamp": "@timestamp"}
    stated = intake.model_dump(exclude_unset=True)
    return Dataset.model_validate(definition_of("t", raw=raw, intake=stated) | {"time_zone": "UTC"})


def shaped(content: bytes, intake: Intake, key: str = "x.log") -> list[Shaped]:
    shaper = Shaper(dataset_of(intake), Place("b", key))
    return [shaper.shaped(item) for item in Reading([content], begins=begins_of(intake, key))]


def test_the_documents_show_a_pattern_for_each_of_these_lines() -> None:
    assert SHOWN.keys() == LINES.keys()


@pytest.mark.parametrize("name", sorted(LINES))
def test_access_logs_give_fields_and_their_time(name: str) -> None:
    content, events = LINES[name]
    made = [one for one in shaped(content, SHOWN[name]) if one is not None]
    assert all(isinstance(one, Document) for one in made), made
    assert len(made) == events
    for one in made:
        assert isinstance(one, Document)
        assert b'"@timestamp":"2025-03-05T07:00:01.' in one.source
        assert one.source.count(b'":') > 4


def test_a_statement_goes_on_in_the_lines_behind_and_loses_none() -> None:
    content, _ = LINES["PostgreSQL"]
    first, _ = [one for one in shaped(content, SHOWN["PostgreSQL"]) if isinstance(one, Document)]
    assert b"statement:\\n\\tUPDATE t SET a = '2017-12-11T10:00:00+00:00'\\n\\n\\tWHERE id = 1;" in first.source


def test_a_bad_line_costs_itself_and_none_beside_it() -> None:
    intake = Intake.model_validate({"pattern": ["#.*", r"(?P<t>\d+) (?P<b>\w+)"], "rename": {"t": "@timestamp"}})
    good = b"1741158001000 a\n"
    content = b"no line\n" + good + b"bad\nworse\n" + good + b"# note\nbehind a note\n\n" + good
    made = shaped(content, intake)
    assert sum(isinstance(one, Document) for one in made) == 3
    dead = [one for one in made if isinstance(one, Dead)]
    assert [one.raw for one in dead] == [b"no line", b"bad", b"worse", b"behind a note"]
    assert "matches no pattern of intake.pattern: 'bad'" in dead[1].detail


def test_a_letter_of_a_pattern_is_read_again_by_itself() -> None:
    intake = SHOWN["PostgreSQL"]
    content, _ = LINES["PostgreSQL"]
    events = [one for one in Reading([content], begins=begins_of(intake, "x")) if isinstance(one, Event)]
    for event in events:
        (again,) = Reading([event.raw], "lines", begins_of(intake, "x"))
        assert again == event._replace(record=0)


def test_an_entry_beyond_a_mebibyte_is_dead_and_compared_with_nothing() -> None:
    intake = Intake.model_validate({"pattern": "(?P<m>.*)", "add": {"@timestamp": 1741158001000}})
    (made,) = shaped(b"x" * (2**20 + 1) + b"\n", intake)
    assert isinstance(made, Dead)
    assert "longer than 1,048,576 characters" in made.detail
