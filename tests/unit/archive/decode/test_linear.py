"""No content takes more than its own size in time and memory: parsers, formats, and the patterns that they use."""

from __future__ import annotations

import importlib
import pkgutil
import re
import re._constants as sre  # type: ignore[import-not-found]  # a part of CPython that has no types
import re._parser as sre_parser  # type: ignore[import-not-found]
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.archive import parsers
from opensearch_strata.archive.decode import codecs, formats
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.parsers.mysql.audit import mysql_audit
from opensearch_strata.archive.parsers.parsed import FAULTS, Unreadable
from opensearch_strata.archive.parsers.registry import PARSERS, begins_of
from opensearch_strata.definition.loading.intake import Intake

SIZE = 2**12
MOST_BYTES = 60
"""Bytes of memory for each character; orjson alone takes 12 for each byte."""
HEADS = [
    "", "20240101 00:00:00,h,u,h,1,1,QUERY,d,'", "20240101 00:00:00,h,u,h,1,1,CONNECT,d,", "20240101 00:00:00,",
    "# Query_time: 1 ", "# Query_time: 1\n", "# Query_time: 1\nSET ", "# User@Host: ", "# Time: ",
    "2024-01-01T00:00:00.000000Z\t", "240101  0:00:00\t    1 ", "\t\t    1 Query\t", "2024-01-01T00:00:00Z 1 [",
    "REPORT RequestId: x\t", "START RequestId: ", "version account-id ", "2 1 eni-1 ", "1.2.3.4 - - [",
    '1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] "', "{", '{"a":', '{"a":"', "[", "[{}", '[{"a":1}',
    "2024-01-01T00:00:00.000Z ", '{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[',
    '{"errorCode":"x","rawData":"', '{"_id":"',
    "Tcp port: ", "Time ",
    "<34>1 2003-10-11T22:14:15Z h a 1 2 [", '<34>1 - - - - - [a b="', "<34>Oct 11 22:14:15 ", "Oct 11 22:14:15 h a[",
    "2003-10-11T22:14:15Z ", "__CURSOR=a\n", "__CURSOR=a\nMESSAGE\n", "2019-10-10 04:51:25,321 - a[",
    "Cloud-init v. 1 finished at Mon, 06 May 2024 07:08:09 +0000. Datasource ", "2016-10-06T00:17:09.6Z stdout F ",
    '{"log":"', "I0520 05:24:43.888087 1 ", "I0520 05:24:43.888087 1 a:1] ", 'time="2022-05-26T18:55:30Z" a="',
    "2018-08-22 16:00:04 UTC:", "2018-08-22 16:00:04 UTC:h(1):", "2018-08-22 16:00:04 UTC::a@b:[1]:",
    "2018-08-22 16:00:04 UTC::a@b:[1]:2:40001:2026-02-02 21:33:19 UTC:1/1:0:6.2:", '2019-04-30 11:21:04.8 UTC,"',
    "2018-08-22 16:00:04 UTC::a@b:[1]:LOG:  duration: ", "[INFO]\t2026-05-02T21:55:11.504Z\t\t", "INIT_START Runtime ",
    "EXTENSION\tName: a\tEvents: [", '<request id="a">', '<request id="a"><ip>',
    "(a) HTTP Method: GET, Resource Path: ",
    "https 2025-03-05T07:00:01.186641Z app/", '"', '" "', "#Fields: ", "#Fields: x-edge ",
    "2025-03-05\t07:00:01\tLAX1", "a b [05/Mar/2025:07:00:01 +0000] ", '{"Records":[{"eventVersion":"1",', "PAR1",
]  # fmt: skip
PIECES = [
    ",", "'", "',", "a,", "\\", " ", "\n", "\t", "a", "1", "1 ", "a=1,", "x: y ", "# \n", "# Query_time: 1\n", "[",
    "a[a] @ ", "aA", "a: 1 ms\t", " Version: ", "XRAY ", "a-b ", '"', '\\"', "{", "}", '{"', "}{", "\n{", '{"a":',
    '"k":1,', '\\\\', 'a="1" ', ' b="c"', "<a>1</a>", "][", "](", "a=b\n", "\n\t", "): ", '""', '","',
    "\0", "\r", "\u2028", "use a;\n", "] [", "-", '" ', ' "', '"a" ', "- ",
]  # fmt: skip
KINDS: dict[str, Callable[[str], Any]] = {
    **{name: lambda text, make=make: make(ZoneInfo("UTC"))(text) for name, make in PARSERS.items()},  # type: ignore[misc]
    **{
        f"entries of {name}": lambda text, name=name: _read(text, "lines", begins_of(Intake(parser=name), ""))  # type: ignore[misc]
        for name in PARSERS
        if begins_of(Intake(parser=name), "")
    },
    "content": lambda text: _read(text),
}


def _read(text: str, *how: Any) -> None:
    for _ in Reading([text.encode("utf-8", "replace")], *how):
        pass


def _tried(run: Callable[[str], Any], text: str) -> None:
    with suppress(*FAULTS):
        run(text)


def _cost(run: Callable[[str], Any], text: str) -> tuple[int, int]:
    """Peak of memory in bytes, and how many lines of Python were run."""
    lines = 0

    def count(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    tracemalloc.start()
    try:
        _tried(run, text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    before = sys.gettrace()
    sys.settrace(count)
    try:
        _tried(run, text)
    finally:
        sys.settrace(before)
    return peak, lines


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(st.sampled_from(HEADS), st.sampled_from(PIECES), st.sampled_from(PIECES))
def test_twice_the_content_takes_twice_the_memory_and_the_steps(kind: str, head: str, piece: str, end: str) -> None:
    run = KINDS[kind]
    run_once, run_twice = (head + piece * (size // len(piece)) + end for size in (SIZE, 2 * SIZE))
    memory, steps = _cost(run, run_once)
    twice_the_memory, twice_the_steps = _cost(run, run_twice)
    assert twice_the_memory <= 2.2 * memory + 2**16
    assert twice_the_memory <= MOST_BYTES * 2 * SIZE + 2**16
    assert twice_the_steps <= 2.2 * steps + 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", HEADS)
def test_blanks_and_ends_of_lines_take_no_time(kind: str, head: str) -> None:
    """Where a pattern looks at them again and again, so many take minutes."""
    for piece in (" ", "\n", "}\n"):
        started = time.process_time()
        _tried(KINDS[kind], head + piece * (2**15 // len(piece)) + "x")
        assert time.process_time() - started < 2


def test_a_record_of_millions_of_columns_is_refused_and_costs_little() -> None:
    text = "20240101 00:00:00,h,u,h,1,1,QUERY,d," + "," * 16_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="16,000,000 columns"):
            mysql_audit(ZoneInfo("UTC"))(text)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(text)
    finally:
        tracemalloc.stop()


def _patterns() -> Iterator[tuple[str, str | bytes]]:
    for package in (parsers, formats, codecs):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield from _patterns_of(importlib.import_module(found.name))


def _patterns_of(module: ModuleType) -> Iterator[tuple[str, str | bytes]]:
    for name, value in vars(module).items():
        several = value if isinstance(value, list | tuple) else [value]
        for pattern in several:
            if isinstance(pattern, re.Pattern):
                yield f"{module.__name__.rpartition('.')[2]}.{name}", pattern.pattern


def _groups_without_bound(parsed: Any) -> Iterator[str]:
    """Repetitions of more than one character: each round is remembered, and may be tried again."""
    for operator, argument in parsed:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _, most, inner = argument
            if most == sre.MAXREPEAT and (len(inner) > 1 or inner[0][0] in (sre.SUBPATTERN, sre.BRANCH)):
                yield f"{inner}"
        for part in argument if isinstance(argument, tuple | list) else [argument]:
            for nested in part if isinstance(part, list) else [part]:
                if isinstance(nested, sre_parser.SubPattern):
                    yield from _groups_without_bound(nested)


@pytest.mark.parametrize(("name", "pattern"), [pytest.param(*found, id=found[0]) for found in _patterns()])
def test_no_pattern_repeats_a_group_without_bound(name: str, pattern: str | bytes) -> None:
    assert not list(_groups_without_bound(sre_parser.parse(pattern))), name


def test_the_check_sees_a_group_without_bound() -> None:
    for pattern in ("(?:,[^,]*)*", "x(a|b)+", "(?:(?:a b)*c)?", "(?=(?:ab)*)"):
        assert list(_groups_without_bound(sre_parser.parse(pattern))), pattern
    assert not list(_groups_without_bound(sre_parser.parse(r"a*[^,]*(?:x\d+){0,9}")))
