"""Formats and parsers of other distributions: the guide runs to the letter, and what is broken is told by its name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.places import PROJECT
from opensearch_strata.archive.decode.formats import in_order
from tests.shell import start

PAGE = (PROJECT / "docs" / "formats.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
UV = Path(sys.executable).with_name("uv")


def install(source: Path, target: Path) -> None:
    """As pip would, into a folder of its own and without asking a registry."""
    options = ["--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable]
    command = [str(UV), "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def strata(line: str, site: Path, folder: Path, exit_code: int = 0) -> tuple[str, str]:
    """What the command writes to stdout and stderr where a distribution is installed.

    :param site: where it is installed
    :param folder: where the command runs
    """
    paths = os.pathsep.join([str(PROJECT / "plugins"), str(site)])
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": folder}
    process = start(shlex.split(line), env={"PYTHONPATH": paths}, **streams)
    out, told = process.communicate()
    assert process.returncode == exit_code, told
    return out, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the guide, under the names that it gives them."""
    made = tmp_path_factory.mktemp("guide")
    for _, name, text in BLOCK.findall(PAGE):
        if name:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text, "utf-8")
    return made


@pytest.fixture(scope="module")
def site(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the distribution of the guide is installed."""
    made = tmp_path_factory.mktemp("site")
    install(folder / "acme-logs", made)
    return made


def test_the_guide_runs_to_the_letter(folder: Path, site: Path) -> None:
    consoles = "".join(text for language, _, text in BLOCK.findall(PAGE) if language == "console")
    assert consoles.startswith("$ pip install ./acme-logs\n")
    shown = [part.partition("\n") for part in consoles.split("$ strata ")[1:]]
    assert len(shown) == 2
    for command, _, output in shown:
        assert strata(command, site, folder)[0] == output, command


def test_the_table_of_formats_is_in_the_order_in_which_they_are_asked() -> None:
    rows = re.findall(r"^\| (?:`(\w+)`|(\*installed\*)) \| [^|]* \| [^|]* \| [^|]* \|$", PAGE, re.MULTILINE)
    names = [ours or "installed" for ours, _ in rows]
    assert [name for name in names if name != "installed"] == [name for name, _ in in_order()]
    assert names.index("installed") == names.index("json") - 1 == names.index("parquet") + 1


GREEDY = """
from opensearch_strata.extending import Event
def matches(head): return True
def events(blocks): yield Event(0, 0, b"".join(blocks).decode(), raw=b"x")
"""
ENVELOPE = b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[]}'


def distribution(site: Path, name: str, entries: str, **modules: str) -> Path:
    """Install a distribution as its wheel would be.

    :param entries: its ``entry_points.txt``
    :param modules: name -> text
    """
    info = site / f"{name.replace('-', '_')}-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(entries)
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    return site


def test_installed_formats_are_asked_in_the_order_of_their_names_behind_our_envelopes(tmp_path: Path) -> None:
    entries = "[opensearch_strata.formats]\nb_greedy = greedy\na_modest = modest\n"
    modest = GREEDY.replace("return True", "return head.startswith(b'modest')")
    site = distribution(tmp_path / "site", "greed", entries, greedy=GREEDY, modest=modest)
    contents = {
        "cloudwatch": ENVELOPE,
        "strata": b'{"_id":"a","_source":{}}\n',
        "a_modest": b"modest words\n",
        "b_greedy": b'{"n":1}\n',
    }
    for format_name, content in contents.items():
        (tmp_path / "object").write_bytes(content)
        assert f"Format:   {format_name}\n" in strata("parse object --stats", site, tmp_path)[0]
    assert strata("parse object --format json", site, tmp_path)[0].endswith('{"n":1}\n')


DATASET = (PROJECT / "include" / "datasets" / "flights.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("entries", "module", "sentence"),
    [
        (
            "[opensearch_strata.formats]\nbad = broken\n",
            "import nothing_of_this_name",
            "The format 'bad' of the distribution acme-broken 2.5 cannot be imported: broken raises "
            "ModuleNotFoundError(\"No module named 'nothing_of_this_name'\"). Nothing was read; repair or uninstall "
            "the distribution.",
        ),
        (
            "[opensearch_strata.formats]\nbad = broken\n",
            "def matches(head): return False",
            "The format 'bad' of the distribution acme-broken 2.5 has no function 'events' in broken; a format needs "
            "matches and events.",
        ),
        (
            "[opensearch_strata.parsers]\nbad = broken:nothing\n",
            "",
            "The parser 'bad' of the distribution acme-broken 2.5 cannot be imported: broken:nothing raises "
            "AttributeError(",
        ),
        (
            "[opensearch_strata.parsers]\nbad = broken\n",
            "raise SystemExit(0)",
            "The parser 'bad' of the distribution acme-broken 2.5 cannot be imported: broken raises SystemExit(0).",
        ),
        (
            "[opensearch_strata.parsers]\njson = broken\n",
            "",
            "The parser 'json' of the distribution acme-broken 2.5 has the name of a parser that Strata itself",
        ),
        (
            "[opensearch_strata.formats]\nBad-Name = broken\n",
            "",
            "The format 'Bad-Name' of the distribution acme-broken 2.5 has a name that does not consist of",
        ),
    ],
)
def test_a_broken_entry_point_is_a_sentence_that_names_the_distribution(
    tmp_path: Path, entries: str, module: str, sentence: str
) -> None:
    site = distribution(tmp_path / "site", "acme-broken", entries, broken=module)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "flights.yaml").write_text(DATASET, "utf-8")
    out, _ = strata("check --datasets-dir datasets", site, tmp_path, exit_code=1)
    assert out.splitlines()[0].startswith(sentence)
    assert "Valid datasets: flights. Problems: 1." in out  # which do not name it


def test_a_name_that_two_distributions_bring_is_told(tmp_path: Path) -> None:
    entries = "[opensearch_strata.formats]\nalb = greedy\n"
    site = distribution(tmp_path / "site", "one", entries, greedy=GREEDY)
    distribution(site, "two", entries)
    (tmp_path / "object").write_bytes(b"x")
    _, told = strata("parse object", site, tmp_path, exit_code=1)
    assert re.search(r"'alb' of the distribution (one|two) 2\.5 has the same name as one of the distribution", told)
    assert "should not happen" not in told


FAILING = """
from opensearch_strata.extending import Event, Parsed
def matches(head): return head.startswith(b"!")
def events(blocks):
    yield Event(0, 0, "first", raw=b"!first")
    {0}
def parser(zone):
    def parse(message): {1}
    return parse
"""


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "raise KeyError('x')",
            "The format 'odd' of the distribution acme 2.5 raises KeyError('x'); everything before",
        ),
        (
            "yield 'text'",
            "The format 'odd' of the distribution acme 2.5 yielded a str where an Event or Broken is expected",
        ),
        ("yield Event(-1, 0, '')", "yielded record -1 after record 0, but record numbers must never decrease"),
        ("yield Event(1, 0, 7)", "yielded record 1 with a message that is neither text nor fields"),
        ("yield Event(1, 0, '', time=0.5)", "yielded record 1 with a time that is not epoch milliseconds"),
        ("yield Event(1, 0, '', raw='x')", "yielded record 1 with a raw that is not bytes"),
    ],
)
def test_a_format_that_fails_costs_the_rest_of_the_object(tmp_path: Path, fault: str, sentence: str) -> None:
    entries = "[opensearch_strata.formats]\nodd = odd\n"
    site = distribution(tmp_path / "site", "acme", entries, odd=FAILING.format(fault, "pass"))
    (tmp_path / "object").write_bytes(b"!")
    out, told = strata("parse object", site, tmp_path)
    assert out.count("\n") == 1
    assert out.endswith('{"message":"first"}\n')
    assert sentence in " ".join(told.split())


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "return message['x']",
            "The parser odd cannot read the message: it makes the parser 'odd' of the distribution acme 2.5 raise "
            "TypeError(",
        ),
        ("return {'a': 1}", "of the distribution acme 2.5 return a dict that is not a valid Parsed(fields, time)."),
        ("return Parsed({'a': 1}, 0.5)", "return a Parsed that is not a valid Parsed(fields, time)."),
    ],
)
def test_a_parser_that_fails_costs_the_message(tmp_path: Path, fault: str, sentence: str) -> None:
    entries = "[opensearch_strata.parsers]\nodd = odd\n"
    site = distribution(tmp_path / "site", "acme", entries, odd=FAILING.format("pass", fault))
    (tmp_path / "object").write_bytes(b"words\n")
    _, told = strata("parse object --parser odd", site, tmp_path, exit_code=1)
    assert sentence in " ".join(told.split())
