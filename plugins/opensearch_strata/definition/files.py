"""Reads the datasets from their folder; every problem is a sentence that names the file, the key and the cure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.constructor import ConstructorError

from opensearch_strata.definition.dataset import Dataset, overlapping
from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.definition.loading.intake import RENAMED
from opensearch_strata.definition.strict_model import demand
from opensearch_strata.errors import DefinitionError

MOST_NESTED = 500
"""Most levels of nesting in a definition file; a dataset needs six."""


def datasets_dir() -> Path:
    """Folder of the dataset definitions: ``datasets`` in ``STRATA_INCLUDE_DIR``, else the first place that exists.

    :raises DefinitionError: the folder that the variable names does not exist, or none of the places exists
    """
    if named := os.environ.get("STRATA_INCLUDE_DIR"):
        if not Path(named).is_dir():
            raise DefinitionError(
                f"The folder {named} does not exist; set STRATA_INCLUDE_DIR to the project's include folder."
            )
        return Path(named) / "datasets"
    if existing := [place for place in _places() if _is_dir(place)]:
        return existing[0].absolute()
    looked = ", ".join(str(place) for place in _places())
    raise DefinitionError(
        f"No folder of datasets was found; looked for {looked}. Create one of them, or set STRATA_INCLUDE_DIR to the "
        "folder that contains datasets/."
    )


def datasets_not_read() -> list[Path]:
    """Places after the one that ``datasets_dir`` found that also contain dataset files.

    Empty if a variable names the folder.

    :raises DefinitionError: as ``datasets_dir`` does
    """
    read = datasets_dir().resolve()
    if os.environ.get("STRATA_INCLUDE_DIR"):
        return []
    others = dict.fromkeys(place.resolve() for place in _places() if _is_dir(place))
    return [place for place in others if place != read and any(place.glob("*.yaml"))]


def _places() -> list[Path]:
    """Where the datasets may be, in order of precedence: places deployed with the DAGs come before those that persist.

    Managed Airflow delivers nothing but DAGs and plugins; Astronomer and a checkout have ``include/`` next to both.
    """
    home = Path(_expanded(os.environ.get("AIRFLOW_HOME") or "~/airflow"))  # Airflow's own default
    plugins = Path(__file__).parents[2]
    folders = (_dags_folder(home), home, plugins, plugins.parent, Path())
    return list(dict.fromkeys(folder / "include" / "datasets" for folder in folders))


def _dags_folder(home: Path) -> Path:
    """Airflow's ``[core] dags_folder``: from its variable, else from ``airflow.cfg``, else ``dags`` in its home.

    It is read here instead of asking Airflow, because the shell has no Airflow.
    """
    if named := os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"):
        return Path(_expanded(named))
    settings = ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(_expanded(os.environ.get("AIRFLOW_CONFIG") or str(home / "airflow.cfg")), "utf-8")
    except (ConfigParserError, UnicodeDecodeError):  # Airflow itself reports this and does not start
        return home / "dags"
    return Path(_expanded(settings.get("core", "dags_folder", fallback="") or str(home / "dags")))


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - pathlib raises if there is no home


def _is_dir(place: Path) -> bool:
    return os.path.isdir(place)  # noqa: PTH112 - pathlib raises if a parent folder may not be entered


def dataset_schema() -> str:
    """JSON Schema of a definition file, for editors: the text of ``include/datasets/dataset.schema.json``."""
    schema = Dataset.model_json_schema()
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A dataset of OpenSearch Strata",
        "description": schema["description"],
    }
    return json.dumps({**head, **schema, **head}, indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class Definitions:
    """The content of a folder of datasets: the valid ones, and a sentence for each problem.

    :param warnings: a sentence for each key that has been renamed, and for what a person hardly means
    """

    datasets: dict[str, Dataset] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def get(self, name: str) -> Dataset:
        """One dataset by its ``name``.

        :raises DefinitionError: it is unknown or broken; names the datasets that exist
        """
        if name in self.datasets:
            return self.datasets[name]
        known = ", ".join(self.datasets) or "none"
        own = [p for p in self.problems if re.search(rf"(^| ){re.escape(name)}\.yaml\b", p)]
        raise DefinitionError(" ".join([f"No valid dataset is named {name!r}; valid datasets: {known}.", *own]))


def load_definitions(folder: Path) -> Definitions:
    """Read every ``*.yaml`` in a folder. A broken file never keeps the others from loading."""
    problems: list[str] = []
    warnings: list[str] = []
    loaded: dict[Path, Dataset] = {}
    if not folder.is_dir():
        return Definitions(problems=[f"{folder}: no such folder; name the one that contains the dataset files."])
    problems += [f"{path.name}: is not read; rename it to {path.stem}.yaml." for path in sorted(folder.glob("*.yml"))]
    for path in sorted(folder.glob("*.yaml")):
        try:
            document = _read_yaml(path)
            loaded[path] = Dataset.model_validate(document)
            warnings += [f"{path.name}: {sentence}" for sentence in [*_renamed(document), *_caveats(loaded[path])]]
        except ValidationError as error:
            problems += _sentences(path, error)
        except DefinitionError as error:
            problems.append(str(error))
    refused: set[Path] = set()
    for one, other in _neighbours(loaded):
        if clash := _clash(loaded[one], loaded[other]):
            key = clash.partition(":")[0]
            first, second = sorted((one, other), key=lambda path: (-_own_names(path, loaded[path]), path))
            if _own_names(first, loaded[first]) > _own_names(second, loaded[second]):
                problems.append(f"{second.name}: {clash} of {first.name}, which stays in use; change {second.name}.")
                refused.add(second)
            else:
                problems.append(
                    f"{other.name}: {clash} of {one.name}. It is unclear which of the two is the copy, so neither is "
                    f"used, and none of their indices is touched, until one is changed: {key} of {other.name}, or the "
                    f"key of {one.name} that it conflicts with."
                )
                refused |= {one, other}
    sound = {dataset.name: dataset for path, dataset in loaded.items() if path not in refused}
    return Definitions(sound, problems, warnings)


def _renamed(document: Any) -> list[str]:
    """A sentence for each key of a valid file that is still written under its former name."""
    return [
        f"intake.{old} is now called intake.{new}; rename it. The old name works until 1.0."
        for old, new in RENAMED.items()
        if old in (document.get("intake") or {})
    ]


def _caveats(dataset: Dataset) -> list[str]:
    caveat = dataset.archive.caveat(dataset.raw.window_days) if dataset.archive else ""
    return [f"archive: {caveat}"] if caveat else []


def _neighbours(loaded: dict[Path, Dataset]) -> list[tuple[Path, Path]]:
    """Pairs that may clash, in order: datasets of the same name or archive, or with indices whose names begin alike.

    200 datasets form 19,900 pairs, and the names of hardly any pair begin alike.
    """
    numbers = {path: number for number, path in enumerate(loaded)}
    begins = [(f"name {dataset.name}\n", path) for path, dataset in loaded.items()]
    for path, dataset in loaded.items():
        begins += [(names.before, path) for _, names in _families(dataset)]
        if dataset.archive:
            begins.append((f"{dataset.archive.url}\n", path))
    begins.sort()
    pairs = set()
    for place, (begin, one) in enumerate(begins):
        for longer, other in islice(begins, place + 1, None):
            if not longer.startswith(begin):  # they are sorted, so none of those after it does either
                break
            if one != other:
                pairs.add((one, other) if numbers[one] < numbers[other] else (other, one))
    return sorted(pairs, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))


def _families(dataset: Dataset) -> list[tuple[str, IndexTemplate]]:
    """Key and names of each family of indices."""
    levels = dataset.history.levels_names
    families = [("raw.index", dataset.raw.names), ("history.index", dataset.history.names)]
    return [*families, ("history.levels", levels)] if levels else families


def _own_names(path: Path, dataset: Dataset) -> int:
    """How many of a file's names are the dataset's own; an unfinished copy still has some of its original.

    This way, copying a file does not remove the DAG of the original if the original's indices contain its name. If they
    do not, nothing in the two files shows which was there first, and neither do their modification times, because a
    checkout writes all files.
    """
    if path.stem != dataset.name:
        return 0
    name = _letters(dataset.name)
    return 1 + sum(name in _letters(template) for template in (dataset.raw.index, dataset.history.index))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of libyaml, six times as fast. Every wheel of PyYAML has it; a build without libyaml does not."""


class _Loader(_FAST):  # type: ignore[misc]
    """Refuses a duplicate key, the first of which YAML would silently drop."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value!r} occurs twice", key.start_mark)
            seen.add(key.value)
        constructed: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return constructed


def _refuse_depth(text: str) -> None:
    """Refuse text nested deeper than any definition, because libyaml's loader recurses on the stack of the process.

    :raises YAMLError: with the line where it gets too deep
    """
    if sum(map(text.count, "[{-?:")) <= MOST_NESTED:  # each level takes one of these characters
        return
    depth = 0
    for event in yaml.parse(text, _FAST):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_NESTED:
                raise yaml.YAMLError(f"it is nested deeper than {MOST_NESTED} levels {event.start_mark}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_text("utf-8")
        _refuse_depth(text)
        return yaml.load(text, _Loader)
    # ValueError: text that is not UTF-8, and 2013-02-30, which PyYAML takes for a date
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DefinitionError(f"{path.name}: cannot be read as YAML ({reason}); correct the file.") from None


def _sentences(path: Path, error: ValidationError) -> list[str]:
    return [f"{path.name}: {_location(item['loc'])}: {_advice(item)}." for item in error.errors()]


@cache
def _keys() -> list[str]:
    """Every key of a definition, at whatever depth."""
    schema = Dataset.model_json_schema()
    return sorted({key for model in [schema, *schema["$defs"].values()] for key in model.get("properties", {})})


def _meant(key: object) -> str:
    """The key that a misspelt one resembles, as a question; empty if there is none."""
    near = get_close_matches(str(key), _keys(), 1, 0.75)
    return f" (did you mean {near[0]}?)" if near else ""


def _location(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "[key]") or "the file"


def _advice(item: Any) -> str:
    match item["type"]:
        case "extra_forbidden":
            return f"unknown key; remove it or correct its spelling{_meant(item['loc'][-1])}"
        case "missing":
            return "is missing; add it"
        case "value_error":
            return str(item["ctx"]["error"])
        case "model_type" | "dict_type":
            return "must be a mapping of keys to values; indent its keys below it"
        case _:
            return f"{demand(item['msg'])} (got {item['input']!r})"


def _clash(one: Dataset, other: Dataset) -> str | None:
    if one.name == other.name:
        return f"name: {one.name!r} is also the name"
    for key, mine in _families(other):
        for _, theirs in _families(one):
            if overlapping(mine, theirs):
                return f"{key}: {mine.template!r} overlaps {theirs.template!r}"
    if one.archive and other.archive and one.archive.url == other.archive.url:
        return f"archive.prefix: {other.archive.url} is also the archive"
    return None
