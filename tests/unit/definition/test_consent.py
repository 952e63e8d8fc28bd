"""A person's word for deletions: it fits one dataset as it is, and no change or copy of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from opensearch_strata.definition.consent import confirmation, consent_of, request
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import datasets_dir
from opensearch_strata.workflows.cycle_report import question
from tests.streams import dataset_of, definition_of

START = {"start_date": date(2024, 1, 1)}


def said(confirmed: str | None, **parts: Any) -> Dataset:
    """A dataset whose deletions are asked for, with a confirmation."""
    return dataset_of("t", **parts, cycle={"delete": True, "delete_confirmed": confirmed})


def test_without_a_word_nothing_may_be_deleted() -> None:
    definition = definition_of("t")
    consent = consent_of(Dataset.model_validate({**definition, "cycle": START}))
    assert (consent.given, consent.asked) == (False, False)
    assert "cycle.delete is false. To have raw days deleted, set it to true in the dataset" in consent.sentence


@pytest.mark.parametrize("shown", [True, False])
def test_no_later_run_is_promised_to_show_what_this_one_shows(shown: bool) -> None:
    asked = question(dataset_of("t", cycle={"delete": False}), any_expired=True, shown=shown)
    assert asked.startswith("Nothing of t is deleted: cycle.delete is false.")
    assert ("The table shows which raw days would be deleted" in asked) == shown
    assert ("the next run then shows which ones it would delete" in asked) == (not shown)


def test_the_first_word_alone_asks_and_deletes_nothing() -> None:
    consent = consent_of(said(None))
    assert (consent.given, consent.asked) == (False, True)
    assert "is not confirmed yet" in consent.sentence


def test_the_line_that_is_asked_for_is_one_of_yaml_and_confirms() -> None:
    line = request(said(None)).rpartition("of t: ")[2]
    (key, text), *_ = yaml.safe_load(line).items()
    assert key == "delete_confirmed"
    assert text.startswith("keep 60 days of t-{day} in UTC, ")
    assert consent_of(said(text)).given
    assert consent_of(said(f"  {text}\n")).given


@pytest.mark.parametrize(
    "changed",
    [
        {"raw": {"window_days": 61}},
        {"raw": {"window_days": 6}},
        {"raw": {"index": "t-raw-{day}"}},
        {"raw": {"day_format": "%Y-%m-%d"}},
        {"time_zone": "Europe/Berlin"},
    ],
)
def test_what_was_confirmed_for_something_else_asks_again(changed: dict[str, Any]) -> None:
    confirmed = confirmation(said(None))
    assert consent_of(said(confirmed)).given
    consent = consent_of(said(confirmed, **changed))
    assert (consent.given, consent.asked) == (False, True)
    assert f"was confirmed for something else ({confirmed!r})" in consent.sentence


def test_what_deletes_nothing_else_needs_no_new_word() -> None:
    confirmed = confirmation(said(None))
    assert consent_of(said(confirmed, description="Other words.", engine="search")).given


def test_a_copy_of_a_dataset_does_not_inherit_its_word_even_if_every_name_is_replaced() -> None:
    text = (datasets_dir() / "flights.yaml").read_text("utf-8")
    assert consent_of(Dataset.model_validate(yaml.safe_load(text))).given  # the sample that `make run` deletes from
    copy = Dataset.model_validate(yaml.safe_load(text.replace("flights", "trains")))
    assert not consent_of(copy).given


def test_the_template_deletes_nothing() -> None:
    template = Dataset.model_validate(yaml.safe_load((datasets_dir() / "telemetry.yaml").read_text("utf-8")))
    assert not template.cycle.delete
