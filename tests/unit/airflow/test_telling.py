"""How alarms reach a notifier: as data, once, and without failing the task."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.sdk import BaseNotifier

from opensearch_strata.airflow.alarms import remember_why, tell, tell_failure
from opensearch_strata.airflow.assets import asset_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.alarms.alarm import Alarm
from tests.streams import dataset_of

PATH = f"{__name__}.Heard"


class Heard(BaseNotifier):
    """Keeps what it is told."""

    template_fields = ("text",)
    texts: ClassVar[list[Any]] = []

    def __init__(self, text: str, fails: bool = False) -> None:
        super().__init__()
        self.text, self.fails = text, fails

    def notify(self, context: Any) -> None:
        if self.fails:
            raise ConnectionError("http://pager.example.com/?token=hunter2 refused password=hunter2")
        self.texts.append(self.text)


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    Heard.texts.clear()


class Kept(dict[str, Any]):
    """Airflow's state of an asset."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def context(state: Any = None) -> Any:
    """What a task has, as far as alarms need it."""
    ti = SimpleNamespace(log_url="http://airflow/log")
    return {"ti": ti, "asset_state_store": {asset_of("flights", "history"): state}}


def flights(*receivers: dict[str, Any]) -> Dataset:
    """A dataset that tells these receivers."""
    heard = {"notifier": PATH, "arguments": {"text": "{{ strata.message }}"}}
    return dataset_of("flights", cycle={"notify": {"to": list(receivers) or [heard]}})


def alarm(sentence: str = "It differs.", cause: str = "one") -> Alarm:
    return Alarm("proof", "flights", cause, "a proof failed", sentence, "Do this.")


@pytest.mark.parametrize("sentence", ["{{ ti.log_url }}{{ 7 * 7 }}{% raw %}", "[1, 2]", "{'a': 1}", "<b>bold</b>"])
def test_a_sentence_is_never_a_template_and_stays_text(sentence: str) -> None:
    tell(context(), flights(), [alarm(sentence)])
    assert Heard.texts == [f"{sentence}\n\nDo this.\n\nhttp://airflow/log"]


def test_a_notifier_that_fails_keeps_no_other_from_it_and_its_secrets_stay_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = {"notifier": PATH, "arguments": {"text": "x", "fails": True}}
    missing, stranger = {"notifier": "no.such.Pager"}, {"notifier": "builtins.dict"}
    well = {"notifier": PATH, "arguments": {"text": "{{ strata.subject }}"}}
    with caplog.at_level(logging.WARNING):
        tell(context(), flights(broken, missing, stranger, well), [alarm()])
    assert Heard.texts == ["Strata: flights: a proof failed"]
    told = caplog.text
    assert told.count("could not be told of") == 3
    assert "hunter2" not in told


def test_a_receiver_hears_only_what_it_wants_to() -> None:
    wants = {"notifier": PATH, "arguments": {"text": "{{ strata.kind }}"}}
    tell(context(), flights({**wants, "about": ["disk"]}, {**wants, "about": ["disk", "proof"]}), [alarm()])
    assert Heard.texts == ["proof"]


def test_what_lasts_is_told_once_a_day() -> None:
    state = Kept()
    for _ in range(2):
        tell(context(state), flights(), [alarm()], "history")
    assert len(Heard.texts) == 1
    tell(context(state), flights(), [alarm(cause="another"), alarm()], "history")
    assert len(Heard.texts) == 2
    yesterday = datetime.now(UTC) - timedelta(hours=21)
    state["alarms"]["one"] = yesterday.isoformat()
    tell(context(state), flights(), [alarm()], "history")
    assert len(Heard.texts) == 3


def test_what_could_not_be_told_is_not_remembered_and_a_lost_memory_keeps_no_alarm_back() -> None:
    state = Kept()
    tell(context(state), flights({"notifier": "no.such.Pager"}), [alarm()], "history")
    assert not state
    tell(context(None), flights(), [alarm()], "history")
    assert len(Heard.texts) == 1


def test_arrivals_that_fail_in_spite_of_their_retries_are_told_with_the_reason() -> None:
    task = SimpleNamespace(dataset=flights(), task_id="drain")
    refused = Refused("The queue orders does not exist. Nothing was received.")
    failed: Any = {**context(), "task": task, "exception": refused}
    for _ in range(2):
        tell_failure(failed)
    assert len(Heard.texts) == 2  # without Airflow's memory
    assert Heard.texts[0].startswith("The queue orders does not exist. Nothing was received.\n\nNothing is lost:")


def test_why_a_task_failed_is_left_for_the_report_with_the_number_of_a_mapped_one() -> None:
    pushed: list[Any] = []
    for index in (-1, 3):
        ti = SimpleNamespace(task_id="a.prove", map_index=index, xcom_push=lambda key, value: pushed.append(value))
        lost: Any = {"ti": ti, "exception": Refused("It differs.")}
        remember_why(lost)
        killed: Any = {"ti": ti}
        remember_why(killed)
    assert pushed == [{"task": "a.prove", "why": "It differs."}, {"task": "a.prove_3", "why": "It differs."}]


def test_nobody_is_told_if_the_dataset_names_nobody() -> None:
    tell({}, dataset_of("flights"), [alarm()], "history")
