"""Every rule of a definition: the sentence names the file, the key and the cure, and spoils no other file."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import suppress
from datetime import date, datetime
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset, overlapping
from opensearch_strata.definition.files import dataset_schema, datasets_dir, load_definitions
from opensearch_strata.definition.loading.intake import RENAMED
from opensearch_strata.errors import DefinitionError
from tests.shell import start
from tests.streams import definition_of

Definition = dict[str, Any]

SUM_ONLY = {"field": "load", "stats": ["sum", "count"]}


def save(folder: Path, definition: Any, file: str = "broken.yaml") -> None:
    (folder / file).write_text(yaml.safe_dump(definition), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one sound dataset."""
    save(tmp_path, definition_of("sound"), "sound.yaml")
    return tmp_path


def problem_of(folder: Path) -> str:
    """The one problem that was found beside the sound dataset, which loads all the same."""
    found = load_definitions(folder)
    assert list(found.datasets) == ["sound"]
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


def changed(path: str, value: Any) -> Definition:
    """A definition with one key set; None removes it."""
    definition = definition_of("broken")
    *parents, key = path.split(".")
    place = definition
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[key]
    else:
        place[key] = value
    return definition


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("windw", 3, "windw: unknown key; remove it or correct its spelling."),
        ("cycel", {}, "cycel: unknown key; remove it or correct its spelling (did you mean cycle?)."),
        (
            "raw.window_day",
            3,
            "correct its spelling (did you mean window_days?).",
        ),
        ("raw.window", 3, "raw.window: unknown key"),
        ("metrics.load.unti", "h", "metrics.load.unti: unknown key"),
        ("raw", None, "raw: is missing; add it"),
        ("raw.index", None, "raw.index: is missing; add it"),
        ("cycle.start_date", None, "cycle.start_date: is missing"),
        ("metrics.load.field", None, "metrics.load.field: is missing"),
        ("raw", "flights", "raw: must be a mapping of keys to values; indent its keys below it"),
        ("metrics", ["load"], "metrics: must be a mapping"),
        (
            "raw.fields",
            {"a": "text", "a.b": "keyword", "a.b.c": "keyword"},
            "raw: fields names 'a.b.c' below 'a.b', which is a multi-field itself and has none; remove it",
        ),
        ("raw.window_days", 0, "raw.window_days: must be greater than or equal to 1 (got 0)"),
        ("raw.window_days", 999_999_999, "raw.window_days: must be less than or equal to 36500"),
        ("raw.window_days", True, "raw.window_days: must be a valid integer (got True)"),
        ("raw.window_days", "60", "raw.window_days: must be a valid integer (got '60')"),
        ("raw.window_days", 60.0, "raw.window_days: must be a valid integer (got 60.0)"),
        ("history.shards", True, "history.shards: must be a valid integer (got True)"),
        ("history.parallel", 0, "history.parallel: must be greater than or equal to 1 (got 0)"),
        ("history.parallel", 9, "history.parallel: must be less than or equal to 8 (got 9)"),
        ("raw.required_daily", "yes please", "raw.required_daily: must be a valid boolean"),
        ("cycle.delete", "true", "cycle.delete: must be a valid boolean (got 'true')"),
        ("cycle.delete", 1, "cycle.delete: must be a valid boolean (got 1)"),
        ("cycle.delete_confirmed", True, "cycle.delete_confirmed: must be a valid string (got True)"),
        ("cycle.max_deletes_per_run", 10**9, "cycle.max_deletes_per_run: must be less than or equal to 1000"),
        ("cycle.schedule", "*/5 * * * *", "cycle.schedule: '*/5 * * * *' does not run exactly once a day"),
        ("cycle.schedule", "0 * * * *", "does not run exactly once a day; write a minute"),
        ("cycle.schedule", "0 3 * * 1-5", "cycle.schedule: '0 3 * * 1-5' does not run exactly once a day"),
        ("cycle.schedule", "0 3,15 * * *", "does not run exactly once a day"),
        ("cycle.schedule", "0 24 * * *", "does not run exactly once a day"),
        ("cycle.schedule", "0 3 * * * *", "does not run exactly once a day"),
        ("cycle.schedule", "every night", "cycle.schedule: 'every night' does not run exactly once a day"),
        ("cycle.schedule", "@hourly", "cycle.schedule: '@hourly' does not run exactly once a day"),
        ("cycle.schedule", 3, "cycle.schedule: must be a valid string"),
        ("cycle.end_date", date(9999, 12, 31), "leave end_date out if the schedule has no end"),
        ("cycle.end_date", "9999-12-31", "cycle.end_date: 9999-12-31 is not between 1970-01-01 and 2199-12-31"),
        ("cycle.end_date", date(2023, 12, 31), "cycle: end_date 2023-12-31 is before start_date 2024-01-01"),
        ("cycle.start_date", date(1, 1, 1), "cycle.start_date: 0001-01-01 is not between 1970-01-01 and"),
        ("cycle.start_date", 20240101, "cycle.start_date: must be a valid date (got 20240101)"),
        ("cycle.start_date", datetime(2024, 1, 1), "cycle.start_date: must be a valid date"),
        ("cycle.opensearch_conn_id", "a b", "cycle.opensearch_conn_id: String should match pattern"),
        ("raw.window_days", "sixty", "raw.window_days: must be a valid integer"),
        ("cycle.max_deletes_per_run", 0, "cycle.max_deletes_per_run: must be greater than or equal to 1"),
        ("cycle.start_date", "soon", "cycle.start_date: must be a valid date"),
        ("name", "Broken", "name: String should match pattern"),
        ("name", "bro-ken", "name: String should match pattern"),
        ("time_zone", "CEST", "time_zone: 'CEST' is not a time zone of the IANA database; write it like Europe/Berlin"),
        ("raw.index", "broken", "raw: 'broken' must contain {day} exactly once"),
        ("raw.day_format", "%Y.%m", "raw: date format '%Y.%m' must contain the directives %Y%j or %Y%m%d"),
        ("raw.timestamp", "", "raw.timestamp: String should have at least 1 character"),
        ("raw.timestamp", "time..at", "raw.timestamp: 'time..at' is not the path of a field; write names separated"),
        ("history.group_by", ["user. .id"], "history.group_by.0: 'user. .id' is not the path of a field"),
        (
            "metrics.load.field",
            "load_*",
            "metrics.load.field: 'load_*' contains a *, which searches take for a",
        ),
        ("history.index", "broken-{day}", "history: 'broken-{day}' must contain {month} exactly once"),
        ("history.month_format", "%Y.%m.%d", "history: date format '%Y.%m.%d' must contain the directives %Y%m"),
        ("history.bucket", "1x", "history: '1x' is not a valid interval; write it like 15m, 1h or 1d"),
        ("history.bucket", "7h", "history: bucket '7h' does not divide a day evenly; use 15m, 1h, 6h or 1d"),
        ("history.bucket", "2d", "history: bucket '2d' does not divide a day"),
        ("history.bucket", "0h", "history: '0h' is not a valid interval"),
        ("history.group_by", [], "history.group_by: List should have at least 1 item"),
        ("history.group_by", ["device", "device"], "history: group_by names a field twice; name each field once"),
        ("history.group_by", ["_doc_count"], "group_by contains ['_doc_count'], which every row has as a field"),
        ("history.group_by", ["metrics._raw"], "group_by contains ['metrics._raw'], which every row has as a field"),
        ("history.group_by", ["device", "_id"], "history.group_by.1: '_id' is maintained by the server itself"),
        (
            "history.group_by",
            ["metrics.load"],
            "'metrics.load' is where a row keeps the metric 'load'",
        ),
        ("history.group_by", ["metrics.load.sum"], "is where a row keeps the metric 'load'; rename the metric"),
        (
            "raw.timestamp",
            "_seq_no",
            "raw.timestamp: '_seq_no' is maintained by the server itself; name a field",
        ),
        ("metrics.load.field", "_version", "metrics.load.field: '_version' is maintained by the server itself"),
        ("history.codec", "lz5", "history.codec: must be 'default', 'best_compression', 'zstd'"),
        ("metrics", {}, "metrics: Dictionary should have at least 1 item"),
        ("metrics", {"Load": SUM_ONLY}, "metrics.Load: String should match pattern"),
        ("metrics.load.stats", ["sum", "median"], "metrics.load.stats.1: must be 'min', 'max'"),
        (
            "metrics.load.stats",
            ["sum", "count", "sum"],
            "metrics.load: stats names one statistic twice; name each",
        ),
        ("metrics.load.stats", ["sum"], "metrics.load: stats must contain count: the proof before a deletion"),
        ("metrics.load.stats", ["count", "avg"], "metrics.load: stats contains avg without sum; add sum"),
        ("metrics.load.distribution", {"relative_error": 0.01}, "metrics.load: a distribution needs min and max"),
        ("metrics.temperature.distribution.relative_error", 0.5, "relative_error: must be less than or equal"),
        ("metrics.temperature.distribution", {}, "metrics.temperature.distribution: needs one of relative_error"),
        ("engine", "spark", "engine: must be 'auto', 'transform_job' or 'search'"),
        ("archive", {"prefix": "x/"}, "archive.bucket: is missing; add it"),
        (
            "raw.fields",
            {"load": "text"},
            "the file: metrics.load.field: field 'load' is text, but it must be a number (byte, double,",
        ),
        ("raw.fields", {"load": "text"}, "name a numeric field, or a multi-field such as load.keyword and count it"),
        ("raw.fields", {"device": "text"}, "history.group_by 'device': field 'device' is text, but it must be"),
        ("raw.fields", {"@timestamp": "date_nanos"}, "raw.timestamp: field '@timestamp' is date_nanos, but it must be"),
        (
            "history.index",
            "broken-{month}.01",
            "raw.index 'broken-{day}' also matches history.index 'broken-{month}.01' (both can be 'broken-2024.01.01')",
        ),
    ],
)
def test_a_rule_says_what_is_wrong(folder: Path, path: str, value: Any, sentence: str) -> None:
    save(folder, changed(path, value))
    problem = problem_of(folder)
    assert problem.startswith("broken.yaml: ")
    assert sentence in problem
    assert problem.endswith(".")


def test_each_problem_of_a_file_is_told(folder: Path) -> None:
    save(folder, {**changed("raw.window_days", 0), "engine": "spark"})
    assert len(load_definitions(folder).problems) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"name: [unclosed",
        b"name: \xff\xfe",
        b"name: x\n\tindented: by a tab",
        b"start: 2013-02-30",  # which PyYAML takes for a date
        b"{[list]: as a key}",
        b"!!python/object:os.system {}",
        b"a: &a [*a, *b]",
        b"name: a\nname: b",
        b"x: " + b"[" * 5000,
    ],
)
def test_a_file_that_is_no_yaml_is_told(folder: Path, content: bytes) -> None:
    (folder / "broken.yaml").write_bytes(content)
    problem = problem_of(folder)
    assert problem.startswith("broken.yaml: cannot be read as YAML (")
    assert problem.endswith("); correct the file.")


@pytest.mark.parametrize("content", ["", "# nothing yet", "just text", "- a\n- list", "42"])
def test_a_file_that_is_no_mapping_is_told(folder: Path, content: str) -> None:
    (folder / "broken.yaml").write_text(content)
    assert problem_of(folder) == (
        "broken.yaml: the file: must be a mapping of keys to values; indent its keys below it."
    )


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_a_file_nested_without_end_is_told_and_takes_no_process_down(folder: Path, opening: str) -> None:
    (folder / "broken.yaml").write_text("name: x\ntags: " * (opening in "[{a: ") + opening * 100_000)
    process = start(["check", "--datasets-dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, trouble = process.communicate()
    assert process.returncode == 1, trouble
    told = out.splitlines()[0]
    assert told.startswith("broken.yaml: cannot be read as YAML (it is nested deeper than 500 levels in ")
    assert re.search(r" line \d+, column \d+\); correct the file\.$", told)


@pytest.mark.parametrize("levels", [400, 600])
def test_levels_are_counted_and_not_the_characters_that_open_one(folder: Path, levels: int) -> None:
    text = yaml.safe_dump({**definition_of("broken"), "description": "[{-?:" * 1000})
    (folder / "broken.yaml").write_text(f"{text}\nspare: {'[' * levels}{']' * levels}\n")
    assert ("nested deeper" in problem_of(folder)) == (levels > 500)


def test_a_mistake_in_yaml_is_told_with_its_line(folder: Path) -> None:
    (folder / "broken.yaml").write_text("name: a\nraw: [\nengine: auto\n")
    assert re.search(r"line \d, column \d", problem_of(folder))
    (folder / "broken.yaml").write_text("name: a\nengine: auto\nname: b\n")
    assert "the key 'name' occurs twice" in problem_of(folder)
    assert "line 3, column 1" in problem_of(folder)


def test_a_folder_in_place_of_a_file_is_told(folder: Path) -> None:
    (folder / "broken.yaml").mkdir()
    assert problem_of(folder).startswith("broken.yaml: cannot be read as YAML (")


def test_two_datasets_with_one_name_are_both_left_out(folder: Path) -> None:
    save(folder, definition_of("twin"), "a.yaml")
    other = {**definition_of("other"), "name": "twin"}
    save(folder, other, "b.yaml")
    problem = problem_of(folder)
    assert problem == (
        "b.yaml: name: 'twin' is also the name of a.yaml. It is unclear which of the two is the copy, so neither is "
        "used, and none of their indices is touched, until one is changed: name of b.yaml, or the key of a.yaml that "
        "it conflicts with."
    )


@pytest.mark.parametrize(
    ("raw", "history", "key"),
    [
        ({"index": "one-{day}"}, {}, "raw.index"),
        ({"index": "{day}", "day_format": "one-%Y.%m.%d"}, {}, "raw.index"),
        ({}, {"index": "one-history-{month}"}, "history.index"),
        ({}, {"index": "one-{month}", "month_format": "%Y.%m.01"}, "history.index"),
    ],
)
def test_names_that_overlap_across_datasets(folder: Path, raw: Definition, history: Definition, key: str) -> None:
    save(folder, definition_of("one"), "a.yaml")
    save(folder, definition_of("two", raw=raw, history=history), "b.yaml")
    problem = problem_of(folder)
    assert problem.startswith(f"b.yaml: {key}: ")
    assert "of a.yaml. It is unclear which" in problem
    assert f"until one is changed: {key} of b.yaml, or the key of a.yaml that it conflicts with" in problem


def test_names_that_only_look_alike_do_not_overlap(folder: Path) -> None:
    save(folder, definition_of("a", raw={"index": "logs-{day}"}), "a.yaml")
    save(folder, definition_of("b", raw={"index": "logs-app-{day}"}), "b.yaml")
    save(folder, definition_of("c", raw={"index": "logs-{day}", "day_format": "%Y%m%d"}), "c.yaml")
    found = load_definitions(folder)
    assert found.problems == []
    assert list(found.datasets) == ["a", "b", "c", "sound"]


@pytest.mark.parametrize("schedule", ["0 3 * * *", "59 23 * * *", "05  04 * * *", "@daily", "@midnight"])
def test_a_schedule_of_each_day_is_taken(folder: Path, schedule: str) -> None:
    save(folder, definition_of("nightly", cycle={"schedule": schedule}))
    minute, hour, *every = load_definitions(folder).get("nightly").cycle.cron.split()
    assert (minute.isdigit(), hour.isdigit(), every) == (True, True, ["*"] * 3)


def test_two_datasets_do_not_share_an_archive(folder: Path) -> None:
    save(folder, definition_of("one", archive={"bucket": "archive", "prefix": "logs"}), "one.yaml")
    save(folder, definition_of("two", archive={"bucket": "archive", "prefix": "logs/"}), "two.yaml")
    save(folder, definition_of("three", archive={"bucket": "archive", "prefix": "logs/three/"}), "three.yaml")
    found = load_definitions(folder)
    assert "three" in found.datasets
    (problem,) = found.problems
    assert "two.yaml: archive.prefix: s3://archive/logs/ is also the archive of one.yaml" in problem


@pytest.mark.parametrize(
    ("archive", "sentence"),
    [
        ({"bucket": "s3://archive"}, "archive.bucket: 's3://archive' is not the name of a bucket"),
        ({"bucket": "archive/logs"}, "archive.bucket: 'archive/logs' is not the name of a bucket"),
        ({"bucket": "archive", "prefix": "/logs"}, "archive.prefix: '/logs' has an empty folder name"),
        ({"bucket": "archive", "prefix": "a\nb"}, "archive.prefix: the prefix has a character that cannot be printed"),
        ({"bucket": "archive", "prefix": "a/dt=x/"}, "archive.prefix: 'a/dt=x/' has a folder that begins with dt="),
        ({"bucket": "archive", "prefix": "star*/"}, "archive.prefix: 'star*/' contains *, a wildcard of what reads"),
        ({"bucket": "archive", "prefix": "b[1]/"}, "archive.prefix: 'b[1]/' contains [, a wildcard of what reads"),
        ({"bucket": "archive", "storage_class": "DEEP_ARCHIVE"}, "objects in DEEP_ARCHIVE cannot be read back at once"),
        ({"bucket": "archive", "storage_class": "COLD"}, "archive.storage_class: 'COLD' is not a storage class"),
        ({"bucket": "archive", "after_days": 0}, "archive.after_days: must be greater than or equal to 1"),
        ({"bucket": "archive", "compression": "lz4"}, "archive.compression: must be 'zstd' or 'gzip'"),
    ],
)
def test_an_archive_that_cannot_work_is_refused(folder: Path, archive: Definition, sentence: str) -> None:
    save(folder, definition_of("logs", archive=archive), "logs.yaml")
    assert sentence in problem_of(folder)


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        ({"before_delete": False}, "after_days is not set"),
        ({"before_delete": False, "after_days": 61}, "they leave the window before after_days"),
        ({"before_delete": False, "after_days": 60}, ""),
        ({"after_days": 61}, ""),
        ({}, ""),
    ],
)
def test_an_archive_that_nothing_is_written_to_is_told(folder: Path, archive: Definition, why: str) -> None:
    save(folder, definition_of("logs", archive={"bucket": "archive", **archive}), "logs.yaml")
    found = load_definitions(folder)
    assert "logs" in found.datasets
    told = (
        f"logs.yaml: archive: raw days are deleted without an archive, because before_delete is false and {why}. "
        f"Remove before_delete, or set after_days to at most 60; or archive them by hand: strata archive."
    )
    assert found.warnings == ([told] if why else [])


@pytest.mark.parametrize("changes", [{}, {"name": "copied"}, {"name": "copied", "metrics": {}}])
def test_a_copy_that_is_not_finished_never_takes_its_model_away(folder: Path, changes: Definition) -> None:
    save(folder, {**definition_of("sound"), **changes}, "copied.yaml")
    problem = problem_of(folder)
    assert problem.startswith("copied.yaml: ")
    if "metrics" not in changes:
        assert problem.endswith("of sound.yaml, which stays in use; change copied.yaml.")


@pytest.mark.parametrize(
    ("raw", "history", "in_use"),
    [
        ("shop-{day}", "rollup-{month}", ["shop", "sound"]),
        ("orders-{day}", "all_Shop-{month}".lower(), ["shop", "sound"]),
        ("orders-{day}", "rollup-{month}", ["sound"]),  # nothing tells which was there first
    ],
)
def test_a_copy_with_another_name_takes_its_model_away_only_where_nothing_tells_them_apart(
    folder: Path, raw: str, history: str, in_use: list[str]
) -> None:
    indices: Definition = {"raw": {"index": raw}, "history": {"index": history}}
    save(folder, definition_of("shop", **indices), "shop.yaml")
    save(folder, {**definition_of("shop", **indices), "name": "acme"}, "acme.yaml")
    found = load_definitions(folder)
    assert list(found.datasets) == in_use
    (problem,) = found.problems
    assert problem.count("shop.yaml") > 0 < problem.count("acme.yaml")
    with pytest.raises(DefinitionError, match=r"acme\.yaml"):
        found.get("acme")


WORDS = st.sampled_from(["", "a-", "a-b-", "ab-", "2024.", "a-history-"])
TEMPLATES = st.tuples(st.sampled_from(["h", "a", "a-b"]), WORDS, st.sampled_from(["", ".x", "-01"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEMPLATES, TEMPLATES), min_size=2, max_size=5))
def test_every_pair_that_overlaps_is_found_without_comparing_all(templates: list[Any]) -> None:
    definitions = []
    for number, ((one, middle, end), (other, amid, after)) in enumerate(templates):
        raw = {"index": f"{one}-{middle}{{day}}{end}"}
        history = {**definition_of("x")["history"], "index": f"{other}-{amid}{{month}}{after}"}
        definition = {**definition_of(f"s{number}"), "raw": raw, "history": history}
        with suppress(ValueError):
            definitions.append(Dataset.model_validate(definition))
    clashing = {
        name
        for a, b in combinations(definitions, 2)
        for name in (a.name, b.name)
        if any(overlapping(x, y) for x in (a.raw.names, a.history.names) for y in (b.raw.names, b.history.names))
    }
    with TemporaryDirectory() as folder:
        for dataset in definitions:
            save(Path(folder), dataset.model_dump(mode="json"), f"f-{dataset.name}.yaml")
        found = load_definitions(Path(folder))
    assert set(found.datasets) == {dataset.name for dataset in definitions} - clashing


@pytest.mark.parametrize(("old", "value"), [("early", "36h"), ("late", "700d"), ("most_dead", 0.25)])
def test_a_key_that_had_another_name_is_read_and_told(folder: Path, old: str, value: Any) -> None:
    save(folder, {**definition_of("before"), "intake": {old: value}}, "before.yaml")
    found = load_definitions(folder)
    intake = found.datasets["before"].intake
    assert intake
    assert getattr(intake, RENAMED[old]) == value
    assert found.warnings == [
        f"before.yaml: intake.{old} is now called intake.{RENAMED[old]}; rename it. The old name works until 1.0."
    ]


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_key_under_both_its_names_is_refused(folder: Path, old: str, new: str) -> None:
    value: Any = 0.5 if old == "most_dead" else "1h"
    save(folder, {**definition_of("broken"), "intake": {old: value, new: value}})
    assert problem_of(folder) == f"broken.yaml: intake: {old} is now called {new}; remove {old}."


def test_many_datasets_are_read_in_a_time_that_grows_as_they_do(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        folder = tmp_path / f"{count}"
        folder.mkdir()
        for number in range(count):
            save(folder, definition_of(f"s{number}"), f"s{number}.yaml")
        begin = time.process_time()
        assert len(load_definitions(folder).datasets) == count
        return time.process_time() - begin

    assert seconds(40) < 8 * max(seconds(10), 0.1)


def test_an_unknown_name_is_told_with_the_problems_of_its_file(folder: Path) -> None:
    save(folder, changed("engine", "spark"))
    found = load_definitions(folder)
    assert found.get("sound").name == "sound"
    with pytest.raises(DefinitionError, match=r"is named 'broken'; valid datasets: sound\. broken.yaml"):
        found.get("broken")
    with pytest.raises(DefinitionError, match=r"named 'roken'; valid datasets: sound\.$"):
        found.get("roken")


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert "no such folder; name the one" in load_definitions(tmp_path / "none").problems[0]


SHIPPED = sorted(datasets_dir().glob("*.yaml"))


def test_shipped_definitions_are_sound() -> None:
    found = load_definitions(datasets_dir())
    assert found.problems == []
    assert list(found.datasets) == ["flights", "telemetry"]
    assert len(found.datasets["telemetry"].metrics) == 11


def test_the_schema_is_current() -> None:
    assert (datasets_dir() / "dataset.schema.json").read_text("utf-8") == dataset_schema() + "\n", "run `make schema`"


def test_the_schema_is_a_schema() -> None:
    schema = json.loads(dataset_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_definitions_fit_the_schema(path: Path) -> None:
    validator(path).validate(as_json(path))
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=dataset.schema.json\n")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("spoilt", [{"windw": 1}, {"engine": "spark"}, {"raw": {"index": "x"}, "history": None}])
def test_the_schema_refuses_what_the_models_refuse(path: Path, spoilt: Definition) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator(path).validate({**as_json(path), **spoilt})


def validator(path: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((path.parent / "dataset.schema.json").read_text("utf-8")))


def as_json(path: Path) -> Definition:
    """A YAML file as an editor sees it: dates are text."""
    return dict(json.loads(json.dumps(yaml.safe_load(path.read_text("utf-8")), default=str)))
