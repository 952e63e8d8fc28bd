"""The form of ``archive_backfill`` and its graph: what holds before a run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opensearch_strata.airflow.operators.backfill.form import MOST_MAPPED, BackfillForm
from opensearch_strata.errors import DefinitionError
from tests.dags.conftest import load_bag

CLOSED = {"max_batches", "max_concurrent_bulks"}


@pytest.fixture(scope="module")
def dag() -> Any:
    """The DAG with the project's own datasets."""
    bag = load_bag("archive_backfill.py")
    assert bag.import_errors == {}
    return bag.dags["archive_backfill"]


def test_every_param_is_described_and_none_that_matters_is_in_a_section_that_begins_closed(dag: Any) -> None:
    params = {name: dag.params.get_param(name) for name in dag.params}
    assert {name for name, param in params.items() if "section" in param.schema} == CLOSED
    for name, param in params.items():
        assert param.schema["title"]
        assert param.description.endswith("."), name


def test_the_form_offers_what_the_model_takes_with_the_same_defaults(dag: Any) -> None:
    assert set(dag.params) == set(BackfillForm.model_fields)
    for name, field in BackfillForm.model_fields.items():
        if not field.is_required():
            assert dag.params[name] == field.default, name
    assert dag.params["dry_run"] is True
    assert dag.params.get_param("dataset").schema["enum"] == ["flights", "telemetry"]
    assert dag.params.get_param("max_batches").schema["maximum"] == MOST_MAPPED


def test_the_dag_keeps_the_house_rules(dag: Any) -> None:
    assert dag.schedule is None
    assert not dag.catchup
    assert dag.max_active_runs > 1
    assert "strata" in dag.tags
    for promise in ("Load it", "dry_run", "condense_and_drop", "Cancel, clear", "redrive", '"dry_run": false'):
        assert promise in dag.doc_md
    for task in dag.tasks:
        assert task.retry_policy is not None, task.task_id
        assert task.execution_timeout is not None, task.task_id


def test_every_step_of_the_graph_is_in_the_doc(dag: Any) -> None:
    assert all(f"| `{task.task_id}` |" in dag.doc_md for task in dag.tasks)


def test_the_graph_is_the_one_of_the_design(dag: Any) -> None:
    downstream = {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}
    assert downstream == {
        "read_form": {"plan", "redrive"},
        "plan": {"prepare", "load"},
        "prepare": {"load", "restore"},
        "load": {"restore"},
        "restore": {"prove"},
        "prove": {"settle"},
        "settle": {"report"},
        "redrive": {"report"},
        "report": set(),
    }
    assert dag.get_task("prepare").is_setup
    assert dag.get_task("restore").is_teardown


@pytest.mark.parametrize("downstream", [False, True])
def test_who_clears_a_load_has_the_raw_days_prepared_and_restored_again(dag: Any, downstream: bool) -> None:
    cleared = dag.partial_subset("load", include_downstream=downstream, include_upstream=False)
    further = {"prove", "settle", "report"} if downstream else set()
    assert set(cleared.task_dict) == {"prepare", "load", "restore"} | further


def test_without_a_sound_dataset_the_dag_is_there_and_says_why_nothing_can_be_chosen(include: Path) -> None:
    (include / "datasets" / "broken.yaml").write_text("name: broken")
    bag = load_bag("archive_backfill.py")
    assert bag.import_errors == {}
    assert "enum" not in bag.dags["archive_backfill"].params.get_param("dataset").schema


def test_the_form_says_all_that_is_wrong_at_once() -> None:
    with pytest.raises(DefinitionError) as error:
        BackfillForm.checked({"dataset": "x", "max_concurrent_bulks": 9, "most": 1, "dry_run": "perhaps"})
    for part in (
        "max_concurrent_bulks: must be less than or equal to 8 (is 9).",
        "most: this DAG",
        "dry_run: ",
    ):
        assert part in str(error.value)
