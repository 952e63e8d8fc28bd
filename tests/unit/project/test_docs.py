"""What the documents show is run, and what they point at exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from local.places import PROJECT
from opensearch_strata.cli.app import app
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.schedule import Cycle
from opensearch_strata.definition.sections.notify import Notify, Receiver

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:[$] )?(strata [a-z].*)$|`(strata [a-z][^`]*)`", re.MULTILINE)
TARGET = re.compile(r"`make ([a-z-]+)`|^ +make ([a-z-]+)", re.MULTILINE)


def blocks(language: str, info: str = "") -> list[str]:
    """Fenced blocks of a language in all pages."""
    found = [match for page in PAGES for match in BLOCK.finditer(page.read_text())]
    return [match[3] for match in found if match[1] == language and match[2].strip() == info]


def test_every_python_example_runs() -> None:
    examples = blocks("python")
    assert examples
    for example in examples:
        exec(compile(example, "example", "exec"), {})


def test_every_dataset_example_is_valid() -> None:
    examples = blocks("yaml", "dataset")
    assert examples
    for example in examples:
        Dataset.model_validate(yaml.safe_load(example))


def test_the_example_of_alarms_names_whom_to_tell_and_every_key_of_them() -> None:
    (example,) = map(yaml.safe_load, blocks("yaml", "notify"))
    shown = Cycle.model_validate(example["cycle"]).notify
    assert shown
    assert shown.model_fields_set == Notify.model_fields.keys()
    assert set().union(*(one.model_fields_set for one in shown.to)) == Receiver.model_fields.keys()


def test_every_key_of_a_dataset_is_in_its_reference() -> None:
    reference = (PROJECT / "docs" / "datasets.md").read_text()
    for key in Dataset.model_fields:
        assert f"`{key}" in reference or f"`{key}." in reference, key
    for part in ("raw", "history", "intake", "cycle"):
        annotation = Dataset.model_fields[part].annotation
        assert annotation
        for key in annotation.model_fields:
            assert f"{part}.{key}`" in reference, f"{part}.{key}"


def test_every_command_shown_is_one_that_the_shell_takes() -> None:
    texts = [next(filter(None, match)) for page in PAGES for match in COMMAND.findall(page.read_text())]
    assert texts
    shell: Any = get_command(app)
    for text in texts:
        words = [word for word in shlex.split(text.replace("…", "X"))[1:] if word not in ("DATASET", "DAY")]
        command = shell.commands[words[0]]
        while hasattr(command, "commands") and words[1:2] and words[1] in command.commands:
            del words[0]
            command = command.commands[words[0]]
        if hasattr(command, "commands"):  # the group itself, or the one of its commands that needs no name
            command = command.commands.get("list", command)
        known = {option for parameter in command.params for option in parameter.opts}
        for option in (word for word in words if word.startswith("--")):
            assert option in known, f"{text}: {option}"


def test_every_target_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    shown = {next(filter(None, match)) for page in PAGES for match in TARGET.findall(page.read_text())}
    assert shown
    assert shown <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_anchor_is_a_heading_of_its_page() -> None:
    """As GitHub names them: small letters, no punctuation, a hyphen for each blank."""
    linked = {
        (page, (page.parent / (target or page.name)).resolve(), anchor)
        for page in PAGES
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
    }
    assert linked
    for page, target, anchor in linked:
        text = BLOCK.sub("", target.read_text())
        headings = (
            re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        )
        assert anchor in {heading.replace(" ", "-") for heading in headings}, f"{page.name}: {target.name}#{anchor}"


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = re.findall(r"^ *- .+: (\S+\.md)$", (PROJECT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {
        page.relative_to(PROJECT).as_posix()
        for folder in (".", "docs", "benchmarks", "benchmarks/results")
        for page in (PROJECT / folder).glob("*.md")
    }
    assert set(menu) == pages
    assert len(menu) == len(pages)
