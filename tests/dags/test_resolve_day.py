"""Which day a run is about, and whether it may delete: above all a run that nobody started by hand."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.utils.types import DagRunType

from opensearch_strata.airflow.operators.daily_cycle.resolve_day import ResolveDayOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import DeleteOperator
from opensearch_strata.errors import DefinitionError
from opensearch_strata.workflows import retention
from tests.streams import dataset_of

DEFAULTS = {"day": None, "dry_run": True, "redefine": False, "allow_poorer": False}
WORDS: dict[str, dict[str, Any]] = {
    "none": {"delete": False},
    "not confirmed": {"delete": True},
    "confirmed for something else": {"delete": True, "delete_confirmed": "keep 7 days of t-{day} in UTC, 0badf00d"},
    "confirmed": {},
}


def resolved(word: str, kind: DagRunType, **params: Any) -> dict[str, Any]:
    """What the task finds in a run of a kind, for 2024-05-06."""
    run = SimpleNamespace(run_type=kind, partition_key="2024-05-06", conf=params)
    operator = ResolveDayOperator(task_id="resolve_day", dataset=dataset_of("t", cycle=WORDS[word]))
    return operator.execute({"params": {**DEFAULTS, **params}, "dag_run": run})


@pytest.mark.parametrize("word", ["none", "not confirmed", "confirmed for something else"])
@pytest.mark.parametrize("kind", [DagRunType.SCHEDULED, DagRunType.MANUAL, DagRunType.BACKFILL_JOB])
def test_no_run_of_any_kind_deletes_without_a_confirmed_word(word: str, kind: DagRunType) -> None:
    assert resolved(word, kind)["dry_run"]
    assert resolved(word, kind, dry_run=False)["dry_run"]


def test_with_it_the_clock_deletes_and_a_person_who_says_so() -> None:
    assert not resolved("confirmed", DagRunType.SCHEDULED)["dry_run"]
    assert not resolved("confirmed", DagRunType.MANUAL, dry_run=False)["dry_run"]
    assert resolved("confirmed", DagRunType.MANUAL)["dry_run"]
    assert resolved("confirmed", DagRunType.BACKFILL_JOB)["dry_run"]


def test_a_run_of_the_clock_knows_its_day() -> None:
    assert resolved("none", DagRunType.SCHEDULED)["day"] == str(date(2024, 5, 6))


def test_a_run_of_a_backfill_is_never_that_of_another_day() -> None:
    assert resolved("none", DagRunType.BACKFILL_JOB, day="2024-05-06")["day"] == "2024-05-06"
    assert resolved("none", DagRunType.MANUAL, day="2024-05-01")["day"] == "2024-05-01"
    with pytest.raises(DefinitionError, match="is for 2024-05-06, but it was given the day 2024-05-01"):
        resolved("none", DagRunType.BACKFILL_JOB, day="2024-05-01")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("run_is_dry", [True, False])
def test_each_task_asks_for_the_word_again(word: str, run_is_dry: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may have begun, or be cleared after days, when the word is taken back or the window changed."""
    asked: list[bool] = []

    def retire(*_: Any, dry_run: bool, **_more: Any) -> str:
        asked.append(dry_run)
        return "dry_run" if dry_run else "deleted"

    monkeypatch.setattr(retention, "retire", retire)
    monkeypatch.setattr(retention.Proven, "from_json", lambda found: SimpleNamespace(**found))
    proven = {"index": "t-2024.01.01", "day": "2024-01-01", "documents": 1, "rows": 1, "mend": ""}
    cycle = {"day": "2024-05-06", "dry_run": run_is_dry}
    dataset = dataset_of("t", cycle=WORDS[word])
    operator = DeleteOperator(task_id="delete", proven=proven, dataset=dataset, cycle=cycle)
    operator.__dict__["hook"] = SimpleNamespace(client=None)
    context: Any = {"ti": SimpleNamespace(xcom_push=lambda **_: None)}
    done = operator.execute(context)
    assert asked == [run_is_dry or word != "confirmed"]
    assert done["outcome"] == ("dry_run" if asked[0] else "deleted")
