"""Alarms as they are told: one for each cause, in words that every notifier takes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.workflows.alarms.alarm import Alarm
from opensearch_strata.workflows.alarms.disk import Forecast
from opensearch_strata.workflows.alarms.of_cycle import failures, overdue, step_of, too_small
from opensearch_strata.workflows.alarms.of_loads import dead_letters, findings, old_messages
from tests.streams import dataset_of

DATASET = dataset_of("flights")
DAY = date(2013, 3, 2)
PROVE, DELETE, VERIFY = "retention.retire.prove", "retention.retire.delete", "condense_day.verify"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=150))
def test_a_subject_is_a_line_that_sns_takes_and_no_message_controls_a_terminal(text: str) -> None:
    alarm = Alarm("proof", "flights", "cause", f"{text}\n", f"\x1b[2J{text}\r\u202e", "Do this.")
    assert alarm.subject.isascii()
    assert alarm.subject.isprintable()
    assert len(alarm.subject) <= 100
    message = alarm.message("http://airflow/log")
    assert not {"\x1b", "\r", "\u202e", "\0"} & set(message)
    assert message.startswith(r"\x1b[2J")
    assert message.endswith("Do this.\n\nhttp://airflow/log")
    assert message.count("\n") == 4


def test_tasks_that_failed_for_one_reason_are_one_alarm() -> None:
    down = "OpenSearch cannot be reached."
    why = {VERIFY: down, f"{PROVE}_0": down, f"{PROVE}_1": "flights-2013.01.01 differs."}
    found = failures(DATASET, DAY, [*why, f"{DELETE}_2"], why)
    assert {(alarm.kind, alarm.sentence) for alarm in found} == {
        ("proof", down),
        ("proof", "flights-2013.01.01 differs."),
        ("failure", f"1 task of the cycle of {DAY} ended without saying why: delete."),
    }
    assert len({alarm.cause for alarm in found}) == 3


@pytest.mark.parametrize(
    ("task", "step"), [(f"{PROVE}_12", "prove"), (VERIFY, "verify"), ("a.archive_due", "archive_due")]
)
def test_a_step_is_a_task_without_its_groups_and_its_number(task: str, step: str) -> None:
    assert step_of(task) == step


def test_days_are_told_only_when_they_are_overdue_and_all_in_one_alarm() -> None:
    now = datetime(2013, 3, 4, 13, tzinfo=UTC)  # 36 hours after the end of DAY are over an hour ago
    assert overdue(DATASET, [], 36, now) == []
    assert overdue(DATASET, [DAY], 38, now) == []
    days = [DAY - timedelta(days=n) for n in range(8)]
    (alarm,) = overdue(DATASET, [*days, DAY + timedelta(days=1)], 36, now)
    assert alarm.sentence.endswith("2013-02-27 and 3 other days.")
    assert alarm.cause == "unproven since 2013-02-23"  # the same tomorrow


def test_a_disk_is_an_alarm_only_if_the_rest_of_the_window_does_not_fit() -> None:
    assert too_small(DATASET, None) == []
    assert too_small(DATASET, Forecast(per_day=10, needed=100, free=100)) == []
    (alarm,) = too_small(DATASET, Forecast(per_day=10 << 30, needed=100 << 30, free=95 << 30))
    assert "full in about 9 days" in alarm.sentence


def test_dead_letters_are_an_alarm_beyond_their_share() -> None:
    assert dead_letters(DATASET, read=3, dead=1, share=0.01, causes="") == []
    assert dead_letters(DATASET, read=1000, dead=10, share=0.01, causes="") == []
    (alarm,) = dead_letters(DATASET, read=1000, dead=11, share=0.01, causes="no time: 11.")
    assert "11 of 1,000 events could not be loaded, 1.1%. no time: 11." in alarm.sentence
    assert "strata redrive flights --apply" in alarm.cure


def test_a_queue_is_an_alarm_when_its_messages_are_old() -> None:
    assert old_messages(DATASET, oldest=3599, waiting=9, minutes=60) == []
    assert old_messages(DATASET, oldest=99_999, waiting=0, minutes=60) == []  # it was emptied
    (alarm,) = old_messages(DATASET, oldest=3600, waiting=1200, minutes=60)
    assert "had waited 60 minutes" in alarm.sentence
    assert "1,200 messages wait now" in alarm.sentence


def test_what_an_audit_found_is_one_alarm_with_the_worst_first() -> None:
    fine = {"day": "2013-01-01", "kind": "day", "finding": "agrees", "severity": "fine", "cure": ""}
    assert findings("flights", [fine]) == []
    near = {**fine, "finding": "no archive", "severity": "would be lost", "cure": "Archive it."}
    lost = {**near, "day": "2013-01-02", "finding": "rows are gone", "severity": "lost", "cure": "Restore it."}
    (alarm,) = findings("flights", [fine, near, lost])
    assert alarm.sentence == "2013-01-02: rows are gone. 2013-01-01: no archive."
    assert alarm.cure == "Restore it. Archive it."
    assert "lost" in alarm.title
