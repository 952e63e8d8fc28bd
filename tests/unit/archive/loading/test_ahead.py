"""Objects that are opened ahead: in order, whole, and a fault is raised where its object is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opensearch_strata.archive.load.prefetch import first_blocks


def blocks_of(name: str) -> Iterator[bytes]:
    if name == "bad":
        raise OSError(name)
    yield from (f"{name}{part}".encode() for part in range(3))


def test_everything_comes_in_order() -> None:
    names = [f"n{number}" for number in range(10)]
    found = [(name, list(blocks)) for name, blocks in first_blocks(names, blocks_of)]
    assert found == [(name, [f"{name}{part}".encode() for part in range(3)]) for name in names]


def test_a_fault_stops_nothing_but_its_object() -> None:
    found = []
    for name, blocks in first_blocks(["a", "bad", "c"], blocks_of):
        if name == "bad":
            with pytest.raises(OSError, match="bad"):
                list(blocks)
        else:
            found.append((name, len(list(blocks))))
    assert found == [("a", 3), ("c", 3)]


def test_an_empty_object_has_no_blocks() -> None:
    assert [list(blocks) for _, blocks in first_blocks(["a"], lambda name: iter(()))] == [[]]


def test_only_so_many_are_opened() -> None:
    opened: list[int] = []
    guard = threading.Lock()

    def tracked(number: int) -> Iterator[bytes]:
        with guard:
            opened.append(number)
        yield b"x"

    ahead: Any = first_blocks(range(100), tracked, ahead=3)
    next(ahead)
    ahead.close()
    assert len(opened) <= 4


def test_the_end_does_not_wait_for_a_block_that_hangs() -> None:
    over = threading.Event()

    def hung(number: int) -> Iterator[bytes]:
        over.wait(30)
        yield b"x"

    ahead: Any = first_blocks(range(100), hung, ahead=3)
    next(ahead)
    began = time.monotonic()
    ahead.close()
    assert time.monotonic() - began < 5
    over.set()
