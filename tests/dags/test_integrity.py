"""What holds for the DAG files as such."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from local.places import PROJECT
from opensearch_strata.definition.files import datasets_dir, load_definitions
from opensearch_strata.definition.schedule import Cycle
from tests.dags.conftest import load_bag

HEAVY = {"opensearchpy", "pandas", "boto3", "botocore", "isal", "zstandard", "cramjam", "rich", "mmh3", "typer"}


def test_every_dataset_has_its_dag_and_no_file_is_broken() -> None:
    bag = load_bag()
    assert bag.import_errors == {}
    assert set(bag.dags) == {"flights_daily_cycle", "telemetry_daily_cycle", "archive_backfill", "history_audit"}


@pytest.mark.parametrize("dag_id", ["flights_daily_cycle", "telemetry_daily_cycle"])
def test_a_dag_keeps_the_house_rules(dag_id: str) -> None:
    dag = load_bag().dags[dag_id]
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert set(dag.params) == {"day", "dry_run", "redefine", "allow_poorer"}
    assert dag.params["dry_run"] is True
    assert "strata" in dag.tags
    for promise in ("What it deletes", "Run a day again", "dry_run"):
        assert promise in dag.doc_md
    for task in dag.tasks:
        assert task.retry_policy is not None, task.task_id
        assert task.execution_timeout is not None, task.task_id


def test_every_task_ends_before_a_queue_with_12_hours_of_visibility_hands_it_out_again() -> None:
    tasks = [task for dag in load_bag().dags.values() for task in dag.tasks]
    assert tasks
    for task in tasks:
        mapped = task.partial_kwargs.get("execution_timeout") if task.is_mapped else task.execution_timeout
        assert mapped is not None, task.task_id
        assert mapped <= timedelta(hours=11), task.task_id


def test_a_dag_is_described_as_its_dataset_is() -> None:
    described = load_definitions(datasets_dir()).get("telemetry").description
    assert described
    assert load_bag().dags["telemetry_daily_cycle"].description == described


def test_the_graph_is_the_one_of_the_design() -> None:
    dag = load_bag().dags["flights_daily_cycle"]
    downstream = {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}
    assert downstream == {
        "resolve_day": {"condense_day.ensure_history", "retention.list_expired"},
        "condense_day.ensure_history": {"condense_day.condense"},
        "condense_day.condense": {"condense_day.verify"},
        "condense_day.verify": {"report"},
        "retention.list_expired": {"retention.retire.prove"},
        "retention.retire.prove": {"retention.retire.delete"},
        "retention.retire.delete": {"report"},
        "report": set(),
    }


def test_a_deletion_waits_for_its_proof_to_succeed() -> None:
    delete = load_bag().dags["flights_daily_cycle"].get_task("retention.retire.delete")
    assert delete.trigger_rule == "all_success"
    assert "retention.retire.prove" in delete.upstream_task_ids


def test_the_schedule_names_the_day_before_in_the_zone_of_the_dataset() -> None:
    timetable = load_bag().dags["telemetry_daily_cycle"].timetable
    assert timetable.expression == "0 3 * * *"
    assert str(timetable.timezone) == "UTC"
    assert timetable.run_offset == -1
    assert timetable.key_format == "%Y-%m-%d"


def test_a_broken_dataset_is_an_import_error_and_breaks_no_other_dag(include: Path) -> None:
    sound = (PROJECT / "include" / "datasets" / "flights.yaml").read_text()
    (include / "datasets" / "flights.yaml").write_text(sound)
    (include / "datasets" / "broken.yaml").write_text(sound.replace("name: flights", "name: broken\nspeed: fast"))
    bag = load_bag()
    assert set(bag.dags) == {"flights_daily_cycle", "archive_backfill", "history_audit"}
    assert list(bag.import_errors) == ["dataset_definitions.py"]
    assert "broken.yaml: speed: unknown key" in bag.import_errors["dataset_definitions.py"]


def test_a_dataset_of_which_airflow_can_make_no_dag_is_told_and_breaks_no_other_dag(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = (PROJECT / "include" / "datasets" / "flights.yaml").read_text()
    (include / "datasets" / "flights.yaml").write_text(sound)
    (include / "datasets" / "odd.yaml").write_text(
        sound.replace("flights", "odd").replace("delete: true", "schedule: 7 7 * * *")
    )
    odd = {"7 7 * * *": "77 * * * *"}  # as if a schedule passed our own rules and not Airflow's
    monkeypatch.setattr(Cycle, "cron", property(lambda cycle: odd.get(cycle.schedule, cycle.schedule)))
    bag = load_bag()
    assert set(bag.dags) == {"flights_daily_cycle", "archive_backfill", "history_audit"}
    assert list(bag.import_errors) == ["dataset_definitions.py"]
    assert "odd.yaml: Airflow cannot build a DAG from 'odd'" in bag.import_errors["dataset_definitions.py"]


@pytest.mark.parametrize("file", ["daily_cycle.py", "archive_backfill.py", "history_audit.py"])
def test_parsing_imports_nothing_heavy(file: str) -> None:
    code = (
        "import sys, airflow.sdk, runpy; before = set(sys.modules);"
        f"sys.path.insert(0, {str(PROJECT / 'plugins')!r}); runpy.run_path({str(PROJECT / 'dags' / file)!r});"
        f"print(sorted({HEAVY!r} & (set(sys.modules) - before)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_plugin_scanner_finds_one_plugin_and_shadows_no_module() -> None:
    code = (
        "import calendar, sys, airflow.settings; from airflow import plugins_manager;"
        "plugins, errors = plugins_manager._get_plugins();"
        "import calendar as after; assert after is calendar;"
        f"package = {str(PROJECT / 'plugins')!r};"
        "own = {n for n, m in sys.modules.items() if str(getattr(m, '__file__', '')).startswith(package)};"
        "print(sorted(n for n in own if not n.startswith('opensearch_strata')), errors,"
        " [p.name for p in plugins if p.name == 'strata'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "['strata_plugin'] {} ['strata']"


def test_a_task_builds_its_own_dag_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "telemetry_daily_cycle")
    assert set(load_bag("daily_cycle.py").dags) == {"telemetry_daily_cycle"}


def test_every_task_is_shown_with_its_purpose_and_has_docs_in_plain_english() -> None:
    tasks = [task for dag in load_bag().dags.values() for task in dag.tasks]
    for task in tasks:
        kept = task.partial_kwargs if task.is_mapped else vars(task)
        shown, docs = kept.get("task_display_name", kept.get("_task_display_name")), kept["doc_md"]
        name, _, purpose = str(shown).partition(": ")
        assert name == task.task_id.rpartition(".")[2]
        assert 5 < len(purpose) < 30, shown
        assert docs.endswith((".", ")")), task.task_id
        assert ":class:" not in docs, task.task_id
        assert "``" not in docs, task.task_id


def test_a_dataset_says_who_answers_for_it(include: Path) -> None:
    text = (PROJECT / "include" / "datasets" / "flights.yaml").read_text()
    owned = text.replace("cycle:\n", "cycle:\n  owner: logs\n  owner_link: mailto:logs@example.com\n")
    (include / "datasets" / "flights.yaml").write_text(owned)
    dag = load_bag("daily_cycle.py").dags["flights_daily_cycle"]
    assert (dag.owner_links, {task.owner for task in dag.tasks}) == ({"logs": "mailto:logs@example.com"}, {"logs"})
