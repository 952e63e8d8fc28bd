"""What docs/sketch.md shows is so: its tables are the bytes, its readers read every sketch."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
from typing import Any

import pytest

from local.places import PROJECT
from opensearch_strata.sketches.ddsketch import Bins, bin_of, bins_of, pack, quantiles, value_of
from tests.sketches import SMALLEST, last_bin

PAGE = (PROJECT / "docs" / "sketch.md").read_text("utf-8")
CELL = re.compile(r"^\| ((?:`[01 ]+` ?)+)\|", re.MULTILINE)


def block(language: str, holds: str) -> str:
    """The fenced block of the page that holds a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if holds in block)
    return str(found)


@pytest.mark.parametrize("text", ["gOEE8p8=", "uI4Bf/gEbBP/wCNX60M="])
def test_the_tables_of_bits_are_the_bits(text: str) -> None:
    table = PAGE.split(f"| bits of `{text}` |")[1].split("\n\n")[0]
    bits = "".join(re.sub(r"[` ]", "", cell) for cell in CELL.findall(table))
    assert bits == "".join(f"{byte:08b}" for byte in base64.b64decode(text))


@pytest.mark.parametrize(("language", "holds"), [("js", "function read"), ("python", "def read")])
def test_a_reader_takes_thirty_lines(language: str, holds: str) -> None:
    assert sum(1 for line in block(language, holds).splitlines() if line.strip()) <= 30


def usual_and_unusual() -> list[tuple[Bins, int]]:
    """Sketches as they occur, and as they could."""
    rng = random.Random(8)
    found: list[tuple[Bins, int]] = [({0: 1}, 10), ({-last_bin(1): 2**40, last_bin(1): 1}, 1)]
    for step in (1, 2, 7, 10, 20, 33, 50):
        last, first = last_bin(step), bin_of(SMALLEST, step)
        for size in (1, 2, 40):
            found.append((bins_of([rng.gauss(20, 4) for _ in range(size)], step), step))
            found.append(
                (bins_of([rng.choice((0, 1, -1)) * rng.lognormvariate(0, 9) for _ in range(size)], step), step)
            )
            keys = [rng.choice((1, -1)) * rng.randrange(first, last) for _ in range(size)]
            found.append(({key: rng.randrange(1, 2 ** rng.randrange(1, 40)) for key in keys}, step))
    return found


FRACTIONS = [0, 0.01, 0.5, 0.9, 0.99, 1]


def test_the_reader_in_python_reads_every_sketch() -> None:
    reader: dict[str, Any] = {}
    exec(compile(block("python", "def read"), "docs/sketch.md", "exec"), reader)
    for bins, step in usual_and_unusual():
        text = pack(bins, step)
        assert reader["read"](text) == reader["read"](text.rstrip("=")) == (step, bins)
        for index in bins:
            if abs(index) < last_bin(step):  # whose border is beyond the largest double
                assert reader["value_of"](index, step) == pytest.approx(value_of(index, step), rel=1e-12, abs=SMALLEST)


@pytest.mark.skipif(not (node := shutil.which("node")), reason="the reader in JavaScript needs node, which is not here")
def test_the_reader_in_javascript_reads_every_sketch() -> None:
    cases = [
        (pack(bins, step).rstrip("="), bins, step, value_of(min(bins), step), value_of(max(bins), step))
        for bins, step in usual_and_unusual()
    ]
    asked = [[text, low, high] for text, _, _, low, high in cases]
    script = f"""{block("js", "function read")}
    for (const [text, min, max] of {json.dumps(asked)}) {{
      const sketch = read(text), quantiles = {FRACTIONS}.map((q) => quantile(sketch, q, min, max));
      console.log(JSON.stringify([sketch.step, [...sketch.bins], quantiles]));
    }}"""
    answer = subprocess.run([str(node), "-"], input=script, capture_output=True, text=True, check=True).stdout
    for line, (_, bins, step, low, high) in zip(answer.splitlines(), cases, strict=True):
        its_step, its_bins, found = json.loads(line)
        assert (its_step, dict(its_bins)) == (step, bins)
        wanted = quantiles(bins, FRACTIONS, step, low, high)
        assert found == [pytest.approx(wanted[q], rel=1e-12, abs=SMALLEST) for q in FRACTIONS]
